package journal_test

import (
	"testing"

	"logkeep/internal/disk/disktest"
)

// plant leaves out the kind of sync that is planted.
func plant(op disktest.Op) error {
	if disktest.Planted != "" && op.Kind == disktest.Planted {
		return disktest.ErrLeftOut
	}
	return nil
}

// The histories of TestCrashes find a journal that forgets to sync its files, and one
// that forgets their names.
func TestCrashesFindForgottenSyncs(t *testing.T) {
	t.Parallel()
	disktest.FindsForgotten(t, "--- FAIL: TestCrashes", "sync", "syncdir")
}
