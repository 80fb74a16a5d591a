package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/template"
)

// requests returns rows as they wait for a flush: a row group of logs, in
// records of 2,000 rows as requests bring them, almost in the order of their
// time. They are made up, or those of the file of JSON lines that LOGKEEP_ROWS
// names.
func requests(b *testing.B) []arrow.RecordBatch {
	const each = 2000
	t := schema.Table{Name: "Bench_CL", Columns: []schema.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Computer", Type: schema.String},
		{Name: "Level", Type: schema.String}, {Name: "EventID", Type: schema.Int},
		{Name: "SourceIP", Type: schema.String}, {Name: "UserPrincipalName", Type: schema.String},
		{Name: "Message", Type: schema.String}, {Name: "Properties", Type: schema.Dynamic},
	}}
	var text []byte
	if name := os.Getenv("LOGKEEP_ROWS"); name != "" {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
	} else {
		text = madeUp()
	}
	var recs []arrow.RecordBatch
	for rows := 0; rows < GroupRows && len(text) > 0; {
		end, n := 0, 0
		for ; n < min(each, GroupRows-rows); n++ {
			i := bytes.IndexByte(text[end:], '\n')
			if i < 0 {
				break
			}
			end += i + 1
		}
		p, err := batch.Parse(bytes.NewBuffer(text[:end]), t, 0)
		if err != nil {
			b.Fatal(err)
		}
		recs, text, rows = append(recs, p.Record), text[end:], rows+n
	}
	return recs
}

func madeUp() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	hosts, people := rand.NewZipf(r, 1.1, 20, 499), rand.NewZipf(r, 1.2, 10, 19_999)
	services := []string{"edge-proxy", "sshd", "kubelet", "checkout-api", "sign-in"}
	var w bytes.Buffer
	for i := range GroupRows {
		at := begin.Add(time.Duration(i)*100*time.Millisecond + time.Duration(r.IntN(2e9)))
		fmt.Fprintf(&w, `{"TimeGenerated":%q,"Computer":"web-%03d.corp.example.com","Level":%q,"EventID":%d,"SourceIP":"10.%d.%d.%d","UserPrincipalName":"user%d@example.com",`,
			at.Format("2006-01-02T15:04:05.000000Z"), hosts.Uint64(), []string{"Information", "Information", "Information", "Warning", "Error"}[r.IntN(5)], 1000+r.IntN(300), r.IntN(4), r.IntN(256), r.IntN(256), people.Uint64())
		if i%3 == 0 {
			fmt.Fprintf(&w, `"Message":"Session %016x opened over OIDC from device %012x, second factor push, token valid for %ds",`, r.Uint64(), r.Uint64()>>16, r.IntN(86400))
		} else {
			fmt.Fprintf(&w, `"Message":"GET /api/v1/orders/%d completed with status 200 in %dms (trace=%016x%016x)",`, r.IntN(1e6), r.IntN(2500), r.Uint64(), r.Uint64())
		}
		fmt.Fprintf(&w, `"Properties":{"app":%q,"region":"westeurope","durationMs":%d,"requestId":"%016x"`, services[r.IntN(5)], r.IntN(5000), r.Uint64())
		if i%5 > 0 {
			fmt.Fprintf(&w, `,"statusCode":%d`, 200+r.IntN(300))
		}
		if i%5 > 1 {
			fmt.Fprintf(&w, `,"tenant":"tenant-%d","success":%t`, r.IntN(50), r.IntN(10) > 0)
		}
		if i%5 > 3 {
			fmt.Fprintf(&w, `,"tags":["prod","tier%d"]`, r.IntN(4))
		}
		w.WriteString("}}\n")
	}
	return w.Bytes()
}

