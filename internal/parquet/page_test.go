package parquet

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// Numbers that lie near to each other have a dictionary though a sample of them
// would not repeat, and pages that packing does not make smaller are not tried again
// and again.
func TestNearNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		lo, span   int64
		dictionary bool
	}{
		"near":                {0, 5000, true},
		"around zero":         {-2500, 5000, true},
		"at the ends of all":  {-1 << 63, 5000, true},
		"too far":             {0, mostNumbers * 2, false},
		"too few of each one": {0, 12_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			const rows = 40_000
			sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "L", Type: schema.Long}})
			if err != nil {
				t.Fatal(err)
			}
			b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
			r := rand.New(rand.NewPCG(59, 1))
			for i := range int64(rows) {
				b.Field(0).(*array.Int64Builder).Append(639_000_000_000_000_000 + i)
				b.Field(1).(*array.Int64Builder).Append(c.lo + r.Int64N(c.span))
			}
			recs := []arrow.RecordBatch{b.NewRecordBatch()}
			var file bytes.Buffer
			p, err := NewWriter(&file, sc, Options{Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Rows(recs); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			same(t, "Arrow", byArrow(t, file.Bytes()), lines(recs, every1(recs)))
			column := (&Desk{}).Column(places(t, file.Bytes())[1])
			defer column.Close()
			if has, err := column.hasDictionary(); err != nil || has != c.dictionary {
				t.Errorf("a dictionary: %v, %v", has, err)
			}
			asTheyAre := 0
			for _, page := range p.chunks[1][1:] {
				frame := file.Bytes()[page.Offset : page.Offset+page.Size]
				if h, length, ok := readHeader(frame); !ok {
					t.Fatal("no header")
				} else if _, ok := stored(frame[length:], int(h.size)); ok {
					asTheyAre++
				}
			}
			if pages := len(p.chunks[1]) - 1; c.dictionary != (asTheyAre >= pages-1) {
				t.Errorf("%d of %d pages are as they are", asTheyAre, pages)
			}
		})
	}
}
