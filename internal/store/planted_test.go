package store_test

import (
	"path"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
)

// planted tells whether an operation is one that the fault leaves out: which syncs, of
// what folder.
func planted(op disktest.Op) bool {
	kind, folder, _ := strings.Cut(disktest.Planted, " ")
	at := op.Name
	if op.Kind == "sync" {
		at = path.Dir(at)
	}
	return disktest.Planted != "" && op.Kind == kind && path.Base(at) == folder
}

// The histories of TestCrashes find every sync that the store could have forgotten.
func TestCrashesFindForgottenSyncs(t *testing.T) {
	t.Parallel()
	disktest.FindsForgotten(t, "--- FAIL: TestCrashes/", "sync journal", "syncdir journal", "sync objects", "syncdir objects")
}
