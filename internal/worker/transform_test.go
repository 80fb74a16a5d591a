package worker

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/kql/transform"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/worker/wire"
)

var sourceColumns = []schema.Column{
	{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "S", Type: schema.String}, {Name: "N", Type: schema.Long},
	{Name: "I", Type: schema.Int}, {Name: "R", Type: schema.Real}, {Name: "B", Type: schema.Bool}, {Name: "D", Type: schema.Dynamic},
}

// someRows are rows of JSON for sourceColumns, with what is odd among them.
func someRows(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	var rows []string
	for range 1 + r.IntN(40) {
		fields := []string{`"TimeGenerated":"2026-11-22T0` + fmt.Sprint(r.IntN(10)) + `:00:00.1234567Z"`}
		add := func(name string, value string) {
			if value != "" {
				fields = append(fields, `"`+name+`":`+value)
			}
		}
		add("S", pick("", `""`, `"user=ann id=7 rest"`, `"user=bob id=x"`, `"a,b,,c"`, `"é ünï 世界"`, `"{\"x\":[1,2]}"`, `"2026-01-02T03:04:05Z"`, `"CEF:0|a|b|c|d|e|5|k=v w=x y"`, fmt.Sprintf("%q", strings.Repeat("ab ", r.IntN(40)))))
		add("N", pick("", "0", "-1", "9223372036854775807", "-9223372036854775808", fmt.Sprint(r.Int64())))
		add("I", pick("", "0", "2147483647", "-2147483648", fmt.Sprint(r.Int32())))
		add("R", pick("", "0", "-0.5", `"NaN"`, `"Infinity"`, "1e300", fmt.Sprint(r.NormFloat64())))
		add("B", pick("", "true", "false"))
		add("D", pick("", "null", "{}", "[]", `{"x":{"y":[1,"two",null,2.5]},"s":"text"}`, "7", `"text"`, `[1,2,3]`, `{"a b":true}`))
		rows = append(rows, "{"+strings.Join(fields, ",")+"}")
	}
	return "[" + strings.Join(rows, ",") + "]"
}

func enginely(t testing.TB) *Worker {
	w := &Worker{base: &base{engine: sync.OnceValues(func() (*duck.DB, error) { return openEngine(256 << 20) })}}
	t.Cleanup(func() {
		if db, err := w.engine(); err == nil {
			db.Close()
		}
	})
	return w
}

