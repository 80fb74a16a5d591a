package parquet

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"

	"logkeep/internal/batch"
)

// The codes of rows stand for the values that they have, page by page, whoever has
// written them; of columns that have no codes it is told.
func TestCodesStandForTheValues(t *testing.T) {
	r := rand.New(rand.NewPCG(53, 1))
	coded := map[arrow.Type]int{}
	for range 12 {
		recs := shape{rows: 1 + r.IntN(6000), records: 1, distinct: []int{1, 7, 300, 5000}[r.IntN(4)], null: []float64{0, 0.3, 1}[r.IntN(3)], runs: r.IntN(2) == 0}.make(t, r)
		for _, b := range written(t, recs, 500) {
			for i, place := range places(t, b) {
				var desk Desk
				c := desk.Column(place)
				n, err := c.Coded()
				cells := NewCells(place.Type, place.Nullable, 0)
				for row := 0; row < place.Rows && err == nil; {
					var first int
					var codes []uint32
					if first, codes, err = c.Codes(row); err != nil {
						break
					}
					if first > row || first+len(codes) <= row {
						t.Fatalf("row %d is not among the %d from %d on", row, len(codes), first)
					}
					for _, code := range codes[row-first:] {
						if int(code) >= n {
							t.Fatalf("code %d of %d", code, n)
						}
						value, ok := c.Value(int(code))
						cells.Put(string(value), ok)
					}
					row = first + len(codes)
				}
				switch {
				case errors.Is(err, ErrForm):
				case err != nil:
					t.Fatal(err)
				default:
					coded[place.Type]++
					got := cells.Array()
					for row := range place.Rows {
						if a, b := got.ValueStr(row), recs[0].Column(i).ValueStr(row); a != b {
							t.Fatalf("column %d, row %d of %d: %s is not %s", i, row, place.Rows, a, b)
						}
					}
				}
				c.Close()
			}
		}
	}
	for _, kind := range []arrow.Type{arrow.STRING, arrow.INT32, arrow.INT64, arrow.FLOAT64, arrow.BOOL} {
		if coded[kind] < 4 {
			t.Errorf("only %d columns of %v have codes", coded[kind], kind)
		}
	}
}

// Codes that are taken out of pages one by one are those that all are taken out with:
// of the rows that have some of them, of any stretch.
func TestCodesAreFoundWhereTheyLie(t *testing.T) {
	r := rand.New(rand.NewPCG(56, 3))
	found := map[arrow.Type]int{}
	for range 14 {
		recs := shape{rows: 1 + r.IntN(6000), records: 1, distinct: []int{1, 3, 7, 300, 5000}[r.IntN(5)], null: []float64{0, 0, 0.3}[r.IntN(3)], runs: r.IntN(2) == 0}.make(t, r)
		for _, b := range written(t, recs, 500) {
			for _, place := range places(t, b) {
				var desk Desk
				c := desk.Column(place)
				n, err := c.Coded()
				if errors.Is(err, ErrForm) {
					c.Close()
					continue
				}
				for row := 0; row < place.Rows && err == nil; {
					first, codes, err := c.Codes(row)
					if errors.Is(err, ErrForm) {
						break
					}
					codes = slices.Clone(codes)
					some, _ := some(r, n, 1+r.IntN(4))
					some.Add(r.IntN(n))
					p, err := c.Bits(row)
					if err != nil {
						t.Fatal(err)
					}
					if p == nil {
						row = first + len(codes)
						continue
					}
					if p.First != first || p.Rows != len(codes) {
						t.Fatalf("%d rows from %d on, not %d from %d", p.Rows, p.First, len(codes), first)
					}
					found[place.Type]++
					for range 4 {
						from := first + r.IntN(len(codes))
						end := from + 1 + r.IntN(first+len(codes)-from)
						var want, wantCodes []uint32
						for i, code := range codes[from-first : end-first] {
							if some.Has(int(code)) {
								want, wantCodes = append(want, uint32(from+i)), append(wantCodes, 5*uint32(n)+code)
							}
						}
						got := p.Find(nil, from, end, NewChoice(some))
						if !slices.Equal(got, want) {
							t.Fatalf("rows %d to %d of %d, codes of %d bits: %v are found, not %v", from, end, len(codes), p.width, got, want)
						}
						keys := slices.Repeat([]uint32{5}, len(got))
						if err := p.Add(keys, got, uint32(n)); err != nil || !slices.Equal(keys, wantCodes) {
							t.Fatalf("codes of %v are %v, not %v: %v", got, keys, wantCodes, err)
						}
					}
					row = first + len(codes)
				}
				c.Close()
			}
		}
	}
	for _, kind := range []arrow.Type{arrow.STRING, arrow.INT32, arrow.INT64, arrow.FLOAT64, arrow.BOOL} {
		if found[kind] < 4 {
			t.Errorf("only in %d columns of %v codes were looked for", found[kind], kind)
		}
	}
}

// pairOf is a pair of a file's footer.
func pairOf(t testing.TB, b []byte, key string) string {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if v := f.MetaData().KeyValueMetadata().FindValue(key); v != nil {
		return *v
	}
	return ""
}

// FuzzFirsts reads a list of first values that may be any text.
func FuzzFirsts(f *testing.F) {
	f.Add(encodeFirsts([][]int64{{5, 7, 7}, {}, {-9, 1 << 60}}), 3)
	f.Add(encodeFirsts(nil), 0)
	f.Fuzz(func(t *testing.T, text string, groups int) {
		if groups < 0 || groups > 1000 {
			return
		}
		all, err := DecodeFirsts(text, groups)
		if err != nil {
			return
		}
		if again, err := DecodeFirsts(encodeFirsts(all), groups); err != nil || len(again) != groups {
			t.Fatal(err)
		}
		for _, firsts := range all {
			if !slices.IsSorted(firsts) {
				t.Errorf("%v do not ascend", firsts)
			}
		}
	})
}

// The first row since some time is found in whatever form times are written, time
// after time, and few pages are opened for it.
func TestSince(t *testing.T) {
	r := rand.New(rand.NewPCG(53, 2))
	sc, err := batch.Schema(columns[:1])
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		times := make([]int64, 2+r.IntN(20_000))
		for i := range times {
			times[i] = r.Int64N([]int64{10, 1000, 1 << 60}[r.IntN(3)])
		}
		slices.Sort(times)
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		b.Field(0).(*array.Int64Builder).AppendValues(times, nil)
		first, last := times[0], times[len(times)-1]
		if first == last {
			continue
		}
		for i, data := range written(t, []arrow.RecordBatch{b.NewRecordBatch()}, 300) {
			var desk Desk
			at := places(t, data)[0]
			if text := pairOf(t, data, FirstsKey); text != "" {
				firsts, err := DecodeFirsts(text, 1)
				if err != nil {
					t.Fatal(err)
				}
				at.Firsts = firsts[0]
			} else if i == 2 {
				t.Fatal("with which times pages begin is not told")
			}
			c := desk.Column(at)
			for v := first; v < last; {
				if v += 1 + r.Int64N(1+(last-v)/2); r.IntN(2) == 0 {
					at, _ := slices.BinarySearch(times, v)
					v = times[at]
				}
				row, value, err := c.Since(v, first, last)
				if err != nil {
					t.Fatal(err)
				}
				if want, _ := slices.BinarySearch(times, v); row != want || value != times[want] {
					t.Fatalf("row %d, %d, is the first since %d, not %d, %d", row, value, v, want, times[want])
				}
			}
			c.Close()
		}
	}
}
