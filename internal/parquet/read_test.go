package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// places are the columns of the first row group of a file.
func places(t testing.TB, b []byte) []Place {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	group := f.MetaData().RowGroup(0)
	var all []Place
	var lie []Extent
	for i := range group.NumColumns() {
		meta, err := group.ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		c := Place{Extent: Extent{meta.DataPageOffset(), meta.TotalCompressedSize(), int(group.NumRows())}, From: bytes.NewReader(b), Packed: meta.Compression() == compress.Codecs.Zstd}
		if meta.HasDictionaryPage() && meta.DictionaryPageOffset() > 0 {
			c.Offset = meta.DictionaryPageOffset()
		}
		c.Type = map[parquetgo.Type]arrow.Type{parquetgo.Types.Boolean: arrow.BOOL, parquetgo.Types.Int32: arrow.INT32, parquetgo.Types.Int64: arrow.INT64,
			parquetgo.Types.Double: arrow.FLOAT64, parquetgo.Types.ByteArray: arrow.STRING}[meta.Type()]
		c.Nullable = f.MetaData().Schema.Column(i).MaxDefinitionLevel() > 0
		all, lie = append(all, c), append(lie, c.Extent)
	}
	if text := f.MetaData().KeyValueMetadata().FindValue(PagesKey); text != nil {
		pages, err := decodePages(*text, lie)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			all[i].Pages = pages[i]
		}
	}
	return all
}

