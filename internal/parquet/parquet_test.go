package parquet

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/schema"
)

// columns has each type, and text of several kinds.
var columns = []schema.Column{
	{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "B", Type: schema.Bool}, {Name: "I", Type: schema.Int},
	{Name: "L", Type: schema.Long}, {Name: "R", Type: schema.Real}, {Name: "D", Type: schema.Decimal}, {Name: "S", Type: schema.String},
	{Name: "T", Type: schema.DateTime}, {Name: "P", Type: schema.TimeSpan}, {Name: "G", Type: schema.GUID}, {Name: "J", Type: schema.Dynamic},
}

// A shape says what made-up cells are like.
type shape struct {
	rows, records int
	distinct      int     // of values, about
	null          float64 // part of cells
	runs          bool    // values come several times, one after another
	long          int     // bytes of some texts
}

func (s shape) make(t testing.TB, r *rand.Rand) []arrow.RecordBatch {
	sc, err := batch.Schema(columns)
	if err != nil {
		t.Fatal(err)
	}
	var recs []arrow.RecordBatch
	value := 0
	next := func() int {
		if !s.runs || r.IntN(40) == 0 {
			value = r.IntN(s.distinct)
		}
		return value
	}
	for range s.records {
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		for range s.rows {
			b.Field(0).(*array.Int64Builder).Append(639_000_000_000_000_000 + r.Int64N(1e9)*int64(r.IntN(1e6)))
			for i, c := range columns[1:] {
				f := b.Field(i + 1)
				if batch.Nullable(c) && r.Float64() < s.null {
					f.AppendNull()
					continue
				}
				v := next()
				switch f := f.(type) {
				case *array.BooleanBuilder:
					f.Append(v%2 == 0)
				case *array.Int32Builder:
					f.Append(int32(v) - 7)
				case *array.Int64Builder:
					f.Append(int64(v) * 1e9 * int64(1-v%2*2))
				case *array.Float64Builder:
					f.Append([]float64{math.Copysign(0, -1), 0, 1.5, -2.5, math.Inf(1), float64(v), math.NaN()}[v%(6+v%2)])
				case *array.StringBuilder:
					text := fmt.Sprintf("%s %d", c.Name, v)
					if s.long > 0 && v%5 == 0 {
						text += strings.Repeat("é", s.long/2)
					}
					if v%11 == 0 {
						text = ""
					}
					f.Append(text)
				}
			}
		}
		recs = append(recs, b.NewRecordBatch())
	}
	return recs
}

// Whatever rows are like, two readers that know nothing of this package find
// every cell, in the order that was asked for.
func TestReadersFindEveryCell(t *testing.T) {
	engine, err := duck.Open(duck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	r := rand.New(rand.NewPCG(7, 7))
	for _, s := range []shape{
		{rows: 1, records: 1, distinct: 1}, {rows: 1, records: 1, distinct: 1, null: 1}, {rows: 7, records: 3, distinct: 3, null: 0.5},
		{rows: 8, records: 1, distinct: 2}, {rows: 129, records: 1, distinct: 1000, null: 0.1}, {rows: 33, records: 2, distinct: 1, null: 0.9},
		{rows: 3000, records: 2, distinct: 40, runs: true}, {rows: 3000, records: 2, distinct: 40, runs: true, null: 0.3},
		{rows: 5_000, records: 2, distinct: 300, null: 0.01}, {rows: 9_000, records: 1, distinct: 1 << 40, null: 0.2},
		{rows: 100, records: 2, distinct: 1 << 20, long: 20_000}, {rows: 60, records: 2, distinct: 30, long: 90_000, null: 0.2}, {rows: 500, records: 1, distinct: 50, null: 1},
	} {
		for _, o := range []Options{{}, {Compress: true, Dictionary: true, Sorted: "TimeGenerated", Pairs: map[string]string{"a": "b"}}} {
			t.Run(fmt.Sprintf("%+v/%v", s, o.Compress), func(t *testing.T) {
				recs := s.make(t, r)
				refs, err := batch.ByTime(recs)
				if err != nil {
					t.Fatal(err)
				}
				if o.Sorted == "" {
					r.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
				}
				var b bytes.Buffer
				w, err := NewWriter(&b, recs[0].Schema(), o)
				if err != nil {
					t.Fatal(err)
				}
				half := (len(refs) + 1) / 2
				groups := [][]batch.Ref{refs[:half]}
				if half < len(refs) {
					groups = append(groups, refs[half:])
				}
				for _, g := range groups {
					if err := w.Group(recs, g); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil || w.Size() != int64(b.Len()) {
					t.Fatalf("size %d of %d, %v", w.Size(), b.Len(), err)
				}
				want := lines(recs, refs)
				same(t, "the arrow reader", byArrow(t, b.Bytes()), want)
				same(t, "the engine", byEngine(t, engine, b.Bytes()), want)
				statistics(t, b.Bytes(), recs, groups)
			})
		}
	}
}

func same(t *testing.T, who string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s finds %d rows of %d", who, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s finds in row %d\n%.300q\nwant\n%.300q", who, i, got[i], want[i])
		}
	}
}

