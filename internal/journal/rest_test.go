package journal_test

import (
	"path"
	"strings"
	"syscall"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
)

// listed is the newest file of a journal, as who lists it sees it.
func listed(m *disktest.Memory, dir string) (newest string, err error) {
	infos, err := m.List(dir)
	for _, info := range infos {
		if strings.HasSuffix(info.Name, ".journal") {
			newest = info.Name
		}
	}
	return newest, err
}

// settle makes a file or a folder of a disk durable.
func settle(m *disktest.Memory) func(string) error {
	return func(name string) error {
		if !strings.HasSuffix(name, ".journal") {
			return m.SyncDir(name)
		}
		f, err := m.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	}
}

// atRest is the mark of a journal that nobody has open.
func atRest(m *disktest.Memory, cfg journal.Config) (journal.Mark, error) {
	if err := m.MkdirAll(cfg.Dir); err != nil {
		return journal.Mark{}, err
	}
	newest, err := listed(m, cfg.Dir)
	if err != nil {
		return journal.Mark{}, err
	}
	return journal.Rest(cfg, newest, settle(m))
}

// abandoned is a journal of three entries whose owner is gone, its newest file and its end.
func abandoned(t *testing.T, m *disktest.Memory, keys ring) (cfg journal.Config, newest string, end journal.Mark) {
	t.Helper()
	j, _ := open(t, m, keys)
	add(t, j, "a", "b", "c")
	end = j.Mark()
	j.Close()
	cfg = config(m, keys, &tape{})
	newest, err := listed(m, cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, newest, end
}

// Who lists the files while nobody writes, and reads them while somebody does
// again, sees what there was at that time, and none of what came since.
func TestRestSeesNothingOfTheNextOwner(t *testing.T) {
	keys, m := newRing(t, 1), disktest.New()
	cfg, newest, want := abandoned(t, m, keys)
	// The owner was killed as it wrote.
	name := path.Join(cfg.Dir, newest)
	var j *journal.Journal
	m.Damage(name, append(m.Bytes(name), m.Bytes(name)[60:90]...))
	for step, more := range []func(){
		func() {},
		func() { j, _ = open(t, m, keys) }, // cuts the torn end
		func() { add(t, j, "d") },
		func() { add(t, j, "e"); j.Close() },
	} {
		more()
		got, err := journal.Rest(cfg, newest, settle(m))
		if err != nil || got != want {
			t.Errorf("after step %d the end is entry %d, want %d (%v)", step, got.Last, want.Last, err)
		}
	}
	j, _ = open(t, m, keys)
	defer j.Close()
	add(t, j, "f")
	if err := j.Release(j.Last()); err != nil {
		t.Fatal(err)
	}
	if got, err := journal.Rest(cfg, newest, settle(m)); err == nil && got != want && got.Last != 0 {
		t.Errorf("a journal whose files have gone ends with entry %d", got.Last)
	}
}

// What is damaged is for the next owner to say.
func TestRestRefusesADamagedJournal(t *testing.T) {
	m := disktest.New()
	cfg, newest, _ := abandoned(t, m, newRing(t, 1))
	name := path.Join(cfg.Dir, newest)
	whole := m.Bytes(name)
	bad := append([]byte(nil), whole...)
	bad[len(bad)/2] ^= 1
	m.Damage(name, bad)
	if mark, err := journal.Rest(cfg, newest, settle(m)); err == nil {
		t.Errorf("damage in the middle was taken for an end at entry %d", mark.Last)
	}
	m.Damage(name, whole)
	if _, err := journal.Rest(cfg, newest, func(string) error { return syscall.EIO }); err == nil {
		t.Error("what could not be made durable was believed")
	}
}
