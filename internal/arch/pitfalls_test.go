package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every pitfall of pitfalls.txt has tests that are there, or a reason.
func TestEveryPitfallHasItsTests(t *testing.T) {
	b, err := os.ReadFile("pitfalls.txt")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]map[string]bool{}
	answers, pitfalls, last := 0, map[string]bool{}, ""
	end := func() {
		if last != "" && answers == 0 {
			t.Errorf("%q has neither tests nor a reason", last)
		}
		answers = 0
	}
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case !strings.HasPrefix(line, "\t"):
			end()
			if last = text; pitfalls[last] {
				t.Errorf("%q stands twice", last)
			}
			if !strings.Contains(last, " [") || !strings.HasSuffix(last, "]") {
				t.Errorf("%q does not say where it happened", last)
			}
			pitfalls[last] = true
		case strings.HasPrefix(text, "never: "):
			answers++
		default:
			fields := strings.Fields(text)
			if tests[fields[0]] == nil {
				tests[fields[0]] = testsOf(t, fields[0])
			}
			if len(fields) < 2 {
				t.Errorf("%q: no test of %s is named", last, fields[0])
			}
			for _, name := range fields[1:] {
				if answers++; !tests[fields[0]][name] {
					t.Errorf("%q: there is no %s in %s", last, name, fields[0])
				}
			}
		}
	}
	end()
	if len(pitfalls) < 30 {
		t.Errorf("only %d pitfalls are listed", len(pitfalls))
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(\w+ \*testing\.T\)`)

// testsOf names the tests of a package, by its folder.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests: %v", folder, err)
	}
	out := map[string]bool{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(b), -1) {
			out[m[1]] = true
		}
	}
	return out
}
