package domain

import (
	"fmt"
	"path/filepath"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
)

// BenchmarkDescribe is what the keeper does before a worker can open an account
// with 100,000 segments.
func BenchmarkDescribe(b *testing.B) {
	const segments = 100_000
	cat, err := catalog.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer cat.Close()
	if err := cat.AddAccount(b.Context(), catalog.Account{ID: "a", Domain: "d", Kind: ofCluster}); err != nil {
		b.Fatal(err)
	}
	var columns []schema.Column
	for i := range 10 {
		columns = append(columns, schema.Column{Name: fmt.Sprintf("Column%d", i), Type: schema.String})
	}
	all := make([]catalog.Segment, segments)
	for i := range all {
		all[i] = catalog.Segment{
			ID: schema.SegmentID(fmt.Sprintf("%032x", i*7919)), Account: "a", Workspace: "3d5c4a1e-0000-4000-8000-000000000001", Table: "Bench_CL", Generation: 2,
			Rows: 16400, Bytes: 30000, MinTime: schema.Ticks(638_000_000_000_000_000 + i*3_000_000_000), MaxTime: schema.Ticks(638_000_000_000_000_000 + (i+1)*3_000_000_000), Columns: columns,
		}
	}
	if err := cat.CommitSegments(b.Context(), "a", all, nil, catalog.Manifest{Seq: 1, Floor: 1, MAC: make([]byte, 69)}); err != nil {
		b.Fatal(err)
	}
	read := func(b *testing.B) {
		for b.Loop() {
			err := cat.View(b.Context(), func(tx *catalog.Tx) error {
				m, n, err := stored(b.Context(), tx, "a")
				if err == nil && (n != segments || len(m.Packed) < 60*segments) {
					err = fmt.Errorf("%d segments in %d bytes", n, len(m.Packed))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("rows", read)
	d := New(Config{Catalog: cat})
	b.Run("pack", func(b *testing.B) {
		if err := d.repack(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
		read(b)
	})
	b.Run("packing", func(b *testing.B) {
		m, err := cat.Manifest(b.Context(), "a")
		if err != nil {
			b.Fatal(err)
		}
		p, err := cat.Pack(b.Context(), "a")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := cat.PutPack(b.Context(), "a", m, segments, p.Packed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
