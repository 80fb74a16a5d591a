package store_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// aged makes rows whose ids are their ages in days, counted from the first day.
func aged(days ...int) store.Rows {
	var b strings.Builder
	for _, d := range days {
		fmt.Fprintf(&b, `{"TimeGenerated":%q,"Id":%d}`, first(d), d)
	}
	return store.Rows{Workspace: "w", Table: "T_CL", Record: must(batch.Parse(strings.NewReader(b.String()), narrow, 0)).Record}
}

// first is noon of a day; day 0 is the one on which a bubble's clock begins.
func first(day int) schema.Ticks {
	return must(schema.ParseTicks("2000-01-01T12:00:00Z")) + schema.Ticks(day)*schema.TicksPerDay
}

func sleepUntil(day int) { time.Sleep(time.Until(first(day).Time())) }

func kept(t *testing.T, s *store.Store, edge schema.Ticks) map[int]int {
	t.Helper()
	p := s.Snapshot("w", "T_CL", 0, 0)
	defer p.Release()
	p.Keep(edge)
	files, err := p.Files(t.Context(), []string{"Id"}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]int{}
	for _, f := range files {
		for id, n := range idsOf(f.Path) {
			if first(id) >= f.Since {
				found[id] += n
			}
		}
	}
	return found
}

func objectsLeft(t *testing.T, d *disktest.Memory) int {
	t.Helper()
	infos, err := d.List("accounts/c-0/objects")
	if err != nil {
		t.Fatal(err)
	}
	return len(infos)
}

func TestRowsBehindTheEdgeAreHiddenThenRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := disktest.New(), &catalog{}
		s := open(t, config(t, d, c))
		defer s.Close()
		retain := func(edge int) {
			t.Helper()
			if err := s.Retain(t.Context(), []store.Retained{{Workspace: "w", Table: "T_CL", Edge: first(edge)}}); err != nil {
				t.Fatal(err)
			}
		}
		for day := range 4 {
			sleepUntil(day)
			appendRows(t, s, aged(day, day+10)) // and rows of the future
			flush(t, s)
		}
		expect(t, kept(t, s, first(0)), 0, 1, 2, 3, 10, 11, 12, 13)
		expect(t, kept(t, s, first(2)), 2, 3, 10, 11, 12, 13)
		commits := c.commits
		retain(1)
		if c.commits != commits {
			t.Error("a segment was written anew that is not a day over the edge")
		}
		retain(2)
		expect(t, whole(t, s), 1, 2, 3, 10, 11, 12, 13)
		retain(2)
		if c.commits != commits+1 {
			t.Error("the same edge changed something twice")
		}
		retain(12)
		expect(t, whole(t, s), 12, 13)
		if n := objectsLeft(t, d); n != 2 {
			t.Errorf("%d objects are left of 2 segments", n)
		}
		retain(100)
		expect(t, whole(t, s))
		if n := objectsLeft(t, d); n != 0 {
			t.Errorf("%d objects are left of nothing", n)
		}
	})
}

func TestHistoryIsAsOldAsItsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, c := disktest.New(), &catalog{}
		cfg := config(t, d, c)
		cfg.MergeAfter = 2
		s := open(t, cfg)
		defer s.Close()
		sleepUntil(0)
		appendRows(t, s, aged(-900, -5))
		flush(t, s)
		expect(t, kept(t, s, first(-30)), -900, -5)
		sleepUntil(3)
		appendRows(t, s, aged(3, 2))
		flush(t, s)
		sleepUntil(20)
		appendRows(t, s, aged(19, 20))
		flush(t, s) // is merged with the one before, not with the history
		if st := s.Stats(); st.Segments != 2 {
			t.Errorf("%d segments", st.Segments)
		}
		expect(t, kept(t, s, first(-1)), -900, -5, 2, 3, 19, 20)
		expect(t, kept(t, s, first(1)), 2, 3, 19, 20)
		expect(t, kept(t, s, first(3)), 3, 19, 20)
		if err := s.Retain(t.Context(), []store.Retained{{Workspace: "w", Table: "T_CL", Edge: first(1)}}); err != nil {
			t.Fatal(err)
		}
		expect(t, whole(t, s), 2, 3, 19, 20)
	})
}

func TestPurgedRowsAreNowhere(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	cfg := config(t, d, c)
	s := open(t, cfg)
	for i := range 40 { // more than one change's worth
		appendRows(t, s, rows(narrow, 10*i, 10*i+1, 10*i+2))
		if i%2 == 0 {
			flush(t, s)
		}
	}
	appendRows(t, s, rows(narrow, 1000, 1001)) // in the journal only
	held := s.Snapshot("w", "T_CL", 0, 0)
	out, err := s.Purge(t.Context(), "w", "T_CL", func(rec arrow.RecordBatch) ([]bool, error) {
		var m []bool
		for _, id := range rec.Column(1).(*array.Int64).Int64Values() {
			m = append(m, id%10 == 1)
		}
		return m, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Rows != 41 || len(out.Segments) == 0 {
		t.Errorf("%+v", out)
	}
	var want []int
	for i := range 40 {
		want = append(want, 10*i, 10*i+2)
	}
	want = append(want, 1000)
	expect(t, whole(t, s), want...)
	if got := ids(t, held); len(got) != 122 {
		t.Errorf("a snapshot from before has %d rows, not what it had", len(got))
	}
	held.Release()
	if n, st := objectsLeft(t, d), s.Stats(); n != st.Segments {
		t.Errorf("%d objects for %d segments", n, st.Segments)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Manifest = c.manifest()
	s = open(t, cfg)
	expect(t, whole(t, s), want...)
}

func TestWhatWasSetAsideGoesWithTheNextChange(t *testing.T) {
	d, c := disktest.New(), &catalog{}
	cfg := config(t, d, c)
	s := open(t, cfg)
	for i := range 3 {
		appendRows(t, s, rows(narrow, i))
		flush(t, s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Manifest = c.manifest()
	cfg.Manifest.Aside = []schema.SegmentID{cfg.Manifest.Segments[1].ID}
	if err := d.Remove("accounts/c-0/objects/" + string(cfg.Manifest.Aside[0])); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	expect(t, whole(t, s), 0, 2)
	appendRows(t, s, rows(narrow, 7))
	expect(t, whole(t, s), 0, 2, 7)
	flush(t, s)
	expect(t, whole(t, s), 0, 2, 7)
	if m := c.manifest(); len(m.Segments) != 3 {
		t.Errorf("the manifest has %d segments", len(m.Segments))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Manifest = c.manifest()
	expect(t, whole(t, open(t, cfg)), 0, 2, 7)
}
