package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// A flush takes rows that fill row groups; the others stay where they are, are
// seen once like all, and are there after the store was opened again.
func TestAFlushTakesWholeGroups(t *testing.T) {
	const each, appends = 5000, 30
	synctest.Test(t, func(t *testing.T) {
		fs, c := disktest.New(), &catalog{}
		cfg := config(t, fs, c)
		cfg.FlushBytes = 4 << 20 // a group of these rows has more than half of it
		s := open(t, cfg)
		var all []int
		for n := range appends {
			var some []int
			for i := range each {
				some = append(some, n*each+i)
			}
			all = append(all, some...)
			appendRows(t, s, rows(narrow, some...))
		}
		synctest.Wait()
		const inGroup = segment.GroupRows / each * each
		look := func(s *store.Store) {
			t.Helper()
			st := s.Stats()
			if st.Segments != 1 || st.SegmentRows != inGroup || st.TailRows != each*appends-inGroup {
				t.Errorf("%+v", st)
			}
			if got := whole(t, s); len(got) != len(all) {
				t.Errorf("%d rows", len(got))
			} else {
				expect(t, got, all...)
			}
		}
		look(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Manifest = c.manifest()
		s = open(t, cfg)
		look(s)
		flush(t, s)
		if st := s.Stats(); st.TailRows != 0 || st.SegmentRows != each*appends {
			t.Errorf("after a flush of all: %+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Whoever brings rows waits while a flush makes room, but not for long, not
// with many others, and not for flushes that fail.
func TestRowsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commits := make(chan error)
		cfg := config(t, disktest.New(), &catalog{around: func(commit func() error) error {
			if err := <-commits; err != nil {
				return err
			}
			return commit()
		}})
		cfg.FlushBytes = 10 << 10
		s := open(t, cfg)
		n := 0
		fill := func() {
			for n++; s.Append(t.Context(), rows(narrow, n)) == nil; n++ {
			}
		}
		took := func(ctx context.Context) (time.Duration, error) {
			begin := time.Now()
			err := s.Ready(ctx)
			return time.Since(begin), err
		}
		fill()
		if d, err := took(t.Context()); d != 4*time.Second || !errors.Is(err, store.ErrBehind) {
			t.Errorf("without room: after %v %v", d, err)
		}
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if d, err := took(short); d != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("until a request's end: after %v %v", d, err)
		}

		waiting := make(chan error, 16)
		for range cap(waiting) {
			go func() { waiting <- s.Ready(t.Context()) }()
		}
		synctest.Wait()
		if d, err := took(t.Context()); d != 0 || !errors.Is(err, store.ErrBehind) {
			t.Errorf("one too many: after %v %v", d, err)
		}
		for len(waiting) < cap(waiting) {
			select {
			case commits <- nil:
			case <-time.After(time.Second):
				t.Fatal("flushes have ended, and somebody waits")
			}
			synctest.Wait()
		}
		for range cap(waiting) {
			if err := <-waiting; err != nil {
				t.Errorf("after a flush: %v", err)
			}
		}

		fill()
		down := errors.New("down")
		commits <- down
		synctest.Wait()
		if d, err := took(t.Context()); d != 0 || !errors.Is(err, store.ErrBehind) || !errors.Is(err, down) {
			t.Errorf("while flushes fail: after %v %v", d, err)
		}
		close(commits)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if d, err := took(t.Context()); d != 0 || !errors.Is(err, store.ErrClosed) {
			t.Errorf("closed: after %v %v", d, err)
		}
	})
}

// Of all stores that share a budget no more wait than of one.
func TestStoresShareTheirPlacesToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := store.NewBudget(10 << 10)
		hold := make(chan struct{})
		var stores []*store.Store
		for range 2 {
			cfg := config(t, disktest.New(), &catalog{around: func(commit func() error) error {
				<-hold
				return commit()
			}})
			cfg.Budget = budget
			stores = append(stores, open(t, cfg))
		}
		n := 0
		for ; stores[0].Append(t.Context(), rows(narrow, n)) == nil; n++ {
		}
		waiting := make(chan error, 16)
		for range cap(waiting) {
			go func() { waiting <- stores[0].Ready(t.Context()) }()
		}
		synctest.Wait()
		begin := time.Now()
		if err := stores[1].Ready(t.Context()); !errors.Is(err, store.ErrBehind) || time.Since(begin) != 0 {
			t.Errorf("one too many: after %v %v", time.Since(begin), err)
		}
		close(hold)
		for range cap(waiting) {
			if err := <-waiting; err != nil {
				t.Errorf("after a flush: %v", err)
			}
		}
		if err := stores[1].Ready(t.Context()); err != nil {
			t.Errorf("after a flush, the other store: %v", err)
		}
		for _, s := range stores {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
