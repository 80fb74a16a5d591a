package throttle

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestABucketEmptiesAndFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(Rate{Burst: 3, PerSecond: 2})
		for want := 2; want >= 0; want-- {
			if left, _, ok := m.Take("a"); !ok || left != want {
				t.Errorf("%d left, %v; want %d", left, ok, want)
			}
		}
		if _, wait, ok := m.Take("a"); ok || wait != 500*time.Millisecond {
			t.Errorf("an empty bucket: %v, wait %s", ok, wait)
		}
		if _, _, ok := m.Take("b"); !ok {
			t.Error("another's bucket is empty too")
		}
		time.Sleep(500 * time.Millisecond)
		if left, _, ok := m.Take("a"); !ok || left != 0 {
			t.Errorf("after the wait: %d %v", left, ok)
		}
		time.Sleep(time.Hour)
		if left, _, _ := m.Take("a"); left != 2 || len(m.buckets) != 1 {
			t.Errorf("after an hour: %d left, %d buckets", left, len(m.buckets))
		}
		if left, _, ok := (*Meter)(nil).Take("a"); !ok || left < 1<<30 {
			t.Error("no meter, but a limit")
		}
	})
}

func TestAQueueHasPlacesAndBenches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(2, 1, time.Minute)
		ctx := t.Context()
		first, err := q.Enter(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = q.Enter(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		third := make(chan error)
		go func() {
			_, err := q.Enter(ctx, "a")
			third <- err
		}()
		synctest.Wait()
		if _, err := q.Enter(ctx, "a"); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		if _, err := q.Enter(ctx, "b"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		first()
		if err := <-third; err != nil {
			t.Errorf("the third, when a place is free: %v", err)
		}
		begin := time.Now()
		if _, err := q.Enter(ctx, "a"); !errors.Is(err, ErrWaited) || time.Since(begin) != time.Minute {
			t.Errorf("nobody leaves: %v after %s", err, time.Since(begin))
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := q.Enter(gone, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that is gone: %v", err)
		}
	})
}

func TestTheTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range Azure() {
		if seen[l.Name] || NewMeter(l.Rate) == nil || l.What == "" || l.Source == "" {
			t.Errorf("%+v", l)
		}
		seen[l.Name] = true
	}
	if fmt.Sprint(len(seen)) != "8" {
		t.Errorf("%d limits", len(seen))
	}
}
