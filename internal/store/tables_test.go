package store_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// Very many tables in one account cost neither files nor goroutines, before a
// flush, after it and when the account is opened again; and each has its row.
func TestManyTables(t *testing.T) {
	const tables = 300
	folder, err := disk.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c := &catalog{}
	s := open(t, config(t, folder, c))
	files, routines := openFiles(t), runtime.NumGoroutine()
	name := func(i int) schema.TableName { return schema.TableName(fmt.Sprintf("T%d_CL", i)) }
	for i := 0; i < tables; i += 100 {
		var all []store.Rows
		for k := i; k < i+100; k++ {
			r := rows(narrow, k)
			r.Table = name(k)
			all = append(all, r)
		}
		if err := s.Append(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, s *store.Store) {
		for _, i := range []int{0, 1, tables / 2, tables - 1} {
			p := s.Snapshot("w", name(i), 0, 0)
			held, err := p.Files(context.Background(), nil, nil, 0)
			if err != nil || len(held) != 1 || held[0].Rows != 1 {
				t.Errorf("%s, table %d: %d files, %v", when, i, len(held), err)
			}
			p.Release()
		}
		if n, m := openFiles(t), runtime.NumGoroutine(); n > files+20 || m > routines+20 {
			t.Errorf("%s: %d files and %d goroutines, at first %d and %d", when, n, m, files, routines)
		}
	}
	check("in the tail", s)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Segments != tables || st.TailRows != 0 {
		t.Errorf("%+v", st)
	}
	check("in segments", s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("opened again", open(t, config(t, folder, c)))
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
