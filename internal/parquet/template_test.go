package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// statements are records of n rows whose texts few statements wrote. Some of the
// second column are null; odd ones are like no other.
func statements(t testing.TB, r *rand.Rand, n int) arrow.RecordBatch {
	sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "S", Type: schema.String}, {Name: "N", Type: schema.Dynamic}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		kind := r.IntN(4)
		if r.IntN(40) == 0 {
			kind = 4
		}
		b.Field(1).(*array.StringBuilder).Append([]string{
			fmt.Sprintf("GET /orders/%d took %dms, trace %016x%016x", r.IntN(1e6), r.IntN(2000), r.Uint64(), r.Uint64()),
			fmt.Sprintf("dial tcp 10.0.%d.%d:443: i/o timeout after %06dms", r.IntN(256), r.IntN(256), r.IntN(30_000)),
			fmt.Sprintf("größe %d of \u212a%d, no words to be had here", r.IntN(99), r.IntN(99)),
			"nothing varies in a text like this one, ever",
			phrase(r),
		}[kind])
		if r.IntN(5) == 0 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf(`{"durationMs":%d,"requestId":"%016x","success":%t}`, r.IntN(5000), r.Uint64(), i%2 == 0))
		}
	}
	return b.NewRecordBatch()
}

// woven is a file of one row group in which texts are stored by templates.
func woven(t testing.TB, rec arrow.RecordBatch) ([]byte, *Footer, []Place) {
	var b bytes.Buffer
	w, err := NewWriter(&b, rec.Schema(), Options{Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true, Templates: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Rows([]arrow.RecordBatch{rec}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if !w.Templates() {
		t.Fatal("no column is stored by templates")
	}
	data := b.Bytes()
	tail := data[len(data)-8:]
	footer, err := ParseFooter(data[len(data)-8-int(binary.LittleEndian.Uint32(tail)) : len(data)-8])
	if err != nil {
		t.Fatal(err)
	}
	return data, footer, places(t, data)
}

// Texts stored by templates are picked and found as others are.
func TestTextsStoredByTemplates(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 1))
	for _, n := range []int{Stripe, Stripe + 1, 9000} {
		rec := statements(t, r, n)
		_, footer, all := woven(t, rec)
		for i := 1; i <= 2; i++ {
			if !footer.Groups[0].Chunks[i].Templates {
				t.Errorf("%d rows: column %d is not stored by templates", n, i)
			}
		}
		var desk Desk
		for _, one := range []int{1, 3, 500} {
			of, refs := some(r, n, one)
			for i, chunk := range all {
				c := desk.Column(chunk)
				picked := c.NewCells(len(refs))
				if err := c.Pick(0, of, picked); err != nil {
					t.Fatal(err)
				}
				got := picked.Array()
				for k, ref := range refs {
					if got.ValueStr(k) != rec.Column(i).ValueStr(int(ref.Row)) {
						t.Fatalf("column %d, row %d: %q, want %q", i, ref.Row, got.ValueStr(k), rec.Column(i).ValueStr(int(ref.Row)))
					}
				}
				c.Close()
			}
		}
		for _, p := range []Part{{Text: "timeout", Left: Word, Right: Word}, {Text: "1", Left: Word, Right: Word}, {Text: "99"}, {Text: "k4"}, {Text: "true}", Right: End}, {Text: "get", Left: End}} {
			search := NewSearch([]Part{p}, Texts{JSON: true})
			of, _ := some(r, n, 2)
			for i := 1; i <= 2; i++ {
				c := desk.Column(all[i])
				found := NewRows(n)
				if err := c.Find(search, 0, of, found); err != nil {
					t.Fatal(err)
				}
				c.Close()
				texts := rec.Column(i).(*array.String)
				for row := range n {
					want := of.Has(row) && texts.IsValid(row) && p.has(texts.Value(row))
					if want && !found.Has(row) || found.Has(row) && !of.Has(row) {
						t.Fatalf("%+v in %q: found %v", p, texts.Value(row), found.Has(row))
					}
				}
			}
		}
	}
}

// What Plain makes is read by any reader of Parquet, and is as large as the footer says.
func TestPlainPages(t *testing.T) {
	rec := statements(t, rand.New(rand.NewPCG(51, 2)), 5000)
	data, footer, all := woven(t, rec)
	for _, pack := range []bool{false, true} {
		file := bytes.Clone(data)
		plain := map[int]PlainChunk{}
		present := make([]bool, len(all))
		for i, chunk := range all {
			if present[i] = true; !footer.Groups[0].Chunks[i].Templates {
				continue
			}
			at := PlainChunk{Offset: int64(len(file)), Packed: pack}
			var desk Desk
			c := desk.Column(chunk)
			if err := c.Plain(pack, func(b []byte) error { file = append(file, b...); return nil }); err != nil {
				t.Fatal(err)
			}
			c.Close()
			at.Size = int64(len(file)) - at.Offset
			if want := footer.Groups[0].Chunks[i].Unpacked; !pack && at.Size != want || pack && at.Size >= want {
				t.Errorf("column %d, packed %t: %d bytes, unpacked %d", i, pack, at.Size, want)
			}
			plain[i] = at
		}
		foot := footer.Of(0, present, plain)
		file = append(binary.LittleEndian.AppendUint32(append(file, foot...), uint32(len(foot))), magic...)
		refs := every1([]arrow.RecordBatch{rec})
		same(t, fmt.Sprintf("packed %t", pack), byArrow(t, file), lines([]arrow.RecordBatch{rec}, refs))
	}
}

// Texts that nothing is gained by are stored as ever.
func TestTextsWithoutTemplates(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 3))
	sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "S", Type: schema.String}})
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"over", "the", "lazy", "dog", "a", "quick", "brown", "fox", "jumps", "and", "12", "runs", "k8s"}
	for name, text := range map[string]func() string{
		"short": func() string { return fmt.Sprintf("10:%d", r.IntN(1<<16)) },
		"free": func() string {
			var b []byte
			for range 20 {
				b = append(append(b, words[r.IntN(len(words))]...), ' ')
			}
			return string(b)
		},
		"long": func() string {
			return fmt.Sprintf("%x", bytes.Repeat([]byte{byte(r.IntN(256))}, 2500)) + fmt.Sprint(r.IntN(1e9))
		},
	} {
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		for i := range 3000 {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.StringBuilder).Append(text())
		}
		var with, without bytes.Buffer
		rec := []arrow.RecordBatch{b.NewRecordBatch()}
		for _, to := range []*bytes.Buffer{&with, &without} {
			w, err := NewWriter(to, sc, Options{Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true, Templates: to == &with})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Rows(rec), w.Close()); err != nil {
				t.Fatal(err)
			}
			if w.Templates() {
				t.Errorf("%s texts are stored by templates", name)
			}
		}
		if !bytes.Equal(with.Bytes(), without.Bytes()) {
			t.Errorf("%s texts: another file", name)
		}
	}
}
