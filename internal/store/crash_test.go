package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

var errDown = errors.New("the machine is down")

// A model is what must be true of a table, whatever happened to the store.
type model struct {
	acknowledged map[int]bool
	doubtful     [][]int // appends that failed: all of it or nothing
	late         bool    // what failed may still be done later
	next         int
}

// check holds rows to the model and makes up its mind about doubtful ones.
func (m *model) check(t *testing.T, got map[int]int) {
	t.Helper()
	for id, n := range got {
		if n != 1 {
			t.Errorf("row %d is there %d times", id, n)
		}
	}
	for id := range m.acknowledged {
		if got[id] != 1 {
			t.Errorf("acknowledged row %d is there %d times", id, got[id])
		}
	}
	var open [][]int
	for _, unit := range m.doubtful {
		n := 0
		for _, id := range unit {
			n += got[id]
		}
		if n != 0 && n != len(unit) {
			t.Errorf("%d of %d rows of one append are there", n, len(unit))
		}
		for _, id := range unit {
			if n > 0 {
				m.acknowledged[id] = true
			}
		}
		if n == 0 && m.late {
			open = append(open, unit)
		}
	}
	m.doubtful = open
	if len(got) != len(m.acknowledged) {
		t.Errorf("%d rows, %d expected", len(got), len(m.acknowledged))
	}
}

// A machine is where a store's files are, and how it goes down.
type machine interface {
	// boot returns the files as they are found after a start. step is called
	// before every operation; once it has failed, all do.
	boot(step func() error) (fs disk.FS, dir string, err error)
	crash()            // it goes down now
	settle()           // nothing fails any more
	objects() []string // that are there
}

// A diskMachine loses in a crash what was not synced.
type diskMachine struct {
	r         *rand.Rand
	fs, after *disktest.Memory
}

func (m *diskMachine) boot(step func() error) (disk.FS, string, error) {
	if m.after != nil {
		m.fs, m.after = m.after, nil
	}
	m.fs.OnOp(func(op disktest.Op) error {
		if err := step(); err != nil || !planted(op) {
			return err
		}
		return disktest.ErrLeftOut
	})
	return m.fs, "accounts/c-0", nil
}

func (m *diskMachine) crash() {
	if m.after == nil {
		m.after = m.fs.Crash(m.r)
	}
}

func (m *diskMachine) settle() { m.crash() }

func (m *diskMachine) objects() (names []string) {
	list, _ := m.fs.List("accounts/c-0/objects")
	for _, o := range list {
		names = append(names, o.Name)
	}
	return names
}

// TestCrashes runs random operations and lets the machine crash before a
// random operation of the disk or around a commit, again and again.
func TestCrashes(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			crashes(t, seed, r, &diskMachine{r: r, fs: disktest.New()}, false)
		})
	}
}

func crashes(t *testing.T, seed uint64, r *rand.Rand, on machine, late bool) {
	c := &catalog{}
	m := &model{acknowledged: map[int]bool{}, late: late}
	generation := uint32(1)
	for life := range 6 {
		down := false
		countdown := r.IntN(120)
		if life == 5 {
			countdown = 1 << 30 // the last life is a good one
		}
		var mu sync.Mutex // queries read the disk in several goroutines
		step := func() error {
			mu.Lock()
			defer mu.Unlock()
			if !down {
				if countdown--; countdown >= 0 {
					return nil
				}
				down = true
				on.crash()
			}
			return errDown
		}
		isDown := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return down
		}
		// The catalog may lose a commit, or store it and lose the answer.
		c.around = func(commit func() error) error {
			if err := step(); err != nil {
				return err
			}
			switch r.IntN(5) {
			case 0:
				return errors.New("the catalog is busy")
			case 1:
				return errors.Join(commit(), errors.New("the answer is lost"))
			}
			return commit()
		}
		fs, dir, err := on.boot(step)
		var s *store.Store
		if err == nil {
			cfg := config(t, fs, c)
			cfg.Dir, cfg.Current = dir, generation
			cfg.MergeAfter = 2 + int(seed%4)
			s, err = store.Open(context.Background(), cfg)
		}
		if err != nil {
			if !isDown() && !late {
				t.Fatalf("life %d: %v\n%v", life, err, fs)
			}
			on.crash()
			continue
		}
		if got, ok := quietly(s); ok && !isDown() {
			m.check(t, got)
		}
		generation = m.live(t, r, s, generation, isDown)
		s.Close()
		on.crash() // a kill without a clean end
		if t.Failed() {
			t.Fatalf("seed %d, life %d", seed, life)
		}
	}
	on.settle()
	c.around = nil
	fs, dir, err := on.boot(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, fs, c)
	cfg.Dir, cfg.Current = dir, generation
	s := open(t, cfg)
	m.check(t, whole(t, s))
	flush(t, s)
	appendRows(t, s, rows(narrow, m.next))
	m.acknowledged[m.next] = true
	flush(t, s)
	m.check(t, whole(t, s))
	// Nothing is left over: an object for each segment of the manifest.
	have := on.objects()
	var want []string
	for _, info := range c.manifest().Segments {
		want = append(want, string(info.ID))
	}
	if slices.Sort(want); !slices.Equal(have, want) {
		t.Errorf("objects %v, segments %v", have, want)
	}
}

