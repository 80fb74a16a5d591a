package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// footerOf is the footer of a file of all kinds of columns and two groups.
func footerOf(t testing.TB) (footer []byte, f *file.Reader) {
	recs := shape{rows: 500, records: 2, distinct: 50, null: 0.1, long: 5000}.make(t, rand.New(rand.NewPCG(1, 4)))
	var b bytes.Buffer
	w, err := NewWriter(&b, recs[0].Schema(), Options{Compress: true, Dictionary: true, Sorted: "TimeGenerated", Pairs: map[string]string{"a": "b", "c": ""}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Rows(recs); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all := b.Bytes()
	length := int(binary.LittleEndian.Uint32(all[len(all)-8:]))
	if f, err = file.NewParquetReader(bytes.NewReader(all)); err != nil {
		t.Fatal(err)
	}
	return all[len(all)-8-length : len(all)-8], f
}

// What is read of a footer is what another reader reads of it.
func TestFooter(t *testing.T) {
	b, f := footerOf(t)
	footer, err := ParseFooter(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(footer.Groups) != f.NumRowGroups() || len(footer.Columns) != len(columns) || footer.Pairs["a"] != "b" || footer.Pairs["c"] != "" {
		t.Fatalf("%d groups, %d columns, pairs %v", len(footer.Groups), len(footer.Columns), footer.Pairs)
	}
	chunks := chunksOf(t, f)
	for g, group := range footer.Groups {
		if group.Rows != f.MetaData().RowGroup(g).NumRows() {
			t.Errorf("group %d has %d rows", g, group.Rows)
		}
		for i, c := range group.Chunks {
			meta, _ := f.MetaData().RowGroup(g).ColumnChunk(i)
			want := chunks[g*len(columns)+i]
			if c.Offset != want.Offset || c.Size != want.Size || c.Unpacked != meta.TotalUncompressedSize() || c.Codec != CodecZstd {
				t.Errorf("%s: %d bytes at %d, unpacked %d, codec %d; want %+v", columns[i].Name, c.Size, c.Offset, c.Unpacked, c.Codec, want)
			}
			column := f.MetaData().Schema.Column(i)
			if footer.Columns[i].Name != column.Name() || footer.Columns[i].Optional != (column.MaxDefinitionLevel() > 0) {
				t.Errorf("column %d is %+v", i, footer.Columns[i])
			}
			stats, err := meta.Statistics()
			if err != nil {
				t.Fatal(err)
			}
			if (stats != nil && stats.HasMinMax()) != (c.Min != nil) || c.Min != nil && (!bytes.Equal(c.Min, stats.EncodeMin()) || !bytes.Equal(c.Max, stats.EncodeMax())) {
				t.Errorf("%s: from %x to %x", columns[i].Name, c.Min, c.Max)
			}
		}
	}
}

// A footer of some columns is one that another reader reads, and tells the same of them.
func TestFooterOfSomeColumns(t *testing.T) {
	b, f := footerOf(t)
	footer, err := ParseFooter(b)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	for round := range 50 {
		present := make([]bool, len(columns))
		var of []int
		for i := range present {
			if present[i] = round == 0 || r.IntN(3) == 0; present[i] {
				of = append(of, i)
			}
		}
		g := r.IntN(2)
		some, err := metadata.NewFileMetaData(footer.Of(g, present, nil), nil)
		if err != nil {
			t.Fatalf("%v: %v", of, err)
		}
		if some.NumRowGroups() != 1 || some.Schema.NumColumns() != len(of) || some.NumRows != f.MetaData().RowGroup(g).NumRows() || some.RowGroup(0).NumRows() != some.NumRows {
			t.Fatalf("%v: %d groups, %d columns, %d rows", of, some.NumRowGroups(), some.Schema.NumColumns(), some.NumRows)
		}
		for i, column := range of {
			got, err := some.RowGroup(0).ColumnChunk(i)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := f.MetaData().RowGroup(g).ColumnChunk(column)
			if fmt.Sprint(some.Schema.Column(i)) != fmt.Sprint(f.MetaData().Schema.Column(column)) || !got.Equals(want) {
				t.Errorf("%v: column %s differs", of, columns[column].Name)
			}
		}
	}
}

// Whatever the bytes are, they are read or refused, and what is read can be
// written.
func FuzzFooter(f *testing.F) {
	b, _ := footerOf(f)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte{0})
	f.Add(bytes.Repeat([]byte{0x1c}, 5000)) // structs in structs
	f.Add([]byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		footer, err := ParseFooter(b)
		if err != nil {
			return
		}
		present := make([]bool, len(footer.Columns))
		for i := range present {
			present[i] = i%2 == 0
		}
		for g := range footer.Groups {
			if _, err := ParseFooter(footer.Of(g, present, nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
