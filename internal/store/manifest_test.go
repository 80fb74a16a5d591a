package store_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// flushed returns an account with two segments and two rows in the journal,
// and its manifest after each flush.
func flushed(t *testing.T) (*disktest.Memory, *catalog, []store.Manifest) {
	disk, c := disktest.New(), &catalog{}
	s := open(t, config(t, disk, c))
	manifests := []store.Manifest{c.manifest()}
	for i := range 2 {
		appendRows(t, s, rows(narrow, 10*i, 10*i+1))
		flush(t, s)
		manifests = append(manifests, c.manifest())
	}
	appendRows(t, s, rows(narrow, 20, 21))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, c, manifests
}

func TestForgedManifestsAreRefused(t *testing.T) {
	disk, c, manifests := flushed(t)
	for name, forge := range map[string]func(m *store.Manifest){
		"a segment left out":         func(m *store.Manifest) { m.Segments = m.Segments[1:] },
		"a segment twice":            func(m *store.Manifest) { m.Segments = append(m.Segments, m.Segments[0]) },
		"a segment added":            func(m *store.Manifest) { i := m.Segments[0]; i.ID = "f"; m.Segments = append(m.Segments, i) },
		"a segment of another table": func(m *store.Manifest) { m.Segments[0].Table = "Other_CL" },
		"of another workspace":       func(m *store.Manifest) { m.Segments[0].Workspace = "x" },
		"of another account":         func(m *store.Manifest) { m.Segments[0].Account = "c-1" },
		"of another generation":      func(m *store.Manifest) { m.Segments[0].Generation = 2 },
		"another number of rows":     func(m *store.Manifest) { m.Segments[0].Rows++ },
		"another size":               func(m *store.Manifest) { m.Segments[0].Bytes++ },
		"a time that hides rows":     func(m *store.Manifest) { m.Segments[0].MaxTime = m.Segments[0].MinTime },
		"an earlier time":            func(m *store.Manifest) { m.Segments[0].MinTime-- },
		"a column left out":          func(m *store.Manifest) { m.Segments[0].Columns = m.Segments[0].Columns[:1] },
		"a column of another type": func(m *store.Manifest) {
			m.Segments[0].Columns = slices.Clone(m.Segments[0].Columns)
			m.Segments[0].Columns[1].Type = schema.Real
		},
		"a higher floor":         func(m *store.Manifest) { m.Floor++ },
		"a lower floor":          func(m *store.Manifest) { m.Floor-- },
		"a higher number":        func(m *store.Manifest) { m.Seq++ },
		"the MAC before":         func(m *store.Manifest) { m.MAC = manifests[1].MAC },
		"no MAC":                 func(m *store.Manifest) { m.MAC = nil },
		"a cut MAC":              func(m *store.Manifest) { m.MAC = m.MAC[:len(m.MAC)-1] },
		"another version":        func(m *store.Manifest) { m.MAC = flip(m.MAC, 0) },
		"another key generation": func(m *store.Manifest) { m.MAC = flip(m.MAC, 4) },
		"another past":           func(m *store.Manifest) { m.MAC = flip(m.MAC, 5) },
		"another MAC":            func(m *store.Manifest) { m.MAC = flip(m.MAC, len(m.MAC)-1) },
		"nothing but segments":   func(m *store.Manifest) { m.Seq, m.Floor, m.MAC = 0, 0, nil },
		"nothing but a floor":    func(m *store.Manifest) { *m = store.Manifest{Floor: m.Floor} },
	} {
		cfg := config(t, disk, c)
		forge(&cfg.Manifest)
		if s, err := store.Open(t.Context(), cfg); err == nil {
			s.Close()
			t.Errorf("%s was accepted", name)
		} else if !errors.Is(err, store.ErrForged) && name != "another key generation" {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := config(t, disk, c)
	newer.Manifest.MAC = slices.Clone(newer.Manifest.MAC)
	newer.Manifest.MAC[0]++
	if _, err := store.Open(t.Context(), newer); !errors.Is(err, store.ErrForged) || !strings.Contains(err.Error(), "this build knows 2") {
		t.Errorf("a newer manifest: %v", err)
	}
	// The order of segments means nothing, nor when they were created.
	cfg := config(t, disk, c)
	slices.Reverse(cfg.Manifest.Segments)
	cfg.Manifest.Segments[0].Created = 1
	expect(t, whole(t, open(t, cfg)), 0, 1, 10, 11, 20, 21)
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

// A manifest of another account, or of the same name in another cluster, does
// not fit.
func TestManifestBelongsToItsAccount(t *testing.T) {
	disk, c, _ := flushed(t)
	for name, move := range map[string]func(*store.Config){
		"cluster": func(cfg *store.Config) { cfg.Place.Cluster = "d" },
		"tenant":  func(cfg *store.Config) { cfg.Place.Tenant = "u" },
		"account": func(cfg *store.Config) {
			cfg.Account = "c-1"
			for i := range cfg.Manifest.Segments {
				cfg.Manifest.Segments[i].Account = "c-1"
			}
		},
	} {
		cfg := config(t, disk, c)
		move(&cfg)
		if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrForged) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// An older manifest is genuine. The journal that it needs is gone, and Open
// says so instead of showing a past without the rows since.
func TestReplayedManifestIsRefused(t *testing.T) {
	for old := range 2 {
		disk, c, manifests := flushed(t)
		s := open(t, config(t, disk, c))
		flush(t, s) // so that the journal has let go of the past
		appendRows(t, s, rows(narrow, 30))
		flush(t, s)
		s.Close()
		c.m = manifests[old]
		_, err := store.Open(t.Context(), config(t, disk, c))
		if _, ok := errors.AsType[*journal.DamageError](err); !ok {
			t.Errorf("manifest %d of an account that is at 4: %v", old, err)
		}
	}
}

// An older manifest is genuine, and the journal from its floor on may still be
// there: then the milestones tell, without a word from outside.
func TestAManifestBehindTheJournalsMilestonesIsRefused(t *testing.T) {
	disk, c, manifests := flushed(t) // two flushes, and rows in the journal after the second
	now := c.m
	for old := range 2 {
		c.m = manifests[old]
		_, err := store.Open(t.Context(), config(t, disk, c))
		if _, damage := errors.AsType[*journal.DamageError](err); !errors.Is(err, store.ErrRolledBack) && !damage {
			t.Errorf("manifest %d of an account that is at 2: %v", old, err)
		}
	}
	// A merge and a deletion change the manifest and leave the floor: the journal
	// that an older one needs is whole.
	c.m = now
	s := open(t, config(t, disk, c))
	flush(t, s)
	before := c.manifest()
	if err := s.Drop(t.Context(), "w", "T_CL"); err != nil {
		t.Fatal(err)
	}
	appendRows(t, s, rows(narrow, 40))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := c.manifest()
	if before.Floor != after.Floor || before.Seq == after.Seq {
		t.Fatalf("the deletion made %+v of %+v: this shows nothing", after, before)
	}
	c.m = before
	if _, err := store.Open(t.Context(), config(t, disk, c)); !errors.Is(err, store.ErrRolledBack) {
		t.Errorf("deleted rows are back: %v", err)
	}
	c.m = after
	s = open(t, config(t, disk, c))
	expect(t, whole(t, s), 40)
	s.Close()
}

// A journal that ends before an entry that somebody knows of is an older one.
func TestAJournalThatEndsTooEarlyIsRefused(t *testing.T) {
	disk, c := disktest.New(), &catalog{}
	s := open(t, config(t, disk, c))
	appendRows(t, s, rows(narrow, 1))
	appendRows(t, s, rows(narrow, 2))
	last := s.Mark().Journal.Last
	s.Close()
	cfg := config(t, disk, c)
	cfg.Seen = last
	s = open(t, cfg)
	flush(t, s) // the floor stands for what is released
	s.Close()
	cfg = config(t, disk, c)
	cfg.Seen = last
	open(t, cfg).Close()
	cfg = config(t, disk, c)
	cfg.Seen = last + 10
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrRolledBack) {
		t.Errorf("a journal without an entry that was acknowledged: %v", err)
	}
}

// A genuine manifest over an object that was exchanged or is gone: the queries
// that need it fail, others do not.
func TestExchangedAndMissingObjects(t *testing.T) {
	disk, c, _ := flushed(t)
	dir := "accounts/c-0/objects/"
	one, two := dir+string(c.m.Segments[0].ID), dir+string(c.m.Segments[1].ID)
	second := slices.Clone(disk.Bytes(two))
	disk.Damage(one, second)
	s := open(t, config(t, disk, c))
	p := s.Snapshot("w", "T_CL", 0, 0)
	if _, err := p.Files(t.Context(), nil, nil, 0); err == nil {
		t.Error("one segment passed for another")
	}
	p.Release()
	p = s.Snapshot("w", "T_CL", noon+10*schema.TicksPerSecond, 0)
	expect(t, ids(t, p), 10, 11, 20, 21)
	p.Release()
	s.Close()

	if err := disk.Remove(one); err != nil {
		t.Fatal(err)
	}
	s = open(t, config(t, disk, c))
	p = s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	if _, err := p.Files(t.Context(), nil, nil, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing object: %v", err)
	}
}
