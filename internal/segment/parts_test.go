package segment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// One row group is sifted in parts: the rows come once and in their order, whatever
// of time is wanted, and if one part is better read as a whole all of it is.
func TestARowGroupIsSiftedInParts(t *testing.T) {
	const n = 45_000
	own := []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Message", Type: schema.String}, {Name: "Code", Type: schema.Int}}
	sc, err := batch.Schema(own)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(52, 6))
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	some := map[int]bool{}
	for i := range n {
		text := fmt.Sprintf("request %d of %x was answered in %dms", r.IntN(1e6), r.Uint64(), r.IntN(900))
		if r.IntN(90) == 0 {
			text, some[i] = text+" i/o timeout", true
		}
		if i >= n-n/3 {
			text += " and this is told often near the end"
		}
		b.Field(0).(*array.Int64Builder).Append(int64(i+1) * schema.TicksPerSecond)
		b.Field(1).(*array.StringBuilder).Append(text)
		b.Field(2).(*array.Int32Builder).Append(int32(i))
	}
	o, in := written(t, b.NewRecordBatch())
	reader := opened(t, o, in)
	cache := NewCache(1 << 30)
	whole := 0
	for range 30 {
		text := []string{"timeout", "near the end", "nowhere"}[r.IntN(3)]
		from, to := 0, n
		if r.IntN(2) == 0 {
			from = r.IntN(n)
		}
		if r.IntN(2) == 0 {
			to = min(n, from+r.IntN(n))
		}
		want := Want{Segment: reader, Columns: []string{"Message", "Code"}, From: schema.Ticks(from+1) * schema.TicksPerSecond, To: schema.Ticks(to) * schema.TicksPerSecond}
		if to <= from {
			continue
		}
		if v := newSieve(want, nil); v != nil && to-from > 40_000 && len(v.parts(2)) != 2 {
			t.Fatalf("rows %d to %d are sifted in %d parts", from, to, len(v.parts(2)))
		}
		s, err := cache.Sift(t.Context(), []Want{want}, []Need{{{{Column: "Message", Parts: []parquet.Part{{Text: text}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		var got, expected []string
		for _, f := range s.Files {
			tab := read(t, f.Path())
			got = append(got, cells(tab.Column(tab.Schema().FieldIndices("Code")[0]).Data())...)
		}
		for i := from; i < to; i++ {
			if text == "timeout" && some[i] || text == "near the end" && i >= n-n/3 {
				expected = append(expected, cells(arrow.NewChunked(arrow.PrimitiveTypes.Int32, []arrow.Array{int32s(int32(i))}))...)
			}
		}
		if len(s.Whole) > 0 {
			whole++
			if len(s.Files) > 0 || text == "nowhere" {
				t.Errorf("%q from %d to %d: %d files beside the whole", text, from, to, len(s.Files))
			}
		} else if !slices.Equal(got, expected) {
			t.Errorf("%q from %d to %d: %d rows and not %d", text, from, to, len(got), len(expected))
		}
		s.Close()
	}
	if whole == 0 || whole > 20 {
		t.Errorf("%d times of 30 it was left as a whole", whole)
	}
	if cache.Close(); cache.Used() != 0 {
		t.Errorf("%d bytes are still counted", cache.Used())
	}
}

func int32s(v ...int32) arrow.Array {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	b.AppendValues(v, nil)
	return b.NewArray()
}
