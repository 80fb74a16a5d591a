package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/store"
)

// most is how often a row is written into a segment at most: by its flush, and once
// for each size of segments that are merged (design 0049).
const most = 6

// written is what all changes of a store have added.
type written struct {
	catalog
	flushed, merged, rows int64 // bytes, bytes, rows of both
	segments              int   // there at a time, at most
}

func (w *written) Commit(ctx context.Context, ch store.Change) error {
	if err := w.catalog.Commit(ctx, ch); err != nil {
		return err
	}
	for _, s := range ch.Add {
		w.rows += s.Rows
		if len(ch.Remove) > 0 {
			w.merged += s.Bytes
		} else {
			w.flushed += s.Bytes
		}
	}
	w.segments = max(w.segments, len(w.catalog.m.Segments))
	return nil
}

func (w *written) amplification() float64 { return float64(w.flushed+w.merged) / float64(w.flushed) }

// Rows that trickle in for a week are flushed by age, one by one, and merged. None is
// written more often than the bound says, and few segments are there at a time.
func TestATrickleIsWrittenAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every, rowsOfAWeek = 20 * time.Minute, 7 * 24 * 3
		w := &written{}
		cfg := config(t, disktest.New(), &w.catalog)
		cfg.Commit = w
		s := open(t, cfg)
		defer s.Close()
		for i := range rowsOfAWeek {
			appendRows(t, s, rows(narrow, i))
			time.Sleep(every)
		}
		st := s.Stats()
		if st.SegmentRows != rowsOfAWeek || st.TailRows != 0 {
			t.Fatalf("%+v", st)
		}
		t.Logf("%d rows, %d written, %.2f bytes for a byte that was flushed, at most %d segments", rowsOfAWeek, w.rows, w.amplification(), w.segments)
		if w.rows > most*rowsOfAWeek || w.amplification() > most {
			t.Errorf("%d rows were written for %d, %.2f bytes for one", w.rows, rowsOfAWeek, w.amplification())
		}
		if w.rows < 2*rowsOfAWeek {
			t.Errorf("%d rows were written: they were not merged", w.rows)
		}
		if w.segments > 35+7 { // of each size, and those that a merge is about to take
			t.Errorf("%d segments at a time", w.segments)
		}
	})
}

// BenchmarkTrickle is a week of a row every ten seconds, flushed every minute: how
// often a row is written, and what that costs.
func BenchmarkTrickle(b *testing.B) {
	for b.Loop() {
		w := &written{}
		cfg := config(b, disktest.New(), &w.catalog)
		cfg.Commit = w
		s := open(b, cfg)
		const minutes, each = 7 * 24 * 60, 6
		for i := range minutes {
			var ids []int
			for n := range each {
				ids = append(ids, i*each+n)
			}
			appendRows(b, s, rows(narrow, ids...))
			flush(b, s)
		}
		if s.Stats().SegmentRows != minutes*each {
			b.Fatal(s.Stats())
		}
		b.ReportMetric(float64(w.rows)/(minutes*each), "writes/row")
		b.ReportMetric(w.amplification(), "bytes/byte")
		b.ReportMetric(float64(w.segments), "segments")
		s.Close()
	}
}
