package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/DataDog/zstd"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// people are n rows of a name each, of which few come often.
func people(t testing.TB, r *rand.Rand, n int) arrow.RecordBatch {
	sc, err := batch.Schema([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Name", Type: schema.String}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		k := r.IntN(10)
		if r.IntN(3) == 0 {
			k = r.IntN(10_000)
		}
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("%0*d@contoso%d.com", 4+k%13, k, k%7))
	}
	return b.NewRecordBatch()
}

// Of a dictionary in sections the sections are unpacked that have wanted texts, whichever
// these are, and who wants all gets all.
func TestSectionsOfADictionary(t *testing.T) {
	r := rand.New(rand.NewPCG(62, 3))
	const n = 60_000
	rec := people(t, r, n)
	texts := rec.Column(1).(*array.String)
	file := written(t, []arrow.RecordBatch{rec}, 1<<20)[2]
	all, err := pqarrow.ReadTable(t.Context(), bytes.NewReader(file), nil, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	for _, chunk := range all.Column(1).Data().Chunks() { // as others read it
		for i := range chunk.Len() {
			if got := chunk.(*array.String).Value(i); got != texts.Value(row) {
				t.Fatalf("row %d is %q and not %q", row, got, texts.Value(row))
			}
			row++
		}
	}
	if row != n {
		t.Fatalf("%d rows of %d", row, n)
	}
	place := places(t, file)[1]
	var desk Desk
	for try := range 60 {
		c := desk.Column(place)
		p := c.NewCells(1)
		want := []string{}
		pick := func(one int) {
			of := NewRows(n)
			for range one {
				of.Add(r.IntN(n))
			}
			if err := c.Pick(0, of, p); err != nil {
				t.Fatal(err)
			}
			for row := of.Next(0, n); row < n; row = of.Next(row+1, n) {
				want = append(want, texts.Value(row))
			}
		}
		pick(1)
		if c.dict.sections == nil {
			t.Fatalf("the dictionary is not in sections: %+v", c.dict.page)
		}
		known := 0
		for _, p := range c.dict.sections {
			if p.known {
				known++
			}
		}
		if known != 1 {
			t.Errorf("%d sections of %d are known for one text", known, len(c.dict.sections))
		}
		if pick(3 + try); try%3 == 0 {
			codes, err := c.Found(NewSearch([]Part{{Text: "077@"}}, Texts{Plain: true}))
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for code := range c.dict.values {
				if value, _ := c.Value(code); bytes.Contains(value, []byte("077@")) != codes.Has(code) {
					t.Fatalf("%q is found: %v", value, codes.Has(code))
				}
				found++
			}
			if found < 6_000 {
				t.Fatalf("%d texts", found)
			}
		}
		pick(20)
		a := p.Array().(*array.String)
		for i := range want {
			if a.Value(i) != want[i] {
				t.Fatalf("text %d is %q and not %q", i, a.Value(i), want[i])
			}
		}
		c.Close()
	}
}

// asEarlier is a column as earlier releases wrote it: its dictionary is one frame.
func asEarlier(t testing.TB, at Place) Place {
	page := at.Pages[0]
	chunk := make([]byte, at.Size)
	if _, err := at.From.ReadAt(chunk, at.Offset); err != nil {
		t.Fatal(err)
	}
	h, length, ok := readHeader(chunk)
	if !ok || h.kind != typeDictionary {
		t.Fatal("the first page is no dictionary")
	}
	plain := make([]byte, h.size)
	if err := (&Desk{}).unzstd(plain, chunk[length:page.Size]); err != nil {
		t.Fatal(err)
	}
	packed, err := zstd.CompressLevel(nil, plain, level)
	if err != nil {
		t.Fatal(err)
	}
	all := append(appendHeader(nil, typeDictionary, len(plain), len(packed), int(h.values), parquetgo.Encodings.Plain), packed...)
	moved := int64(len(all)) - page.Size - at.Offset
	pages := Pages{{Offset: 0, Size: int64(len(all))}}
	for _, p := range at.Pages[1:] {
		p.Offset += moved
		pages = append(pages, p)
	}
	all = append(all, chunk[page.Size:]...)
	at.Offset, at.Size, at.Pages, at.From = 0, int64(len(all)), pages, bytes.NewReader(all)
	return at
}

// Of the dictionary of an earlier release, which is one frame, the first blocks do for the
// texts that are among the first.
func TestADictionaryOfAnEarlierRelease(t *testing.T) {
	r := rand.New(rand.NewPCG(62, 4))
	const n = 60_000
	rec := people(t, r, n)
	texts := rec.Column(1).(*array.String)
	place := asEarlier(t, places(t, written(t, []arrow.RecordBatch{rec}, 1<<20)[2])[1])
	var desk Desk
	cut := 0
	for range 60 {
		c := desk.Column(place)
		p, of := c.NewCells(1), NewRows(n)
		for range 1 + r.IntN(3) {
			of.Add(r.IntN(2 * Stripe)) // whose texts are among the first
		}
		if err := c.Pick(0, of, p); err != nil {
			t.Fatal(err)
		}
		if len(c.dict.raw) < c.dict.size {
			cut++
		}
		a, row := p.Array().(*array.String), of.Next(0, n)
		for i := range a.Len() {
			if a.Value(i) != texts.Value(row) {
				t.Fatalf("row %d is %q and not %q", row, a.Value(i), texts.Value(row))
			}
			row = of.Next(row+1, n)
		}
		c.Close()
	}
	if cut < 50 {
		t.Errorf("%d dictionaries were unpacked in part", cut)
	}
}

// FuzzSections reads what tells of sections that nobody wrote: they are all of the page, and
// none is beyond it.
func FuzzSections(f *testing.F) {
	f.Add(binary.AppendUvarint([]byte{5, 20, 3, 200, 1, 90, 2}, 1<<40), 300, 300, 7)
	f.Add([]byte{5, 20, 3, 7, 90, 2}, sectionsHead+6+12, 110, 5)
	f.Fuzz(func(t *testing.T, b []byte, body, size, values int) {
		if body < sectionsHead+len(b) || size < 0 || values < 0 {
			return
		}
		sections, ok := readSections(b, body, size, values)
		if !ok {
			return
		}
		at, from, first := sectionsHead+len(b), 0, 0
		for _, p := range sections {
			if p.at != at || p.from != from || p.first != first || p.packed < 0 || p.end <= first || p.size < 4*(p.end-first) {
				t.Fatalf("%+v behind %d, %d, %d", p, at, from, first)
			}
			at, from, first = at+p.packed, from+p.size, p.end
		}
		if at != body || from != size || first != values {
			t.Fatalf("they end at %d, %d, %d of %d, %d, %d", at, from, first, body, size, values)
		}
	})
}
