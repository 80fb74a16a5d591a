package keyring

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// within is how many schedules may pass before a fault is found.
const within = 2000

// planting is one entry of testdata/faults.txt.
type planting struct {
	name  string
	found []string
	edits []edit
}

// edit replaces whole lines of a source.
type edit struct{ file, old, new string }

// TestSimulateFindsPlantedFaults proves that the simulation can fail: the
// package is built once more with every fault of testdata/faults.txt in it,
// each behind a switch, and each must be found, by what should find it, within
// a number of schedules. With every switch off, nothing may be found.
func TestSimulateFindsPlantedFaults(t *testing.T) {
	if !*plants {
		t.Skip("it builds the package once more: run it with -planted, or make simulate")
	}
	faults := readFaults(t)
	binary := buildPlanted(t, faults)
	if out, err := runPlanted(binary, "^TestSimulate(Machine)?$", "", 100); err != nil {
		t.Fatalf("with no fault: %v\n%s", err, out)
	}
	seed := regexp.MustCompile(`seed (\d+), [0-9:.]+: (\w+): (.*)`)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			test := "^TestSimulate$"
			if slices.Contains(f.found, "machine") {
				test = "^TestSimulateMachine$"
			}
			out, err := runPlanted(binary, test, f.name, within)
			<-slots
			m := seed.FindStringSubmatch(out)
			switch {
			case err == nil:
				t.Errorf("not found in %d schedules", within)
			case m == nil:
				t.Errorf("%v, and no finding:\n%s", err, out)
			case !slices.Contains(f.found, m[2]):
				t.Errorf("found as %q, want one of %q:\n%s", m[2], f.found, out)
			default:
				t.Logf("%s: found in schedule %s as %s: %s", f.name, m[1], m[2], m[3])
			}
		})
	}
}

// runPlanted simulates with a fault, one schedule after the other.
func runPlanted(binary, test, fault string, schedules int) (string, error) {
	cmd := exec.Command(binary, "-test.run", test, "-seeds", fmt.Sprint(schedules), "-plant", fault, "-test.cpu", "1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buildPlanted builds this package's tests with the faults in its sources.
func buildPlanted(t *testing.T, faults []planting) string {
	t.Helper()
	dir := t.TempDir()
	sources := map[string]string{}
	for _, f := range faults {
		for _, e := range f.edits {
			if sources[e.file] == "" {
				b, err := os.ReadFile(e.file)
				must(t, err)
				sources[e.file] = string(b)
			}
			if n := strings.Count(sources[e.file], e.old); n != 1 {
				t.Fatalf("fault %q: this stands %d times in %s:\n%s", f.name, n, e.file, e.old)
			}
			sources[e.file] = strings.Replace(sources[e.file], e.old, e.new, 1)
		}
	}
	replace := map[string]string{}
	for file, text := range sources {
		from, err := filepath.Abs(file)
		must(t, err)
		replace[from] = filepath.Join(dir, file)
		must(t, os.WriteFile(replace[from], []byte(text), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	must(t, err)
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "planted.test")
	must(t, os.WriteFile(list, overlay, 0o600))
	if out, err := exec.Command("go", "test", "-c", "-overlay", list, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build with faults: %v\n%s", err, out)
	}
	return binary
}

// readFaults reads testdata/faults.txt.
func readFaults(t *testing.T) (out []planting) {
	t.Helper()
	b, err := os.ReadFile("testdata/faults.txt")
	must(t, err)
	var f *planting
	var file, last string
	for n, line := range strings.Split(string(b), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || word == "#":
		case word == "fault":
			out = append(out, planting{name: rest})
			f = &out[len(out)-1]
		case f == nil:
			t.Fatalf("testdata/faults.txt:%d: %q stands before the first fault", n+1, line)
		case strings.HasPrefix(line, "found by "):
			f.found = strings.Split(strings.TrimPrefix(line, "found by "), ", ")
		case word == "in":
			file = rest
		case word == "-":
			if last != "-" {
				f.edits = append(f.edits, edit{file: file})
			}
			f.edits[len(f.edits)-1].old += rest + "\n"
		case word == "+" && len(f.edits) > 0:
			f.edits[len(f.edits)-1].new += rest + "\n"
		default:
			t.Fatalf("testdata/faults.txt:%d: %q is not understood", n+1, line)
		}
		last = word
	}
	return out
}
