package store_test

import (
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
)

// plant is set in a process that runs TestCrashes with a fault: which syncs, of what
// folder, are left out.
var plant = os.Getenv("LOGKEEP_TEST_PLANT")

// planted tells whether an operation is one that the fault leaves out.
func planted(op disktest.Op) bool {
	kind, folder, _ := strings.Cut(plant, " ")
	at := op.Name
	if op.Kind == "sync" {
		at = path.Dir(at)
	}
	return plant != "" && op.Kind == kind && path.Base(at) == folder
}

// The histories of TestCrashes find every sync that the store could have forgotten.
// Each fault runs in a process of its own, in which the test must fail.
func TestCrashesFindForgottenSyncs(t *testing.T) {
	t.Parallel()
	if plant != "" {
		t.Skip("this is the process with the fault")
	}
	for _, fault := range []string{"sync journal", "syncdir journal", "sync objects", "syncdir objects"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashes$", "-test.failfast")
			cmd.Env = append(os.Environ(), "LOGKEEP_TEST_PLANT="+fault)
			out, err := cmd.CombinedOutput()
			if _, failed := err.(*exec.ExitError); !failed {
				t.Fatalf("a store without %s passes: %v\n%s", fault, err, out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestCrashes/") || strings.Contains(string(out), "panic:") {
				t.Errorf("it ended otherwise than by a history:\n%s", out)
			}
		})
	}
}
