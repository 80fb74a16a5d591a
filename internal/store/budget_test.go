package store_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/store"
)

// Stores of one process share the room for rows that are not in segments yet: when
// it is used up all refuse rows, whoever has them; once they are flushed, which
// the others are told to do, all take rows again, and none is lost.
func TestStoresShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := store.NewBudget(40 << 10)
		var stores []*store.Store
		down := errors.New("down")
		broken := true
		for range 2 {
			cfg := config(t, disktest.New(), &catalog{around: func(commit func() error) error {
				if broken {
					return down
				}
				return commit()
			}})
			cfg.Budget = budget
			stores = append(stores, open(t, cfg))
		}
		n := 0
		var err error
		for err == nil && n < 1000 {
			if err = stores[0].Append(t.Context(), rows(narrow, n)); err == nil {
				n++
			}
		}
		if !errors.Is(err, store.ErrBehind) {
			t.Fatalf("%d appends, more than the budget has room for: %v", n, err)
		}
		if err := stores[1].Ready(t.Context()); !errors.Is(err, store.ErrBehind) {
			t.Errorf("a store says that it takes rows that it would refuse: %v", err)
		}
		if err := stores[1].Append(t.Context(), rows(narrow, n)); !errors.Is(err, store.ErrBehind) {
			t.Fatalf("the other store: %v", err)
		}
		broken = false
		time.Sleep(2 * time.Minute) // an age after the flush that failed
		synctest.Wait()
		if held := stores[0].Stats(); held.TailRows != 0 || held.SegmentRows != int64(n) {
			t.Errorf("after %d rows: %+v", n, held)
		}
		if err := stores[1].Append(t.Context(), rows(narrow, n)); err != nil {
			t.Errorf("the other store, after a flush: %v", err)
		}
		if err := stores[1].Close(); err != nil {
			t.Fatal(err)
		}
		if err := stores[0].Append(t.Context(), rows(narrow, n)); err != nil {
			t.Errorf("after a close: %v", err)
		}
	})
}
