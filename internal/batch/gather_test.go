package batch

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/schema"
)

// timedRecords makes records of one column, TimeGenerated.
func timedRecords(t testing.TB, times ...[]int64) []arrow.RecordBatch {
	t.Helper()
	var recs []arrow.RecordBatch
	for _, of := range times {
		b, err := NewBuilder([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range of {
			if err := b.Row([]any{at}); err != nil {
				t.Fatal(err)
			}
		}
		p, err := b.Done()
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, p.Record)
	}
	return recs
}

// However rows come, they are sorted as a stable sort would.
func TestAnyOrderIsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	almost := func(from, n, off int) (times []int64) {
		for i := range n {
			times = append(times, int64(from+i+r.IntN(off)))
		}
		return times
	}
	backwards := almost(0, 3000, 1)
	slices.Reverse(backwards)
	random := make([]int64, 3000)
	for i := range random {
		random[i] = r.Int64N(500)
	}
	for name, times := range map[string][][]int64{
		"no rows": {{}, {}}, "one": {{7}}, "equal": {{5, 5, 5}, {5, 5}, {}, {5}},
		"in order": {almost(0, 1000, 1), almost(1000, 1000, 1)}, "almost": {almost(0, 2000, 30), almost(1990, 2000, 30)},
		"records changed round": {almost(4000, 2000, 9), almost(0, 2000, 9), almost(2000, 2000, 9)},
		"records of one time":   {almost(0, 1000, 2), almost(0, 1000, 2), almost(0, 1000, 2)},
		"one row far behind":    {append(almost(100, 2000, 3), 1)}, "backwards": {backwards}, "random": {random, random},
	} {
		recs := timedRecords(t, times...)
		var want []Ref
		for i, of := range times {
			for row := range of {
				want = append(want, Ref{int32(i), int32(row)})
			}
		}
		slices.SortStableFunc(want, func(a, b Ref) int { return cmp.Compare(times[a.Record][a.Row], times[b.Record][b.Row]) })
		got, err := ByTime(recs)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: not in order: %v", name, err)
		}
	}
}

// BenchmarkByTime sorts rows as a flush finds them: requests of 2,000, of which
// some overtook others, rows up to two seconds off.
func BenchmarkByTime(b *testing.B) {
	r := rand.New(rand.NewPCG(4, 4))
	var times [][]int64
	for i := range 64 {
		of := make([]int64, 2000)
		for row := range of {
			of[row] = int64(i*2000+row)*int64(schema.TicksPerSecond)/8 + r.Int64N(2*int64(schema.TicksPerSecond))
		}
		times = append(times, of)
		if i%3 == 2 {
			times[i], times[i-1] = times[i-1], times[i]
		}
	}
	recs := timedRecords(b, times...)
	begin := used()
	for b.Loop() {
		if _, err := ByTime(recs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(64*2000, "rows/op")
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(64*2000), "cpu-ns/row")
}
