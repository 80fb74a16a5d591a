package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/store"
)

// Writers, flushes and queries at the same time: every query sees all rows
// that were acknowledged before it began, and none twice.
func TestQueriesWhileRowsMove(t *testing.T) {
	s := open(t, config(t, disktest.New(), &catalog{}))
	const writers, each = 3, 40
	var acknowledged [writers]atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Flush(context.Background()); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Append(context.Background(), rows(narrow, w*each+i)); err != nil {
					t.Error(err)
					return
				}
				acknowledged[w].Store(int64(i + 1))
			}
		})
	}
	wg.Go(func() {
		for range 30 {
			var before [writers]int64
			for w := range writers {
				before[w] = acknowledged[w].Load()
			}
			got := whole(t, s)
			for id, n := range got {
				if n != 1 {
					t.Errorf("row %d is there %d times", id, n)
				}
			}
			for w := range writers {
				for i := range int(before[w]) {
					if got[w*each+i] != 1 {
						t.Errorf("acknowledged row %d is missing", w*each+i)
					}
				}
			}
		}
	})
	wg.Wait()
	close(stop)
	moving.Wait()
	flush(t, s)
	if got := whole(t, s); len(got) != writers*each {
		t.Errorf("%d rows at last", len(got))
	}
	if st := s.Stats(); st.TailRows != 0 || st.TailBytes != 0 || st.SegmentRows != writers*each {
		t.Errorf("%+v", st)
	}
}

// Once too much waits, appends are refused; once it could be flushed, they are
// taken again.
func TestBackPressure(t *testing.T) {
	asked := make(chan chan error)
	t.Cleanup(func() { close(asked) }) // after the store's Close
	c := &catalog{around: func(commit func() error) error {
		answer := make(chan error)
		asked <- answer
		if err := <-answer; err != nil {
			return err
		}
		return commit()
	}}
	cfg := config(t, disktest.New(), c)
	cfg.FlushBytes, cfg.FlushAge = 10<<10, time.Millisecond
	s := open(t, cfg)
	n := 0
	for ; ; n++ {
		if err := s.Append(t.Context(), rows(narrow, n)); errors.Is(err, store.ErrBehind) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 10 {
		t.Errorf("refused after %d appends", n)
	}
	go func() {
		(<-asked) <- errors.New("down")
		for answer := range asked {
			answer <- nil
		}
	}()
	for s.Flush(t.Context()) != nil { // the background's, or this one, meets the failure
	}
	appendRows(t, s, rows(narrow, n))
	flush(t, s)
	if got := whole(t, s); len(got) != n+1 || s.Stats().TailRows != 0 {
		t.Errorf("%d rows, %+v", len(got), s.Stats())
	}
}

func TestFlushWaitsForItsContext(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{})
	c := &catalog{around: func(commit func() error) error { close(held); <-hold; return commit() }}
	s := open(t, config(t, disktest.New(), c))
	appendRows(t, s, rows(narrow, 1))
	done := make(chan error)
	go func() { done <- s.Flush(context.Background()) }()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("second flush: %v", err)
	}
	appendRows(t, s, rows(narrow, 2)) // while the commit runs
	expect(t, whole(t, s), 1, 2)
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expect(t, whole(t, s), 1, 2)
}

func BenchmarkAppend(b *testing.B) {
	folder, err := disk.OpenFolder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s := open(b, config(b, folder, &catalog{}))
	ids := make([]int, 1000)
	for i := range ids {
		ids[i] = i
	}
	r := rows(wide, ids...)
	for b.Loop() {
		appendRows(b, s, r)
	}
	b.ReportMetric(float64(len(ids)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
