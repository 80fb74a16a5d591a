package journal_test

import (
	"bytes"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

func inspected(t *testing.T, m *disktest.Memory) journal.Inspected {
	t.Helper()
	cfg := config(m, newRing(t, 1), &tape{})
	out, err := journal.Inspect(m, cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInspectFindsHolesAndNoneInWhatACrashLeaves(t *testing.T) {
	m, _ := sample(t, newRing(t, 1))
	if out := inspected(t, m); out.Files != 2 || out.Frames != 6 || len(out.Damaged) > 0 {
		t.Fatalf("%+v", out)
	}
	for _, name := range m.Names() {
		b := bytes.Clone(m.Bytes(name))
		all := frames(b)
		last := len(b) - len(all[len(all)-1])
		for i := range b[:last] {
			c := bytes.Clone(b)
			c[i] ^= 1 << (i % 8)
			d := m.Restart()
			d.Damage(name, c)
			if out := inspected(t, d); len(out.Damaged) != 1 {
				t.Errorf("%s, byte %d of %d: %+v", name, i, len(b), out)
			}
		}
		for n := range len(b) {
			d := m.Restart()
			d.Damage(name, b[:n])
			if out := inspected(t, d); len(out.Damaged) > 0 {
				t.Errorf("%s, cut after %d of %d bytes: %v", name, n, len(b), out.Damaged[0])
			}
		}
	}
}
