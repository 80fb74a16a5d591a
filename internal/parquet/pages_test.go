package parquet

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/file"

	"logkeep/internal/batch"
)

// The list of pages is held against the pages that another reader finds.
func TestListedPages(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for _, s := range []shape{
		{rows: 1, records: 1, distinct: 1}, {rows: 3 * Stripe, records: 2, distinct: 1 << 40, null: 0.2}, {rows: 700, records: 30, distinct: 50, runs: true},
		{rows: 300, records: 9, distinct: 1 << 30, long: 9000}, {rows: Stripe, records: 9, distinct: 1 << 40},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			recs := s.make(t, r)
			var b bytes.Buffer
			w, err := NewWriter(&b, recs[0].Schema(), Options{Compress: true, Dictionary: true, Pages: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, half := range [][]arrow.RecordBatch{recs[:(len(recs)+1)/2], recs} {
				if err := w.Rows(half); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			f, err := file.NewParquetReader(bytes.NewReader(b.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			listed, err := decodePages(*f.MetaData().KeyValueMetadata().FindValue(PagesKey), chunksOf(t, f))
			if err != nil {
				t.Fatal(err)
			}
			for g := range f.NumRowGroups() {
				for i, c := range columns {
					var found []string
					reader, err := f.RowGroup(g).GetColumnPageReader(i)
					if err != nil {
						t.Fatal(err)
					}
					first := 0
					for reader.Next() {
						switch page := reader.Page().(type) {
						case *file.DictionaryPage:
							found = append(found, "dictionary")
						case *file.DataPageV1:
							found = append(found, fmt.Sprint(first, " ", page.NumValues()))
							first += int(page.NumValues())
						}
					}
					var told []string
					long := false // the page before ended before its stripe
					for _, p := range listed[g*len(columns)+i] {
						if p.Rows == 0 {
							told = append(told, "dictionary")
							continue
						}
						if p.First%Stripe != 0 && !long && p.First > 0 {
							t.Errorf("%s: a page begins with row %d", c.Name, p.First)
						}
						long = s.long > 0
						told = append(told, fmt.Sprint(p.First, " ", p.Rows))
					}
					if reader.Err() != nil || !slices.Equal(found, told) {
						t.Errorf("%s: %v found, %v told, %v", c.Name, found, told, reader.Err())
					}
				}
			}
		})
	}
}

func chunksOf(t testing.TB, f *file.Reader) (chunks []Extent) {
	for g := range f.NumRowGroups() {
		for i := range columns {
			meta, err := f.MetaData().RowGroup(g).ColumnChunk(i)
			if err != nil {
				t.Fatal(err)
			}
			off := meta.DataPageOffset()
			if meta.HasDictionaryPage() {
				off = meta.DictionaryPageOffset()
			}
			chunks = append(chunks, Extent{off, meta.TotalCompressedSize(), int(f.MetaData().RowGroup(g).NumRows())})
		}
	}
	return chunks
}

// Bits and numbers of a page are those of its rows, also where nulls make values
// fewer than rows.
func TestPagesOfNumbersWithNulls(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	recs := shape{rows: numberRows + 1, records: 2, distinct: 1 << 40, null: 0.3}.make(t, r)
	var b bytes.Buffer
	w, err := NewWriter(&b, recs[0].Schema(), Options{Compress: true, Dictionary: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Rows(recs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var refs []batch.Ref
	for i := range recs {
		for row := range int32(numberRows + 1) {
			refs = append(refs, batch.Ref{Record: int32(i), Row: row})
		}
	}
	same(t, "the arrow reader", byArrow(t, b.Bytes()), lines(recs, refs))
}

// decodePages is the pages of all chunks.
func decodePages(text string, chunks []Extent) ([]Pages, error) {
	l, err := ReadPages(text, len(chunks))
	if err != nil {
		return nil, err
	}
	all := make([]Pages, len(chunks))
	for i, c := range chunks {
		if all[i], err = l.Chunk(i, c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func FuzzDecodePages(f *testing.F) {
	f.Add([]byte{1, 10, 5, 2, 3, 0, 7, 5}, int64(10), 5)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int64(1), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int64, rows int) {
		chunks := []Extent{{4, size, rows}, {4 + size, size, rows}}
		all, err := decodePages(base64.StdEncoding.EncodeToString(b), chunks)
		if err != nil {
			return
		}
		for i, c := range chunks {
			at, row := c.Offset, 0
			for _, p := range all[i] {
				if p.Offset != at || p.First != row || p.Size < 0 || p.Rows < 0 {
					t.Fatalf("%+v", p)
				}
				at, row = at+p.Size, row+p.Rows
			}
			if at != c.Offset+c.Size || row != c.Rows {
				t.Fatalf("%d pages end at %d, row %d", len(all[i]), at, row)
			}
		}
	})
}
