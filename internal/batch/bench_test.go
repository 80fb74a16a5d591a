package batch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/schema"
)

// logs returns n rows of made-up logs as NDJSON, or the file that LOGKEEP_ROWS
// names, and their table.
func logs(b testing.TB, n int) ([]byte, schema.Table) {
	t := schema.Table{Name: "Bench_CL", Columns: []schema.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Computer", Type: schema.String},
		{Name: "Level", Type: schema.String}, {Name: "EventID", Type: schema.Int},
		{Name: "SourceIP", Type: schema.String}, {Name: "UserPrincipalName", Type: schema.String},
		{Name: "Message", Type: schema.String}, {Name: "Properties", Type: schema.Dynamic},
	}}
	if name := os.Getenv("LOGKEEP_ROWS"); name != "" {
		body, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		return body, t
	}
	r := rand.New(rand.NewPCG(1, 2))
	var w bytes.Buffer
	for i := range n {
		fmt.Fprintf(&w, `{"TimeGenerated":"2026-11-%02dT%02d:%02d:%02d.%06dZ","Computer":"web-%03d.corp.example.com","Level":"Information","EventID":%d,"SourceIP":"10.1.%d.%d","UserPrincipalName":"user%d@example.com","Message":"GET /api/v1/orders/%d completed with status 200 in %dms (trace=%016x%016x)","Properties":{"app":"nginx","region":"westeurope","durationMs":%d,"requestId":"%016x"}}`+"\n",
			1+i/86400%28, i/3600%24, i/60%60, i%60, r.IntN(1e6), r.IntN(500), 1000+r.IntN(300), r.IntN(256), r.IntN(256), r.IntN(20000), r.IntN(1e6), r.IntN(2500), r.Uint64(), r.Uint64(), r.IntN(5000), r.Uint64())
	}
	return w.Bytes(), t
}

// BenchmarkParse reads requests of the size that clients make.
func BenchmarkParse(b *testing.B) {
	whole, t := logs(b, 20000)
	var bodies [][]byte
	rows := 0
	for len(whole) > 0 {
		n := min(len(whole), 950_000)
		if n = bytes.LastIndexByte(whole[:n], '\n') + 1; n == 0 {
			b.Fatal("the rows are not lines")
		}
		bodies, rows, whole = append(bodies, whole[:n]), rows+bytes.Count(whole[:n], []byte("\n")), whole[n:]
	}
	b.ReportAllocs()
	begin := used()
	for b.Loop() {
		for _, body := range bodies {
			if _, err := Parse(bytes.NewBuffer(body), t, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows), "rows/op")
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N*rows), "cpu-ns/row")
}

func BenchmarkEncode(b *testing.B) {
	body, t := logs(b, 2000)
	p, err := Parse(bytes.NewReader(body), t, 0)
	if err != nil {
		b.Fatal(err)
	}
	var into bytes.Buffer
	for b.Loop() {
		into.Reset()
		if err := EncodeTo(&into, p.Record); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(p.Record.NumRows()), "rows/op")
	b.ReportMetric(float64(p.Record.NumRows())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// used is the CPU time of this process: on a machine that others use too the
// clock tells nothing.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no process that asks for itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMembers takes the hot keys out of objects.
func BenchmarkMembers(b *testing.B) {
	body, t := logs(b, 20000)
	p, err := Parse(bytes.NewBuffer(body), t, 0)
	if err != nil {
		b.Fatal(err)
	}
	recs := []arrow.RecordBatch{p.Record}
	begin := used()
	for b.Loop() {
		if _, members, err := withMembers(recs); err != nil || len(members) == 0 {
			b.Fatalf("%v %v", members, err)
		}
	}
	b.ReportMetric(float64(p.Record.NumRows()), "rows/op")
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(p.Record.NumRows()), "cpu-ns/row")
}