func cell(v any) string {
	if f, ok := v.(float64); ok && f == 0 && math.Signbit(f) {
		return "-0"
	}
	return fmt.Sprint(v)
}

// lines are the named rows as text.
func lines(recs []arrow.RecordBatch, refs []batch.Ref) []string {
	var all []string
	for _, ref := range refs {
		var b strings.Builder
		for i := range int(recs[ref.Record].NumCols()) {
			a, row := recs[ref.Record].Column(i), int(ref.Row)
			var v any = "<nil>"
			if a.IsValid(row) {
				switch a := a.(type) {
				case *array.Boolean:
					v = a.Value(row)
				case *array.Int32:
					v = a.Value(row)
				case *array.Int64:
					v = a.Value(row)
				case *array.Float64:
					v = a.Value(row)
				case *array.String:
					v = a.Value(row)
				}
			}
			b.WriteString(cell(v) + "|")
		}
		all = append(all, b.String())
	}
	return all
}

func byArrow(t *testing.T, b []byte) []string {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for recs := array.NewTableReader(table, 0); recs.Next(); {
		var refs []batch.Ref
		for row := range int32(recs.RecordBatch().NumRows()) {
			refs = append(refs, batch.Ref{Row: row})
		}
		all = append(all, lines([]arrow.RecordBatch{recs.RecordBatch()}, refs)...)
	}
	return all
}

func byEngine(t *testing.T, engine *duck.DB, b []byte) (all []string) {
	f, err := duck.Memfd("test")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	rows, err := engine.Query(t.Context(), "SELECT * FROM read_parquet('"+duck.Path(f)+"')", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, v := range values {
			b.WriteString(cell(v) + "|")
		}
		all = append(all, b.String())
	}
}

// statistics checks that what a chunk says of its values holds for each.
func statistics(t *testing.T, b []byte, recs []arrow.RecordBatch, groups [][]batch.Ref) {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for g, refs := range groups {
		for i, c := range columns {
			chunk, err := f.MetaData().RowGroup(g).ColumnChunk(i)
			if err != nil {
				t.Fatal(err)
			}
			stats, err := chunk.Statistics()
			if err != nil {
				t.Fatal(err)
			}
			nulls := int64(0)
			for _, ref := range refs {
				a, row := recs[ref.Record].Column(i), int(ref.Row)
				if a.IsNull(row) {
					nulls++
					continue
				}
				if stats == nil || !stats.HasMinMax() {
					continue
				}
				inside := true
				switch s := stats.(type) {
				case *metadata.Int64Statistics:
					v := a.(*array.Int64).Value(row)
					inside = s.Min() <= v && v <= s.Max()
				case *metadata.Int32Statistics:
					v := a.(*array.Int32).Value(row)
					inside = s.Min() <= v && v <= s.Max()
				case *metadata.Float64Statistics:
					v := a.(*array.Float64).Value(row)
					inside = s.Min() <= v && v <= s.Max()
				case *metadata.ByteArrayStatistics:
					v := a.(*array.String).Value(row)
					inside = string(s.Min()) <= v && v <= string(s.Max())
				}
				if !inside {
					t.Errorf("group %d, column %s: a value outside of what the statistics say", g, c.Name)
					break
				}
			}
			if stats != nil && stats.NullCount() != nulls {
				t.Errorf("group %d, column %s: %d nulls told of %d", g, c.Name, stats.NullCount(), nulls)
			}
		}
	}
}

// Differences may be as wide as numbers are.
func TestExtremeDifferences(t *testing.T) {
	sc, _ := batch.Schema(columns[:1])
	for _, times := range [][]int64{{math.MinInt64, math.MaxInt64}, {math.MinInt64, 0, 1, math.MaxInt64}, {5}, {5, 5, 5}} {
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		b.Field(0).(*array.Int64Builder).AppendValues(times, nil)
		var out bytes.Buffer
		w, err := NewWriter(&out, sc, Options{Sorted: "TimeGenerated"})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Rows([]arrow.RecordBatch{b.NewRecordBatch()}), w.Close()); err != nil {
			t.Fatal(err)
		}
		f, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		column, err := f.RowGroup(0).Column(0)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int64, len(times)+1)
		n, _, err := column.(*file.Int64ColumnChunkReader).ReadBatch(int64(len(got)), got, nil, nil)
		if err != nil || fmt.Sprint(got[:n]) != fmt.Sprint(times) {
			t.Errorf("%v came back as %v, %v", times, got[:n], err)
		}
	}
}
