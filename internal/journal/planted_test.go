package journal_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
)

// fault is the kind of sync that is left out in a process that runs TestCrashes so.
var fault = os.Getenv("LOGKEEP_TEST_PLANT")

func plant(op disktest.Op) error {
	if fault != "" && op.Kind == fault {
		return disktest.ErrLeftOut
	}
	return nil
}

// The histories of TestCrashes find a journal that forgets to sync its files, and one
// that forgets their names. Each fault runs in a process of its own, in which the
// test must fail.
func TestCrashesFindForgottenSyncs(t *testing.T) {
	t.Parallel()
	if fault != "" {
		t.Skip("this is the process with the fault")
	}
	for _, kind := range []string{"sync", "syncdir"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashes$", "-test.failfast")
			cmd.Env = append(os.Environ(), "LOGKEEP_TEST_PLANT="+kind)
			out, err := cmd.CombinedOutput()
			if _, failed := err.(*exec.ExitError); !failed {
				t.Fatalf("a journal without %s passes: %v\n%s", kind, err, out)
			}
			if text := string(out); !strings.Contains(text, "--- FAIL: TestCrashes") || strings.Contains(text, "panic:") {
				t.Errorf("it ended otherwise than by a history:\n%s", out)
			}
		})
	}
}
