package store_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// An account of very many tables has no file, descriptor or goroutine a table:
// neither while rows wait nor when all are in segments.
func TestVeryManyTables(t *testing.T) {
	const tables = 400 // many more than the bound; ten thousand behave the same
	folder, err := disk.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c := &catalog{}
	s := open(t, config(t, folder, c))
	descriptors := func() int { return len(must(os.ReadDir("/proc/self/fd"))) }
	files, routines := descriptors(), runtime.NumGoroutine()
	bounded := func(when string) {
		t.Helper()
		if f, r := descriptors()-files, runtime.NumGoroutine()-routines; f > 50 || r > 50 {
			t.Errorf("%s: %d files and %d goroutines more", when, f, r)
		}
	}
	for first := 0; first < tables; first += 200 {
		var some []store.Rows
		for i := first; i < first+200; i++ {
			r := rows(narrow, i)
			r.Table = schema.TableName(fmt.Sprintf("T%d_CL", i))
			some = append(some, r)
		}
		appendRows(t, s, some...)
	}
	bounded("in the journal")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	bounded("in segments")
	if st := s.Stats(); st.Segments != tables {
		t.Errorf("%+v", st)
	}
	for _, i := range []int{0, tables / 2, tables - 1} {
		p := s.Snapshot("w", schema.TableName(fmt.Sprintf("T%d_CL", i)), 0, schema.MaxTicks)
		if got := ids(t, p); len(got) != 1 || got[i] != 1 {
			t.Errorf("table %d has %v", i, got)
		}
		p.Release()
	}
	bounded("after queries")
}
