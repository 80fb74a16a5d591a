package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// statements are n rows whose messages and objects few statements wrote.
func statements(t testing.TB, n int) arrow.RecordBatch {
	var b strings.Builder
	r := rand.New(rand.NewPCG(51, uint64(n)))
	base, _ := schema.ParseTicks("2026-01-01T00:00:00Z")
	for i := range n {
		at := base + schema.Ticks(i)*schema.TicksPerSecond
		message := []string{
			fmt.Sprintf("GET /orders/%d took %dms, trace %016x%016x", r.IntN(1e6), r.IntN(2000), r.Uint64(), r.Uint64()),
			fmt.Sprintf("dial tcp 10.0.%d.%d:443: i/o timeout after %dms", r.IntN(256), r.IntN(256), r.IntN(30_000)),
			fmt.Sprintf("pod checkout-%010x-x%dq%d of größe %d was moved", r.Uint64()>>24, r.IntN(9), r.IntN(9), r.IntN(99)),
		}[r.IntN(3)]
		fmt.Fprintf(&b, `{"TimeGenerated":%q,"Level":%q,"Message":%q`, at, []string{"Information", "Warning", "Error"}[i%3], message)
		if i%5 != 0 {
			fmt.Fprintf(&b, `,"Code":%d,"Props":{"requestId":"%016x","path":"c:\\temp\\%d.log","took":%d}`, i, r.Uint64(), r.IntN(1000), r.IntN(5000))
		}
		b.WriteString("}\n")
	}
	p, err := batch.Parse(strings.NewReader(b.String()), schema.Table{Name: "T_CL", Columns: columns}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p.Record
}

// pods are n rows whose messages have names of pods, of which some words have no digit.
func pods(t testing.TB, n int) arrow.RecordBatch {
	var b strings.Builder
	r := rand.New(rand.NewPCG(58, uint64(n)))
	word := func(n int) string {
		w := make([]byte, n)
		for i := range w {
			w[i] = "bcdfghjklmnpqrstvwxz2456789"[r.IntN(27)]
		}
		return string(w)
	}
	for range n {
		fmt.Fprintf(&b, `{"TimeGenerated":"2026-01-01T00:00:00Z","Level":"Error","Message":"pod web-%s-%s was moved after %dms"}`+"\n", word(8+r.IntN(3)), word(5), r.IntN(9000))
	}
	p, err := batch.Parse(strings.NewReader(b.String()), schema.Table{Name: "T_CL", Columns: columns}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p.Record
}

// Texts stored by templates are what they were: for the engine, plain or packed, and
// when a segment is rewritten.
func TestTextsStoredByTemplates(t *testing.T) {
	rec := statements(t, 5000)
	o, in := written(t, rec)
	s := opened(t, o, in)
	if !s.woven {
		t.Fatal("no text is stored by templates")
	}
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	var woven []string
	var plain int64
	for i, c := range s.footer.Groups[0].Chunks {
		if c.Templates {
			woven, plain = append(woven, s.columns[i].Name), plain+c.Unpacked
		}
	}
	if !slices.Equal(woven, []string{"Message", "Props"}) {
		t.Errorf("stored by templates: %v", woven)
	}
	for _, limit := range []int64{1 << 30, 2*plain - 4096} { // the second has not enough for plain texts
		c := NewCache(limit)
		for _, some := range [][]string{names(columns), names(columns)[:3], names(columns)} {
			// What an image has stays as it is, the rest comes to it.
			images, err := c.Acquire(t.Context(), []Want{{Segment: s, Columns: some}})
			if err != nil {
				t.Fatal(err)
			}
			holds(t, read(t, images[0].Path()), names(images[0].Columns()), rec, refs)
			for column, at := range images[0].plain {
				if at.Packed != (limit < 1<<30) {
					t.Errorf("limit %d: column %d packed: %v", limit, column, at)
				}
			}
			if held := allocated(t, images[0].Path()); held > c.Used() {
				t.Errorf("an image of %d bytes counts as %d", held, c.Used())
			}
			c.Release(images)
		}
		c.Close()
	}
	recs, err := s.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, twice := written(t, recs...)
	if again.Len() != o.Len() || twice.Rows != in.Rows {
		t.Errorf("written again it has %d bytes, not %d", again.Len(), o.Len())
	}
	c := NewCache(64 << 10)
	defer c.Close()
	var limit *LimitError
	if _, err := c.Acquire(t.Context(), []Want{{Segment: s, Columns: names(columns)}}); !errors.As(err, &limit) {
		t.Errorf("with too little memory: %v", err)
	}
}

// Templates of the first release that had them are read for ever. Its file is never
// rewritten.
func TestFirstTemplatesOpen(t *testing.T) {
	b, err := os.ReadFile("testdata/v1/templates")
	if err != nil {
		t.Fatal(err)
	}
	rec := statements(t, 2048)
	s, err := Open(bytes.NewReader(b), int64(len(b)), keys(t), account, info)
	if err != nil {
		t.Fatal(err)
	}
	if !s.woven {
		t.Error("no text is stored by templates")
	}
	c := NewCache(1 << 30)
	defer c.Close()
	images, err := c.Acquire(t.Context(), []Want{{Segment: s, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release(images)
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	holds(t, read(t, images[0].Path()), names(columns), rec, refs)
}

// Codes in pages that earlier releases packed, whatever that saved, are counted as others
// are: of all rows, and of those that have one.
func TestPackedCodesAreCounted(t *testing.T) {
	for _, c := range []struct {
		file string
		rows int64
	}{{"templates", 2048}, {"terms", 1200}} {
		b, err := os.ReadFile("testdata/v1/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(bytes.NewReader(b), int64(len(b)), keys(t), account, info)
		if err != nil {
			t.Fatal(err)
		}
		recs, err := s.Records(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{}
		for _, rec := range recs {
			level := rec.Column(rec.Schema().FieldIndices("Level")[0]).(*array.String)
			for row := range level.Len() {
				want[level.Value(row)]++
			}
		}
		for _, one := range []string{"", "Warning"} {
			var needs []Need
			counts := want
			if one != "" {
				needs = []Need{{{{Column: "Level", Parts: []parquet.Part{{Text: strings.ToLower(one), Left: parquet.End, Right: parquet.End}}}}}}
				counts = map[string]int64{one: want[one]}
			}
			cache := NewCache(1 << 30)
			got, err := cache.Weigh(t.Context(), []Want{{Segment: s, Columns: []string{"Level"}}}, needs, Weights{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Rows != c.rows || len(got.Files) != 1 || want["Warning"] == 0 {
				t.Fatalf("%s: of %d rows %d were counted, in %d files", c.file, c.rows, got.Rows, len(got.Files))
			}
			rows := read(t, got.Files[0].Path())
			levels, weights := rows.Column(0).Data().Chunk(0).(*array.String), rows.Column(1).Data().Chunk(0).(*array.Int64)
			for row := range levels.Len() {
				if counts[levels.Value(row)] != weights.Value(row) {
					t.Errorf("%s: %q has %d rows, not %d", c.file, levels.Value(row), weights.Value(row), counts[levels.Value(row)])
				}
			}
			if levels.Len() != len(counts) {
				t.Errorf("%s: %d texts of %d", c.file, levels.Len(), len(counts))
			}
			got.Close()
			cache.Close()
		}
	}
}

// The terms of texts stored by templates are those that all of their texts have.
func TestTermsOfTemplates(t *testing.T) {
	for _, rec := range []arrow.RecordBatch{statements(t, 9000), pods(t, 9000), logs(t, rand.New(rand.NewPCG(51, 4)), 9000, 0)} {
		var tables [2]*termWriter
		for i := range tables {
			w := newTermWriter(columns)
			o := parquet.Options{Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Templates: true, Texts: w.column}
			read, short := 0, 0
			if i == 1 {
				o.Words = func(text []byte, words []template.Span, number, stripe int) {
					if read++; w.literals.templates != nil && w.literals.templates[number].state >= stripeOne {
						short++
					}
					w.words(text, words, number, stripe)
				}
			}
			file, err := parquet.NewWriter(io.Discard, rec.Schema(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := file.Rows([]arrow.RecordBatch{rec}); err != nil {
				t.Fatal(err)
			}
			w.done()
			if tables[i] = w; i == 1 && short < read/3 {
				t.Errorf("of %d texts with templates %d are not read: this test tests nothing", read, short)
			}
		}
		if !bytes.Equal(tables[0].tables, tables[1].tables) || !bytes.Equal(tables[0].index, tables[1].index) {
			t.Error("the tables of terms are not the same")
		}
	}
}

// allocated is how much memory a file in memory takes.
func allocated(t *testing.T, path string) int64 {
	var at, n int64
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	for ; at < int64(len(b)); at += 4096 {
		if slices.ContainsFunc(b[at:min(at+4096, int64(len(b)))], func(c byte) bool { return c != 0 }) {
			n += 4096
		}
	}
	return n
}