// written is the records as one row group of our own, and as earlier releases
// and others write it: with pages cut anywhere, dictionaries that are given up,
// and more in the headers.
func written(t testing.TB, recs []arrow.RecordBatch, page int64) [][]byte {
	var files [][]byte
	for _, o := range []Options{{}, {Compress: true, Dictionary: true, Sorted: schema.TimeGenerated}, {Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true}} {
		var b bytes.Buffer
		w, err := NewWriter(&b, recs[0].Schema(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Rows(recs), w.Close()); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	var b bytes.Buffer
	props := parquetgo.NewWriterProperties(parquetgo.WithVersion(parquetgo.V2_LATEST), parquetgo.WithCompression(compress.Codecs.Zstd), parquetgo.WithDataPageSize(page),
		parquetgo.WithDictionaryPageSizeLimit(page), parquetgo.WithStats(true), parquetgo.WithBatchSize(64), parquetgo.WithMaxRowGroupLength(1<<40))
	w, err := pqarrow.NewFileWriter(recs[0].Schema(), &b, props, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	w.NewBufferedRowGroup()
	for _, rec := range recs {
		if err := w.WriteBuffered(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(files, b.Bytes())
}

// some are about one in so many of n rows.
func some(r *rand.Rand, n, one int) (Rows, []batch.Ref) {
	of := NewRows(n)
	var refs []batch.Ref
	for row := range n {
		if r.IntN(one) == 0 {
			of.Add(row)
			refs = append(refs, batch.Ref{Row: int32(row)})
		}
	}
	return of, refs
}

// Whoever has written a file, any rows of it are read as they were written.
func TestPickedCellsAreThoseWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(46, 1))
	for _, s := range []shape{
		{rows: 1, records: 1, distinct: 1}, {rows: 1, records: 1, distinct: 1, null: 1}, {rows: 7, records: 3, distinct: 3, null: 0.5},
		{rows: 129, records: 1, distinct: 1000, null: 0.1}, {rows: 33, records: 2, distinct: 1, null: 0.9}, {rows: 2000, records: 2, distinct: 40, runs: true, null: 0.3},
		{rows: 5000, records: 1, distinct: 300, null: 0.01}, {rows: 100, records: 2, distinct: 1 << 20, long: 20_000},
	} {
		recs := s.make(t, r)
		whole, err := batch.Gather(recs, every1(recs))
		if err != nil {
			t.Fatal(err)
		}
		n := int(whole.NumRows())
		for _, b := range written(t, recs, int64(100+r.IntN(20_000))) {
			for _, one := range []int{1, 3, 50} {
				of, refs := some(r, n, one)
				var desk Desk
				cells := make([]arrow.Array, len(columns))
				for i, chunk := range places(t, b) {
					c := desk.Column(chunk)
					picked := c.NewCells(len(refs))
					if err := c.Pick(0, of, picked); err != nil {
						t.Fatalf("%+v, column %s: %v", s, columns[i].Name, err)
					}
					cells[i] = picked.Array()
					c.Close()
				}
				got := array.NewRecordBatch(whole.Schema(), cells, int64(len(refs)))
				var all []batch.Ref
				for row := range refs {
					all = append(all, batch.Ref{Row: int32(row)})
				}
				same(t, "Pick", lines([]arrow.RecordBatch{got}, all), lines([]arrow.RecordBatch{whole}, refs))
			}
		}
	}
}

func every1(recs []arrow.RecordBatch) (refs []batch.Ref) {
	for i, rec := range recs {
		for row := range int32(rec.NumRows()) {
			refs = append(refs, batch.Ref{Record: int32(i), Row: row})
		}
	}
	return refs
}

// pieces are what the texts of a search's test are made of.
var pieces = []string{"timeout", "Time", "OUT", "out", " ", " ", ".", "-", "k41", "HOLD-K41", "\u212a41", "\u0130", "\u017fign", "sign", "é", "", "a", "aa", `\`, `A`, "0", "\x04\x00\x00\x00"}

func phrase(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	if r.IntN(50) == 0 {
		b.WriteString(strings.Repeat("long ", r.IntN(400)))
	}
	return b.String()
}

func randomPart(r *rand.Rand) Part {
	for {
		p := Part{Left: Edge(r.IntN(3)), Right: Edge(r.IntN(3))}
		text := strings.ToLower(phrase(r))
		text = strings.Map(func(c rune) rune {
			if c >= 0x80 || c == 0 || c == 4 {
				return -1
			}
			return c
		}, text)
		if len(text) > 12 {
			text = text[:12]
		}
		if p.Text = text; text != "" {
			return p
		}
	}
}

// has is a part as it is meant, told in the slow way.
func (p Part) has(text string) bool {
	text = strings.ToLower(text)
	for at := range text {
		if end := at + len(p.Text); strings.HasPrefix(text[at:], p.Text) &&
			(p.Left == Open || at == 0 || p.Left == Word && !wordByte(text[at-1])) && (p.Right == Open || end == len(text) || p.Right == Word && !wordByte(text[end])) {
			return true
		}
	}
	return false
}

// What a search finds is at least what there is, and of texts without characters
// that can be written in two ways nothing else.
func TestFindLosesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(46, 2))
	sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "S", Type: schema.String}, {Name: "N", Type: schema.Dynamic}})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 24 {
		n := 1 + r.IntN(3000)
		distinct := []int{3, 100, 1 << 30}[round%3]
		kept := map[int]string{}
		texts := make([]string, n)
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		for i := range n {
			k := r.IntN(distinct)
			if _, ok := kept[k]; !ok {
				kept[k] = phrase(r)
			}
			texts[i] = kept[k]
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.StringBuilder).Append(texts[i])
			if r.IntN(5) == 0 {
				b.Field(2).AppendNull()
			} else {
				b.Field(2).(*array.StringBuilder).Append(texts[i])
			}
		}
		rec := b.NewRecordBatch()
		for _, data := range written(t, []arrow.RecordBatch{rec}, int64(50+r.IntN(5000))) {
			all := places(t, data)
			var desk Desk
			for range 4 {
				parts := []Part{randomPart(r)}
				for r.IntN(3) == 0 {
					parts = append(parts, randomPart(r))
				}
				plain := !slices.ContainsFunc(texts, func(s string) bool { return strings.ContainsAny(s, "\u212a\u0130\u017f") })
				search := NewSearch(parts, Texts{Plain: plain, JSON: r.IntN(2) == 0})
				of, _ := some(r, n, 1+r.IntN(3))
				for i, chunk := range all[1:] {
					c := desk.Column(chunk)
					found := NewRows(n)
					if err := c.Find(search, 0, of, found); err != nil {
						t.Fatal(err)
					}
					c.Close()
					for row, text := range texts {
						null := i == 1 && rec.Column(2).IsNull(row)
						want := of.Has(row) && !null && !slices.ContainsFunc(parts, func(p Part) bool { return !p.has(text) })
						may := want || of.Has(row) && !null && (search.beyond && strings.ContainsAny(text, "\u212a\u0130\u017f") || search.escapes && strings.Contains(text, `\`))
						if got := found.Has(row); want && !got || got && !may {
							t.Fatalf("round %d: %+v, in %q: found %v, want %v", round, parts, text, got, want)
						}
					}
				}
			}
		}
	}
}

// FuzzColumn reads a chunk that may have any bytes: all is an error or rows as
// many as there are.
func FuzzColumn(f *testing.F) {
	r := rand.New(rand.NewPCG(46, 4))
	recs := shape{rows: 40, records: 1, distinct: 12, null: 0.2}.make(f, r)
	for _, b := range written(f, recs, 100) {
		for i, c := range places(f, b) {
			f.Add(b[c.Offset:c.Offset+c.Size], c.Rows, uint8(i), c.Nullable, c.Packed)
		}
	}
	b, _, all := woven(f, statements(f, r, Stripe))
	for i, c := range all[1:] {
		f.Add(b[c.Offset:c.Offset+c.Size], c.Rows, uint8(9+i), c.Nullable, c.Packed)
	}
	b, _, all = woven(f, traces(f, r, Stripe))
	for i, c := range all[1:] {
		f.Add(b[c.Offset:c.Offset+c.Size], c.Rows, uint8(9+i), c.Nullable, c.Packed)
	}
	many := people(f, r, 8_000)
	for _, b := range written(f, []arrow.RecordBatch{many}, 1<<20)[2:3] {
		c := places(f, b)[1]
		f.Add(b[c.Offset:c.Offset+c.Size], c.Rows, uint8(9), c.Nullable, c.Packed)
	}
	types := []arrow.Type{arrow.INT64, arrow.BOOL, arrow.INT32, arrow.INT64, arrow.FLOAT64, arrow.STRING, arrow.STRING, arrow.INT64, arrow.INT64, arrow.STRING, arrow.STRING}
	search := NewSearch([]Part{{Text: "s 1"}, {Text: "1", Left: Word, Right: End}}, Texts{})
	f.Fuzz(func(t *testing.T, b []byte, rows int, column uint8, nullable, packed bool) {
		if rows < 1 || rows > 1<<17 {
			return
		}
		chunk := Place{Extent: Extent{Size: int64(len(b)), Rows: rows}, From: bytes.NewReader(b), Type: types[int(column)%len(types)], Nullable: nullable, Packed: packed}
		desk := Desk{Charge: func(n int64) error {
			if n > mostRead*2 {
				return fmt.Errorf("%d bytes asked for", n)
			}
			return nil
		}}
		all := NewRows(rows)
		all.AddRange(0, rows)
		one := NewRows(rows)
		one.Add(rows / 2)
		known, _ := paged(t, chunk)
		if c := desk.Column(known); known.Pages != nil {
			searches := []*Search{NewSearch([]Part{{Text: "s 1"}}, Texts{}), NewSearch([]Part{{Text: "1"}}, Texts{}, Part{Text: "1"}.Pattern())}
			for _, s := range searches {
				c.Find(s, 0, all, NewRows(rows)) // is not to panic
			}
			c.Pick(0, one, c.NewCells(0))
			c.Looks(searches)
			if first, codes, err := c.Looked(rows/2, searches); err == nil && (first > rows/2 || first+len(codes) <= rows/2) {
				t.Errorf("row %d is not among the %d from %d on", rows/2, len(codes), first)
			}
			c.Close()
		}
		for _, of := range []Rows{all, one} {
			c := desk.Column(chunk)
			picked := c.NewCells(0)
			if err := c.Pick(0, of, picked); err == nil {
				if a := picked.Array(); a.Len() != of.Count() {
					t.Errorf("%d rows of %d", a.Len(), of.Count())
				}
			}
			if err := c.Find(search, 0, of, NewRows(rows)); err == nil && chunk.Type != arrow.STRING && chunk.Type != arrow.BOOL {
				c.Since(3, 0, 5) // whatever it finds, it is not to panic
			}
			if n, err := c.Coded(); err == nil {
				first, codes, err := c.Codes(rows / 2)
				if err == nil && (first > rows/2 || first+len(codes) <= rows/2) {
					t.Errorf("row %d is not among the %d from %d on", rows/2, len(codes), first)
				}
				for _, code := range codes {
					if int(code) >= n {
						t.Fatalf("code %d of %d", code, n)
					}
					c.Value(int(code))
				}
				choice := NewRows(n + 1)
				choice.AddRange(n/2, n/2+1+len(b)%7)
				if p, err := c.Bits(rows / 2); err == nil && p != nil {
					at := p.Find(nil, p.First, p.First+p.Rows, NewChoice(choice))
					keys := make([]uint32, len(at))
					if p.Add(keys, at, 0) == nil {
						for _, code := range keys {
							if int(code) >= n || !choice.Has(int(code)) {
								t.Fatalf("code %d of %d", code, n)
							}
						}
					}
				}
			}
			c.Close()
		}
	})
}