// used is the CPU time of this process: on a machine that others use too the
// clock tells nothing.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no process that asks for itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFlush is what a flush costs for each row: sorting, members, pages,
// terms, packing, sealing.
func BenchmarkFlush(b *testing.B) {
	recs := requests(b)
	b.ReportAllocs()
	begin := used()
	var in Info
	for b.Loop() {
		var err error
		if in, err = Write(b.Context(), nowhere{}, keys(b), account, info, recs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(GroupRows, "rows/op")
	b.ReportMetric(float64(in.Bytes)/GroupRows, "B/row-on-disk")
	b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/GroupRows, "cpu-ns/row")
}

// nowhere is where sealed bytes go that nobody wants.
type nowhere struct{}

func (nowhere) WriteSealed(seal.Sealed) error { return nil }

// BenchmarkSieve is what sifting costs for each row of a row group: by a text that
// no row has, by one that some have, by one of few that come again and again.
func BenchmarkSieve(b *testing.B) {
	recs := requests(b)
	o, in := written(b, recs...)
	s := opened(b, o, in)
	for _, q := range []struct {
		name, column string
		parts        []parquet.Part
		by           *template.Pattern
		columns      []string
	}{
		{"none", "Message", []parquet.Part{{Text: "no such text"}}, nil, []string{"Message"}},
		{"some", "Message", []parquet.Part{{Text: "timeout"}}, nil, []string{"Message"}},
		{"parts of an expression", "Message", []parquet.Part{{Text: "status 200 in 2"}, {Text: "ms"}}, nil, []string{"Message"}},
		{"an expression", "Message", []parquet.Part{{Text: "status 200 in 2"}, {Text: "ms"}}, template.Matching(`status 200 in 2\d{3}ms`), []string{"Message"}},
		{"whole rows", "Level", []parquet.Part{{Text: "error", Left: parquet.End, Right: parquet.End}}, nil, names(s.Columns())},
		{"one person", person, []parquet.Part{{Text: busiest(recs), Left: parquet.End, Right: parquet.End}}, nil, names(s.Columns())},
	} {
		b.Run(q.name, func(b *testing.B) {
			c := NewCache(1 << 30)
			begin := used()
			kept := int64(0)
			clue := Clue{Column: q.column, Parts: q.parts}
			if q.by != nil {
				clue.By = append(clue.By, q.by)
			}
			least := time.Hour
			for b.Loop() {
				from := used()
				found, err := c.Sift(b.Context(), []Want{{Segment: s, Columns: q.columns}}, []Need{{{clue}}})
				if err != nil {
					b.Fatal(err)
				}
				kept = found.Kept
				found.Close()
				least = min(least, used()-from)
			}
			b.ReportMetric(float64(least.Nanoseconds())/GroupRows, "least-cpu-ns/row")
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/GroupRows, "cpu-ns/row")
			b.ReportMetric(float64(kept), "kept")
		})
	}
}

const person = "UserPrincipalName"

// busiest is the person that comes up most often, in lower case.
func busiest(recs []arrow.RecordBatch) (who string) {
	times := map[string]int{}
	for _, rec := range recs {
		a := rec.Column(rec.Schema().FieldIndices(person)[0]).(*array.String)
		for i := range a.Len() {
			times[strings.ToLower(a.Value(i))]++
		}
	}
	for name, n := range times {
		if n > times[who] || n == times[who] && name < who {
			who = name
		}
	}
	return who
}

// BenchmarkPick is what each column costs of which one row in forty is read: the rows of
// one person.
func BenchmarkPick(b *testing.B) {
	recs := requests(b)
	o, in := written(b, recs...)
	s := opened(b, o, in)
	rows, row, who := parquet.NewRows(int(in.Rows)), 0, busiest(recs)
	desk := &parquet.Desk{}
	all := parquet.NewRows(int(in.Rows))
	all.AddRange(0, int(in.Rows))
	column := func(i int) *parquet.Column {
		at, err := s.placeOf(0, i)
		if err != nil {
			b.Fatal(err)
		}
		return desk.Column(at)
	}
	c := column(s.index[person])
	if err := c.Find(parquet.NewSearch([]parquet.Part{{Text: who, Left: parquet.End, Right: parquet.End}}, parquet.Texts{Plain: true}), 0, all, rows); err != nil {
		b.Fatal(err)
	}
	c.Close()
	row = rows.Count()
	for i, of := range s.Columns() {
		b.Run(of.Name, func(b *testing.B) {
			begin, least := used(), time.Hour
			desk.Read = 0
			for b.Loop() {
				from := used()
				c := column(i)
				if err := c.Pick(0, rows, c.NewCells(row)); err != nil {
					b.Fatal(err)
				}
				c.Close()
				least = min(least, used()-from)
			}
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(in.Rows), "cpu-ns/row")
			b.ReportMetric(float64(least.Nanoseconds())/float64(in.Rows), "least-cpu-ns/row")
			b.ReportMetric(float64(desk.Read)/float64(b.N)/float64(in.Rows), "B/row")
			b.ReportMetric(float64(row), "rows")
		})
	}
}

// BenchmarkTerms is what the terms of a column of different texts cost, for each row.
func BenchmarkTerms(b *testing.B) {
	recs := requests(b)
	columns, err := batch.Columns(recs[0].Schema())
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"Message", "Properties"} {
		b.Run(name, func(b *testing.B) {
			i := recs[0].Schema().FieldIndices(name)[0]
			size := 0
			for _, rec := range recs {
				size += len(rec.Column(i).(*array.String).ValueBytes())
			}
			b.SetBytes(int64(size))
			begin := used()
			for b.Loop() {
				w := newTermWriter(columns)
				tell := w.column(i)
				row := 0
				for _, rec := range recs {
					a := rec.Column(i).(*array.String)
					ends, text := a.ValueOffsets(), a.ValueBytes()
					for i := range a.Len() {
						tell(text[ends[i]:ends[i+1]], row/parquet.Stripe)
						row++
					}
				}
				w.done()
			}
			b.ReportMetric(GroupRows, "rows/op")
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/GroupRows, "cpu-ns/row")
		})
	}
}

