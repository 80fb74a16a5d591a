package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/store"
)

// BenchmarkOpen opens an account of 100,000 segments of a table with ten
// columns, each with an object on a real disk: what a start waits for.
func BenchmarkOpen(b *testing.B) {
	const segments = 100_000
	root := b.TempDir()
	folder, err := disk.OpenFolder(root)
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close()
	var columns []schema.Column
	for i := range 10 {
		columns = append(columns, schema.Column{Name: fmt.Sprintf("Column%d", i), Type: schema.String})
	}
	objects := filepath.Join(root, "accounts/c-0/objects")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		b.Fatal(err)
	}
	c := &catalog{}
	ch := store.Change{Account: "c-0"}
	for i := range segments {
		id := fmt.Sprintf("%032x", i*7919)
		if err := os.WriteFile(filepath.Join(objects, id), nil, 0o600); err != nil {
			b.Fatal(err)
		}
		ch.Add = append(ch.Add, segment.Info{
			ID: schema.SegmentID(id), Account: "c-0", Workspace: "w", Table: schema.TableName(fmt.Sprintf("T%d_CL", i%100)), Generation: 1,
			Rows: 1000, Bytes: 1000, MinTime: schema.Ticks(i), MaxTime: schema.Ticks(i + 1), Columns: columns,
		})
	}
	if err := store.Sign(config(b, folder, c), &ch); err != nil {
		b.Fatal(err)
	}
	if err := c.commit(ch); err != nil {
		b.Fatal(err)
	}
	cfg := config(b, folder, c)
	for b.Loop() {
		s, err := store.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		if s.Stats().Segments != segments {
			b.Fatal(s.Stats())
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/open")
}