// direct answers a text as a query over the same rows, cell by cell as text.
func direct(t *testing.T, w *Worker, rec arrow.RecordBatch, text string) (columns []schema.Column, rows [][]string, err error) {
	p, err := kql.Compile(text, tables{{Name: "source", Columns: sourceColumns}}, kql.Options{Now: 1})
	if err != nil {
		t.Fatalf("%q is a transformation and no query: %v", text, err)
	}
	tail, err := segment.NewTail([]arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	sql, args := p.Statement(func(s kql.Source) string {
		c := named(sourceColumns, s.Columns, len(s.Members) == 0)
		return relation(c, c, unrenamed(s.Members), []file{{path: tail.Path(), columns: tail.Columns()}}, 0, false)
	})
	db, err := w.engine()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := db.Query(t.Context(), sql, args)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Close()
	cells := make([]driver.Value, len(p.Columns))
	for {
		if err := answer.Next(cells); errors.Is(err, io.EOF) {
			return p.Columns, rows, nil
		} else if err != nil {
			return nil, nil, err
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = fmt.Sprint(c)
		}
		rows = append(rows, row)
	}
}

// cellOf is a cell of a record in the form of direct.
func cellOf(a arrow.Array, row int) string {
	if a.IsNull(row) {
		return "<nil>"
	}
	switch a := a.(type) {
	case *array.Boolean:
		return fmt.Sprint(a.Value(row))
	case *array.Int32:
		return fmt.Sprint(a.Value(row))
	case *array.Int64:
		return fmt.Sprint(a.Value(row))
	case *array.Float64:
		return fmt.Sprint(a.Value(row))
	case *array.String:
		return a.Value(row)
	}
	return "?"
}

// FuzzTransform holds what a rule stores to what a query over the same rows answers.
func FuzzTransform(f *testing.F) {
	for i, text := range []string{
		"source",
		"source | where N > 0 and S has 'ann' or B",
		"source | parse S with 'user=' User:string ' id=' Id:long * | extend L = strlen(S), U = toupper(S), Parts = split(S, ',')",
		"source | extend X = D.x.y[1], Y = tostring(D.x), Z = toint(D), W = array_length(D), T = gettype(D), J = parse_json(S).x[0]",
		"source | extend A = N + 1, M = I * 2, Q = N / 0, P = R * 2, F = floor(R, 1.0), O = round(R, 1), E = exp2(R), K = isnan(R), C = case(N > 0, 'p', N < 0, 'n', 'z')",
		"source | project TimeGenerated = datetime_add('day', 1, TimeGenerated), Day = startofday(TimeGenerated), H = hourofday(TimeGenerated), Old = todatetime(S), Span = totimespan('1.02:03:04')",
		"source | extend Cef = parse_cef_dictionary(S).Extension.w, G = extract('id=([0-9]+)', 1, S), All = extract_all('([a-z]+)', S), Hash = hash_sha256(S), R2 = replace('a', 'b', S)",
		"let f = (x:long) { x % 7 }; source | where not(isempty(S)) | extend V = f(N), Null = isnull(D), Str = strcat(S, N, B), B64 = base64_encodestring(S)",
		"print TimeGenerated = datetime(2026-01-01), S = 'x', N = 2 + 2",
		"source | extend S = iff(S startswith_cs 'u', substring(S, 5), ''), I = toint(N), N = tolong(R), B = tobool(S) | project-away D | project-rename Flag = B",
	} {
		f.Add(text, uint64(i))
	}
	w := enginely(f)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if strings.Contains(text, "now") || strings.Contains(text, "ago") {
			t.Skip()
		}
		program, err := transform.Compile(text, sourceColumns, 1)
		if err != nil {
			t.Skip()
		}
		in, err := batch.ParseStream(bytes.NewBufferString(someRows(seed)), sourceColumns, 1)
		if err != nil {
			t.Fatal(err)
		}
		table := schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}}
		var wanted []int
		for i, c := range program.Columns {
			if c.Name == schema.TimeGenerated || c.Type == schema.TimeSpan || slices.ContainsFunc(table.Columns, func(h schema.Column) bool { return h.Name == c.Name }) {
				continue
			}
			table.Columns, wanted = append(table.Columns, c), append(wanted, i)
		}
		if i := slices.IndexFunc(program.Columns, func(c schema.Column) bool { return c.Name == schema.TimeGenerated }); i >= 0 && program.Columns[i].Type != schema.DateTime {
			t.Skip()
		}
		_, rows, wrong := direct(t, w, in.Record, text)
		out, err := w.transform(t.Context(), wire.Change{Text: text, Stream: sourceColumns, Table: table, Now: 1}, in.Record)
		if (err != nil) != (wrong != nil) {
			t.Fatalf("%q: the rule says %v, the query %v", text, err, wrong)
		}
		if err != nil {
			return
		}
		if len(program.Sources) == 0 {
			rows = slices.Repeat(rows, int(in.Record.NumRows()))
		}
		if int(out.Record.NumRows()) != len(rows) {
			t.Fatalf("%q: %d rows, the query has %d", text, out.Record.NumRows(), len(rows))
		}
		for i, at := range wanted {
			for row := range rows {
				want := rows[row][at]
				if table.Columns[i+1].Type == schema.String && want == "<nil>" {
					want = ""
				}
				if got := cellOf(out.Record.Column(i+1), row); got != want {
					t.Fatalf("%q: row %d, %s: stored %q, answered %q", text, row, table.Columns[i+1].Name, got, want)
				}
			}
		}
		// What is stored can be read from the journal.
		payload, err := batch.Encode(out.Record)
		if err == nil {
			_, err = batch.Decode(payload)
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func TestPendingRowsAreDecodedWithoutATime(t *testing.T) {
	columns := []schema.Column{{Name: schema.TimeGenerated, Type: schema.String}, {Name: "N", Type: schema.Long}}
	in, err := batch.ParseStream(strings.NewReader(`[{"TimeGenerated":"x","N":1},{}]`), columns, 1)
	if err != nil {
		t.Fatal(err)
	}
	what, err := json.Marshal(wire.Change{Text: "source", Stream: columns})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := batch.Encode(batch.WithPending(in.Record, string(what)))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := batch.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := batch.Pending(rec); !ok || got != string(what) || rec.NumRows() != 2 {
		t.Errorf("%q %v", got, ok)
	}
	if payload, err = batch.Encode(in.Record); err != nil {
		t.Fatal(err)
	}
	if _, err := batch.Decode(payload); err == nil {
		t.Error("rows without a time are taken as such that can be stored")
	}
}

// BenchmarkTransform is a request of 4,000 rows through a rule.
func BenchmarkTransform(b *testing.B) {
	w := enginely(b)
	var rows []string
	for i := range 4000 {
		rows = append(rows, fmt.Sprintf(`{"TimeGenerated":"2026-11-22T00:00:00Z","S":"user=ann%d id=%d and some more text of a line in a log","N":%d,"D":{"level":%d,"x":{"y":"z"}}}`, i%100, i, i, i%5))
	}
	in, err := batch.ParseStream(bytes.NewBufferString("["+strings.Join(rows, ",")+"]"), sourceColumns, 1)
	if err != nil {
		b.Fatal(err)
	}
	c := wire.Change{Text: `source | where N % 10 != 3 | parse S with "user=" User:string " id=" Id:long * | extend Level = toint(D.level), Z = tostring(D.x.y)`, Stream: sourceColumns, Now: 1,
		Table: schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "User", Type: schema.String}, {Name: "Id", Type: schema.Long}, {Name: "Level", Type: schema.Int}, {Name: "Z", Type: schema.String}, {Name: "S", Type: schema.String}}}}
	for b.Loop() {
		if _, err := w.transform(b.Context(), c, in.Record); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(4000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkTransformOne is a request of one row.
func BenchmarkTransformOne(b *testing.B) {
	w := enginely(b)
	in, err := batch.ParseStream(strings.NewReader(`[{"S":"user=ann id=7 rest","N":1}]`), sourceColumns, 1)
	if err != nil {
		b.Fatal(err)
	}
	c := wire.Change{Text: `source | parse S with "user=" User:string " id=" Id:long *`, Stream: sourceColumns, Now: 1,
		Table: schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "User", Type: schema.String}, {Name: "Id", Type: schema.Long}}}}
	for b.Loop() {
		if _, err := w.transform(b.Context(), c, in.Record); err != nil {
			b.Fatal(err)
		}
	}
}
