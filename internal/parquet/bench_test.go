package parquet

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// BenchmarkGroup is what a row costs on its way into pages, which are not
// packed: text that repeats and text that does not, numbers, times.
func BenchmarkGroup(b *testing.B) {
	const each, most = 2000, 128 << 10
	t := schema.Table{Name: "Bench_CL", Columns: []schema.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Computer", Type: schema.String},
		{Name: "Level", Type: schema.String}, {Name: "EventID", Type: schema.Int},
		{Name: "SourceIP", Type: schema.String}, {Name: "UserPrincipalName", Type: schema.String},
		{Name: "Message", Type: schema.String}, {Name: "Properties", Type: schema.Dynamic},
	}}
	r := rand.New(rand.NewPCG(1, 2))
	hosts, people := rand.NewZipf(r, 1.1, 20, 499), rand.NewZipf(r, 1.2, 10, 19_999)
	var recs []arrow.RecordBatch
	for row := 0; row < most; {
		var w bytes.Buffer
		for n := 0; n < each && row < most; n++ {
			at := time.Unix(1_790_000_000, 0).UTC().Add(time.Duration(row)*100*time.Millisecond + time.Duration(r.IntN(2e9)))
			fmt.Fprintf(&w, `{"TimeGenerated":%q,"Computer":"web-%03d.corp.example.com","Level":%q,"EventID":%d,"SourceIP":"10.%d.%d.%d","UserPrincipalName":"user%d@example.com","Message":"GET /api/v1/orders/%d completed with status 200 in %dms (trace=%016x%016x)","Properties":{"durationMs":%d,"requestId":"%016x"}}`,
				at.Format("2006-01-02T15:04:05.000000Z"), hosts.Uint64(), []string{"Information", "Warning", "Error"}[r.IntN(3)], 1000+r.IntN(300), r.IntN(4), r.IntN(256), r.IntN(256), people.Uint64(),
				r.IntN(1e6), r.IntN(2500), r.Uint64(), r.Uint64(), r.IntN(5000), r.Uint64())
			row++
		}
		p, err := batch.Parse(&w, t, 0)
		if err != nil {
			b.Fatal(err)
		}
		recs = append(recs, p.Record)
	}
	refs, err := batch.ByTime(recs)
	if err != nil {
		b.Fatal(err)
	}
	begin := used()
	for b.Loop() {
		w, err := NewWriter(io.Discard, recs[0].Schema(), Options{Dictionary: true, Sorted: schema.TimeGenerated})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Group(recs, refs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(most, "rows/op")
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/most, "cpu-ns/row")
}

// used is the CPU time of this process: on a machine that others use too the
// clock tells nothing.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no process that asks for itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
