package store_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// follower follows the account of config from the same disk, with a cache of its own.
func follower(t testing.TB, d disk.FS, c *catalog) *store.Follower {
	cfg := config(t, d, &catalog{})
	cfg.Cache = segment.NewCache(1 << 30)
	f := store.Follow(cfg, func(context.Context, uint64) (store.Manifest, error) { return c.manifest(), nil })
	t.Cleanup(f.Close)
	return f
}

// seen is what a query sees: the rows up to a mark.
func seen(t testing.TB, f *store.Follower, to store.Mark) (map[int]int, error) {
	t.Helper()
	if err := f.Advance(t.Context(), to); err != nil {
		return nil, err
	}
	for {
		p := f.Snapshot("w", "T_CL", 0, 0)
		found, err := idsIn(p)
		p.Release()
		if !store.Replaced(err) {
			return found, err
		}
		if err := f.Renew(t.Context(), to, err); err != nil {
			return nil, err
		}
	}
}

func idsIn(p *store.Snapshot) (map[int]int, error) {
	files, err := p.Files(context.Background(), []string{"Id"}, nil, 0)
	if err != nil {
		return nil, err
	}
	found := map[int]int{}
	for _, f := range files {
		for id, n := range idsOf(f.Path) {
			found[id] += n
		}
	}
	return found, nil
}

func follows(t *testing.T, f *store.Follower, s *store.Store, want ...int) {
	t.Helper()
	found, err := seen(t, f, s.Mark())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, found, want...)
}