// live does random things until the machine goes down or it has done enough.
func (m *model) live(t *testing.T, r *rand.Rand, s *store.Store, generation uint32, down func() bool) uint32 {
	for range 12 {
		switch r.IntN(8) {
		case 0, 1:
			s.Flush(context.Background()) // may fail as it likes
		case 2:
			if generation < 7 && s.Use(generation+1) == nil {
				generation++
			}
		case 3:
			if got, ok := quietly(s); ok && !down() {
				for id := range m.acknowledged {
					if got[id] != 1 {
						t.Errorf("acknowledged row %d is there %d times", id, got[id])
					}
				}
			}
		default:
			var unit []int
			for range 1 + r.IntN(4) {
				unit = append(unit, m.next)
				m.next++
			}
			table := []schema.Table{narrow, wide}[r.IntN(2)]
			if err := s.Append(context.Background(), rows(table, unit...)); err != nil {
				m.doubtful = append(m.doubtful, unit)
				continue
			}
			for _, id := range unit {
				m.acknowledged[id] = true
			}
		}
	}
	return generation
}

// quietly counts the rows by id, unless the disk fails.
func quietly(s *store.Store) (map[int]int, bool) {
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	found := map[int]int{}
	files, err := p.Files(context.Background(), []string{"Id"}, nil, 0)
	if err != nil {
		return nil, false
	}
	for _, f := range files {
		for id, n := range idsOf(f.Path) {
			found[id] += n
		}
	}
	return found, true
}

// An object of an interrupted flush stays until a commit of the store that
// found it makes sure that nobody will name it any more.
func TestOrphansGoAfterACommit(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	appendRows(t, s, rows(narrow, 1))
	var late func() error
	c.around = func(commit func() error) error { late = commit; return errDown }
	if err := s.Flush(t.Context()); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	expect(t, whole(t, s), 1)
	s.Close()
	c.around = nil
	objects := func() int { l, _ := fs.List("accounts/c-0/objects"); return len(l) }

	// The commit arrives after another store has opened the account.
	s = open(t, config(t, fs, c))
	if objects() != 1 {
		t.Fatalf("%d objects", objects())
	}
	if err := late(); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Error("a store went on although the manifest had moved")
	}
	s.Close()
	s = open(t, config(t, fs, c))
	expect(t, whole(t, s), 1)

	// The commit never arrives.
	appendRows(t, s, rows(narrow, 2))
	c.around = func(func() error) error { return errDown }
	s.Flush(t.Context())
	s.Close()
	c.around = nil
	s = open(t, config(t, fs, c))
	before := objects()
	flush(t, s)
	if objects() >= before+1 || objects() != len(c.manifest().Segments) {
		t.Errorf("%d objects before, %d after, for %d segments", before, objects(), len(c.manifest().Segments))
	}
	expect(t, whole(t, s), 1, 2)
}

// A commit whose answer was lost is asked for again, and the rows do not double.
func TestLostAnswerOfACommit(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	appendRows(t, s, rows(narrow, 1))
	c.around = func(commit func() error) error { return errors.Join(commit(), errDown) }
	if err := s.Flush(t.Context()); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	appendRows(t, s, rows(narrow, 2))
	expect(t, whole(t, s), 1, 2)
	c.around = nil
	flush(t, s)
	expect(t, whole(t, s), 1, 2)
	if st := s.Stats(); st.TailRows != 0 || st.SegmentRows != 2 || c.commits != 2 {
		t.Errorf("%+v, %d commits", st, c.commits)
	}
}

// A disk that fills up while segments are written fails the flush and no more.
func TestFullDiskFailsTheFlushOnly(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	s := open(t, config(t, fs, c))
	appendRows(t, s, rows(narrow, 1, 2), rows(wide, 3))
	for n := range 8 {
		writes := 0
		fs.OnOp(func(op disktest.Op) error {
			if op.Kind == "write" || op.Kind == "sync" || op.Kind == "rename" || op.Kind == "create" {
				if writes++; writes > n {
					return errDown
				}
			}
			return nil
		})
		err := s.Flush(t.Context())
		fs.OnOp(nil)
		expect(t, whole(t, s), 1, 2, 3)
		if err == nil {
			if n < 5 {
				t.Errorf("only %d operations for two segments", n)
			}
			break
		}
		if l, _ := fs.List("accounts/c-0/objects"); len(l) != 0 {
			t.Errorf("after %d operations: %d objects left", n, len(l))
		}
		appendRows(t, s, rows(narrow, 100+n)) // the journal is another file
		flush(t, s)
		expect(t, whole(t, s), 1, 2, 3, 100+n)
		s.Close()
		fs, c = disktest.New(), &catalog{}
		s = open(t, config(t, fs, c))
		appendRows(t, s, rows(narrow, 1, 2), rows(wide, 3))
	}
}
