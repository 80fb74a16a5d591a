package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var ruleTag = regexp.MustCompile(`(?m)^http\b.*\brule=\(([^)]*)\)`)

// ruled are the rules that cases of the server name.
func ruled(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../server/testdata/rules/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	named := map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ruleTag.FindAllStringSubmatch(string(b), -1) {
			for id := range strings.SplitSeq(m[1], ",") {
				named[id] = true
			}
		}
	}
	return named
}

// Every rule of the sections in rules.txt is there, and has cases or tests that
// are there, or a reason.
func TestEveryRuleIsAnswered(t *testing.T) {
	b, err := os.ReadFile("rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases, tests := ruled(t), map[string]map[string]bool{}
	known, wanted := map[string]bool{}, []string{}
	last, answers := "", 0
	end := func() {
		if last != "" && answers == 0 {
			t.Errorf("rule %s has no answer", last)
		}
		answers = 0
	}
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(line, "section "):
			end()
			last = ""
			var name string
			var n int
			if _, err := fmt.Sscanf(text, "section %s %d", &name, &n); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for i := range n {
				wanted = append(wanted, fmt.Sprintf("%s.%d", name, i+1))
			}
		case !strings.HasPrefix(line, "\t"):
			end()
			words := ""
			if last, words, _ = strings.Cut(text, " "); known[last] || words == "" {
				t.Errorf("rule %s stands twice or says nothing", last)
			}
			known[last] = true
		case text == "cases":
			if answers++; !cases[last] {
				t.Errorf("no case names rule %s", last)
			}
		case strings.HasPrefix(text, "never: "):
			answers++
		default:
			fields := strings.Fields(text)
			if tests[fields[0]] == nil {
				tests[fields[0]] = testsOf(t, fields[0])
			}
			for _, name := range fields[1:] {
				if answers++; !tests[fields[0]][name] {
					t.Errorf("rule %s: there is no %s in %s", last, name, fields[0])
				}
			}
		}
	}
	end()
	for _, id := range wanted {
		if !known[id] {
			t.Errorf("rule %s is not listed", id)
		}
		delete(known, id)
	}
	for id := range known {
		t.Errorf("rule %s is of no section", id)
	}
	if len(wanted) < 200 {
		t.Errorf("only %d rules are listed", len(wanted))
	}
}