func TestAFollowerSeesWhatItsOwnerHas(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	cfg := config(t, d, c)
	cfg.MergeAfter = 3
	s := open(t, cfg)
	f := follower(t, d, c)
	follows(t, f, s)
	appendRows(t, s, rows(narrow, 1, 2))
	early := s.Mark()
	follows(t, f, s, 1, 2)
	appendRows(t, s, rows(wide, 3)) // a column more
	follows(t, f, s, 1, 2, 3)
	flush(t, s)
	follows(t, f, s, 1, 2, 3)
	if found, err := seen(t, f, early); err != nil || len(found) != 3 {
		t.Errorf("an older mark: %v %v", found, err)
	}
	appendRows(t, s, rows(narrow, 4))
	if err := s.Use(2); err != nil {
		t.Fatal(err)
	}
	appendRows(t, s, rows(narrow, 5))
	follows(t, f, s, 1, 2, 3, 4, 5)
	for id := 6; id < 12; id++ { // with merges
		appendRows(t, s, rows(narrow, id))
		flush(t, s)
	}
	follows(t, f, s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	follows(t, follower(t, d, c), s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	if err := s.Drop(t.Context(), "w", "T_CL"); err != nil {
		t.Fatal(err)
	}
	follows(t, f, s)
	appendRows(t, s, rows(narrow, 12))
	s.Close()
	cfg = config(t, d, c)
	cfg.Current = 2
	s = open(t, cfg)
	follows(t, f, s, 12) // its owner ended and came again
}

// An owner that appends, flushes and merges between any two operations of a
// follower on the disk: each query has the rows of its mark once, and of later
// ones whatever has come.
func TestFollowingWhileRowsMove(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	d, c := disktest.New(), &catalog{}
	cfg := config(t, d, c)
	cfg.MergeAfter = 2
	s := open(t, cfg)
	f := follower(t, d, c)
	next, busy := 0, atomic.Bool{}
	work := func() {
		busy.Store(true)
		defer busy.Store(false)
		switch rnd.Intn(3) {
		case 0:
			flush(t, s)
		default:
			appendRows(t, s, rows(narrow, next))
			next++
		}
	}
	for range 60 {
		work()
		acknowledged, mark := next, s.Mark()
		budget := rnd.Intn(12)
		d.OnOp(func(disktest.Op) error {
			if busy.CompareAndSwap(false, true) { // an operation of the follower's
				if budget > 0 && rnd.Intn(3) == 0 {
					budget--
					work()
				}
				busy.Store(false)
			}
			return nil
		})
		found, err := seen(t, f, mark)
		d.OnOp(nil)
		if err != nil {
			t.Fatal(err)
		}
		for id, n := range found {
			if n != 1 {
				t.Fatalf("row %d is there %d times", id, n)
			}
		}
		for id := range acknowledged {
			if found[id] != 1 {
				t.Fatalf("row %d of %d is missing", id, acknowledged)
			}
		}
	}
}

// What is not there, and in no newer manifest either, is an error that names it.
func TestAFollowerMissesNothingSilently(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	s := open(t, config(t, d, c))
	appendRows(t, s, rows(narrow, 1))
	flush(t, s)
	appendRows(t, s, rows(narrow, 2))
	mark := s.Mark()
	for _, name := range d.Names() {
		if !strings.Contains(name, "/objects/") && !strings.HasSuffix(name, "2.journal") {
			continue // the first journal has nothing that is wanted
		}
		bytes := append([]byte(nil), d.Bytes(name)...)
		if err := d.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := seen(t, follower(t, d, c), mark)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, journal.ErrReleased) {
			t.Errorf("without %s: %v", name, err)
		}
		again, err := d.Create(name)
		if err == nil {
			_, err = again.Write(bytes)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	follows(t, follower(t, d, c), s, 1, 2)

	older := c.manifest()
	older.Segments = older.Segments[:0]
	forged := store.Follow(config(t, d, &catalog{}), func(context.Context, uint64) (store.Manifest, error) { return older, nil })
	if err := forged.Advance(t.Context(), mark); !errors.Is(err, store.ErrForged) {
		t.Errorf("a manifest without its segments: %v", err)
	}
	stale := store.Follow(config(t, d, &catalog{}), func(context.Context, uint64) (store.Manifest, error) { return store.Manifest{}, nil })
	if err := stale.Advance(t.Context(), mark); err == nil {
		t.Error("a manifest of yesterday was good enough")
	}
}

// A follower is told what has changed, and asks for the whole where that is not
// the right thing: the MAC tells.
func TestAFollowerIsToldWhatHasChanged(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	s := open(t, config(t, d, c))
	was := map[uint64]store.Manifest{}
	wholes, parts, lie := 0, 0, false
	cfg := config(t, d, &catalog{})
	f := store.Follow(cfg, func(_ context.Context, since uint64) (store.Manifest, error) {
		m := c.manifest()
		old, known := was[since]
		was[m.Seq] = m
		if since == 0 || !known {
			wholes++
			return m, nil
		}
		parts++
		has := func(all []segment.Info, id schema.SegmentID) bool {
			return slices.ContainsFunc(all, func(i segment.Info) bool { return i.ID == id })
		}
		part := m
		part.Since, part.Segments = since, nil
		for _, i := range m.Segments {
			if !has(old.Segments, i.ID) {
				part.Segments = append(part.Segments, i)
			}
		}
		for _, i := range old.Segments {
			if !has(m.Segments, i.ID) {
				part.Removed = append(part.Removed, i.ID)
			}
		}
		if lie {
			part.Segments = nil
		}
		return part, nil
	})
	defer f.Close()
	want := []int{}
	for n := range 20 { // with merges among them
		appendRows(t, s, rows(narrow, n))
		want = append(want, n)
		flush(t, s)
		lie = n == 15
		follows(t, f, s, want...)
	}
	if wholes != 2 || parts != 19 {
		t.Errorf("%d times the whole, %d times what had changed; want once at first and once after what was not true", wholes, parts)
	}
}

// What is set aside, put to use again and removed is told in differences too.
func TestAFollowerIsToldWhatIsSetAside(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	cfg := config(t, d, c)
	cfg.MergeAfter = 100
	s := open(t, cfg)
	var aside []schema.SegmentID
	before := map[uint64]store.Manifest{}
	parts := 0
	f := store.Follow(config(t, d, &catalog{}), func(_ context.Context, since uint64) (store.Manifest, error) {
		m := c.manifest()
		before[m.Seq] = m
		if old, known := before[since]; known && since > 0 { // nothing is removed here but by Drop
			parts++
			m.Since = since
			for _, i := range old.Segments {
				if !slices.ContainsFunc(m.Segments, func(j segment.Info) bool { return i.ID == j.ID }) {
					m.Removed = append(m.Removed, i.ID)
				}
			}
			m.Segments = slices.DeleteFunc(m.Segments, func(i segment.Info) bool {
				return slices.ContainsFunc(old.Segments, func(j segment.Info) bool { return i.ID == j.ID })
			})
		}
		m.Aside = aside
		return m, nil
	})
	defer f.Close()
	step := func(n int, want ...int) {
		t.Helper()
		appendRows(t, s, rows(narrow, n))
		flush(t, s)
		follows(t, f, s, want...)
	}
	other := rows(narrow, 100)
	other.Table = "Other_CL"
	appendRows(t, s, other)
	step(0, 0)
	step(1, 0, 1)
	first := c.manifest().Segments[0]
	if first.Table != "T_CL" {
		first = c.manifest().Segments[1]
	}
	aside = []schema.SegmentID{first.ID, "which no manifest names"}
	step(2, 1, 2)
	step(3, 1, 2, 3)
	aside = nil
	step(4, 0, 1, 2, 3, 4)
	aside = []schema.SegmentID{first.ID}
	step(5, 1, 2, 3, 4, 5)
	if err := s.Drop(t.Context(), "w", "T_CL"); err != nil {
		t.Fatal(err)
	}
	step(6, 6)
	aside = nil
	step(7, 6, 7)
	if parts != 7 {
		t.Errorf("%d differences were told", parts)
	}
}
