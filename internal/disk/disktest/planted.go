package disktest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const plantEnv = "LOGKEEP_TEST_PLANT"

// Planted is the fault of a process that FindsForgotten has started; "" in all others.
var Planted = os.Getenv(plantEnv)

// FindsForgotten runs TestCrashes of the tests that run, each time in a process of its own
// with one of these faults, for which it leaves out syncs that Planted names. It must fail
// each time, with words that begin so, and by a history: not by a panic.
func FindsForgotten(t *testing.T, words string, faults ...string) {
	if Planted != "" {
		t.Skip("this is the process with the fault")
	}
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashes$", "-test.failfast")
			cmd.Env = append(os.Environ(), plantEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			if _, failed := err.(*exec.ExitError); !failed {
				t.Fatalf("it passes without %s: %v\n%s", fault, err, out)
			}
			if text := string(out); !strings.Contains(text, words) || strings.Contains(text, "panic:") {
				t.Errorf("it ended otherwise than by a history:\n%s", out)
			}
		})
	}
}