// BenchmarkWords is what the terms of texts that are stored by templates cost for each
// row, without finding their templates.
func BenchmarkWords(b *testing.B) {
	recs := requests(b)
	columns, err := batch.Columns(recs[0].Schema())
	if err != nil {
		b.Fatal(err)
	}
	type told struct {
		text     []byte
		words    []template.Span
		template int
	}
	for _, name := range []string{"Message", "Properties"} {
		b.Run(name, func(b *testing.B) {
			i := recs[0].Schema().FieldIndices(name)[0]
			var coder template.Coder
			coder.Reset()
			var all []told
			for _, rec := range recs {
				a := rec.Column(i).(*array.String)
				for row := range a.Len() {
					text := []byte(a.Value(row) + "        ")[:len(a.Value(row))]
					coder.Add(text)
					words, number := coder.Words()
					all = append(all, told{text, slices.Clone(words), number})
				}
			}
			begin := used()
			for b.Loop() {
				w := newTermWriter(columns)
				w.column(i)
				for row, t := range all {
					w.words(t.text, t.words, t.template, row/parquet.Stripe)
				}
				w.done()
			}
			b.ReportMetric(float64(len(all)), "rows/op")
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(len(all)), "cpu-ns/row")
		})
	}
}

// BenchmarkOpen is what it costs to open a segment that nobody has read, and to
// show the engine a column of a row group of it.
func BenchmarkOpen(b *testing.B) {
	recs := requests(b)
	o, in := written(b, recs...)
	k := keys(b)
	measure := func(b *testing.B, do func()) {
		begin := used()
		for b.Loop() {
			do()
		}
		b.ReportMetric(float64((used()-begin).Microseconds())/float64(b.N), "cpu-us/op")
	}
	b.Run("segment", func(b *testing.B) {
		measure(b, func() {
			if _, err := Open(bytes.NewReader(o.Bytes()), int64(o.Len()), k, account, in); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("image", func(b *testing.B) {
		s := opened(b, o, in)
		measure(b, func() {
			c := NewCache(1 << 30)
			images, err := c.Acquire(b.Context(), []Want{{Segment: s, Group: 0, Columns: []string{"Level"}}})
			if err != nil {
				b.Fatal(err)
			}
			c.Release(images)
			c.Close()
		})
	})
}

// BenchmarkWeigh is what counting the rows of a row group costs for each of them: by
// hour, by a column of 500 texts of those that have one in another, and by what searches
// find in messages: in literals, or in what varies.
func BenchmarkWeigh(b *testing.B) {
	o, in := written(b, requests(b)...)
	s := opened(b, o, in)
	for name, ask := range map[string]struct {
		columns []string
		needs   []Need
		looks   []Look
	}{
		"a word":        {columns: []string{"Message"}, looks: []Look{{Column: "Message", Part: parquet.Part{Text: "oidc", Left: parquet.Word, Right: parquet.Word}}}},
		"an expression": {columns: []string{"Message"}, looks: []Look{{Column: "Message", By: template.Matching(`status 200 in 2\d{3}ms`)}}},
		"hours":         {columns: []string{schema.TimeGenerated}},
		"hosts":         {columns: []string{"Computer", "Level"}, needs: []Need{{{{Column: "Level", Parts: []parquet.Part{{Text: "error", Left: parquet.End, Right: parquet.End}}}}}}},
	} {
		b.Run(name, func(b *testing.B) {
			c := NewCache(1 << 30)
			defer c.Close()
			begin, least, rows := used(), time.Hour, 0
			for b.Loop() {
				from := used()
				got, err := c.Weigh(b.Context(), []Want{{Segment: s, Columns: ask.columns}}, ask.needs, Weights{Bins: []Bin{{Size: schema.TicksPerHour}}, Looks: ask.looks})
				if err != nil {
					b.Fatal(err)
				}
				rows = int(got.Kept)
				got.Close()
				least = min(least, used()-from)
			}
			b.ReportMetric(float64((used()-begin).Nanoseconds())/float64(b.N)/float64(in.Rows), "cpu-ns/row")
			b.ReportMetric(float64(least.Nanoseconds())/float64(in.Rows), "least-cpu-ns/row")
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
