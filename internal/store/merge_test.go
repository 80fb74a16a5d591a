package store_test

import (
	"slices"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/schema"
)

func objects(fs disk.FS) int {
	list, _ := fs.List("accounts/c-0/objects")
	return len(list)
}

func TestSmallSegmentsMerge(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	cfg := config(t, fs, c)
	cfg.MergeAfter = 4
	s := open(t, cfg)
	var all []int
	for i := range 9 {
		all = append(all, 100-i, 200+i)
		appendRows(t, s, rows(narrow, 100-i, 200+i))
		flush(t, s)
		expect(t, whole(t, s), all...)
	}
	// 4 merged at the fourth flush; with that one, 4 again at the seventh.
	if st := s.Stats(); st.Segments != 3 || st.SegmentRows != 18 || objects(fs) != 3 {
		t.Errorf("%+v, %d objects", st, objects(fs))
	}
	s.Close()
	s = open(t, config(t, fs, c))
	expect(t, whole(t, s), all...)
	if st := s.Stats(); st.Segments != 3 {
		t.Errorf("%+v", st)
	}
}

// A query that began before a merge reads what it saw; the old objects go when
// it is done.
func TestMergeWaitsForQueries(t *testing.T) {
	fs := disktest.New()
	cfg := config(t, fs, &catalog{})
	cfg.MergeAfter = 3
	s := open(t, cfg)
	for i := range 2 {
		appendRows(t, s, rows(narrow, i))
		flush(t, s)
	}
	p := s.Snapshot("w", "T_CL", 0, 0)
	appendRows(t, s, rows(narrow, 2))
	flush(t, s)
	if s.Stats().Segments != 1 || objects(fs) != 3 {
		t.Errorf("%d segments, %d objects while a query reads two old ones", s.Stats().Segments, objects(fs))
	}
	expect(t, ids(t, p), 0, 1)
	expect(t, whole(t, s), 0, 1, 2)
	p.Release()
	p.Release() // does nothing
	if objects(fs) != 1 {
		t.Errorf("%d objects after the query", objects(fs))
	}
	expect(t, whole(t, s), 0, 1, 2)
}

// Generations and sets of columns stay apart, and tables of course.
func TestOnlyLikeSegmentsMerge(t *testing.T) {
	c := &catalog{}
	cfg := config(t, disktest.New(), c)
	cfg.MergeAfter = 2
	s := open(t, cfg)
	id := 0
	for _, generation := range []uint32{1, 2} {
		if err := s.Use(generation); err != nil {
			t.Fatal(err)
		}
		for _, table := range []schema.Table{narrow, wide, narrow, wide} {
			other := rows(table, id)
			other.Workspace = "x"
			appendRows(t, s, rows(table, id), other)
			flush(t, s)
			id++
		}
	}
	s.Flush(t.Context())
	expect(t, whole(t, s), 0, 1, 2, 3, 4, 5, 6, 7)
	type like struct {
		workspace  schema.WorkspaceID
		generation uint32
		columns    int
	}
	var got []like
	for _, info := range c.manifest().Segments {
		l := like{info.Workspace, info.Generation, len(info.Columns)}
		if info.Rows != 2 {
			// One merge a flush: the last ones may still wait.
			continue
		}
		if slices.Contains(got, l) {
			t.Errorf("%+v twice", l)
		}
		got = append(got, l)
	}
	if len(got) < 5 {
		t.Errorf("merged: %+v", got)
	}
}

// A segment that can't be read is left alone, and the others still merge.
func TestDamagedSegmentDoesNotStopMerging(t *testing.T) {
	fs, c := disktest.New(), &catalog{}
	cfg := config(t, fs, c)
	cfg.MergeAfter = 3
	s := open(t, cfg)
	appendRows(t, s, rows(narrow, 0))
	flush(t, s)
	if err := fs.Remove("accounts/c-0/objects/" + string(c.manifest().Segments[0].ID)); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		appendRows(t, s, rows(narrow, 10+i))
		flush(t, s)
	}
	if st := s.Stats(); st.SegmentRows != 7 || st.Segments > 4 {
		t.Errorf("%+v", st)
	}
	p := s.Snapshot("w", "T_CL", noon+10*schema.TicksPerSecond, 0)
	defer p.Release()
	expect(t, ids(t, p), 10, 11, 12, 13, 14, 15)
}

// A merge whose answer was lost is settled before anything else is changed.
func TestLostAnswerOfAMerge(t *testing.T) {
	c := &catalog{}
	cfg := config(t, disktest.New(), c)
	cfg.MergeAfter = 2
	s := open(t, cfg)
	other := rows(narrow, 7)
	other.Table = "Other_CL"
	appendRows(t, s, rows(narrow, 1), other)
	flush(t, s)
	appendRows(t, s, rows(narrow, 2))
	calls := 0
	c.around = func(commit func() error) error {
		err := commit()
		if calls++; calls == 2 { // the flush's, then the merge's
			return errDown
		}
		return err
	}
	flush(t, s) // rows are in segments, whatever became of the merge
	expect(t, whole(t, s), 1, 2)
	if err := s.Drop(t.Context(), "w", "Other_CL"); err != nil {
		t.Fatal(err)
	}
	expect(t, whole(t, s), 1, 2)
	if st := s.Stats(); calls != 4 || st.Segments != 1 || st.SegmentRows != 2 {
		t.Errorf("%d commits, %+v", calls, st)
	}
}
