package worker

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// A counted is a table of which all kinds of columns are counted by: of few values
// and of many, that may be null and that always are, and in objects.
var counted = schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime},
	{Name: "Level", Type: schema.String}, {Name: "Host", Type: schema.String}, {Name: "Text", Type: schema.String},
	{Name: "N", Type: schema.Int}, {Name: "L", Type: schema.Long}, {Name: "R", Type: schema.Real}, {Name: "B", Type: schema.Bool}, {Name: "Span", Type: schema.TimeSpan},
	{Name: "Id", Type: schema.GUID}, {Name: "P", Type: schema.Dynamic}, {Name: "None", Type: schema.Long}, {Name: "New", Type: schema.String}}}

// countedRows makes rows from a time on, many of them at its whole hours, in no order.
func countedRows(r *rand.Rand, n int, from schema.Ticks, hours int64) string {
	some := func(list ...string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	for range n {
		at := from + schema.Ticks(r.Int64N(hours*schema.TicksPerHour))
		if r.IntN(10) == 0 {
			at = at/schema.TicksPerHour*schema.TicksPerHour + schema.Ticks(r.IntN(3)-1)
		}
		fmt.Fprintf(&b, `{"TimeGenerated":"%s","Level":"%s","Host":"web-%d","Text":"%s","N":%s,"L":%s,"R":%s,"B":%s,"Span":%s,"Id":%s,"P":%s,"New":"%s"}`+"\n",
			max(at, from), some("Error", "Info", "Info", "Info", "", "error"), int(r.ExpFloat64()*8), countedText(r), some("1", "2", "3", "-4", "null"), some("9223372036854775807", "7", "0", "-1", "null"),
			some("0.5", "1e300", "1.5", "0.0", "null"), some("true", "false", "null"), some(`"00:00:01"`, `"1.00:00:00"`, "null"),
			some(`"74be27de-1e4e-49d9-b579-fe0b331d3642"`, `"00000000-0000-0000-0000-000000000001"`, "null"),
			some(`{"app":"web","n":1,"ok":true}`, `{"app":"db","n":2,"ok":false}`, `{"app":"web","n":2}`, `{"app":"größe","ok":true}`, "{}", "null"), some("x", "y"))
	}
	return b.String()
}

// countedText is mostly of few templates, and seldom odd.
func countedText(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0, 1:
		return fmt.Sprintf("upstream 10.0.%d.%d did not answer: Timeout after %dms, attempt %d", r.IntN(256), r.IntN(256), r.IntN(3000), r.IntN(5))
	case 2:
		return fmt.Sprintf("session %016x was opened, its token ends in %ds", r.Uint64(), r.IntN(86_400))
	case 3:
		if r.IntN(300) == 0 {
			return []string{"", "timeout", "no Timeout\u00e9 here, whatever the time was then", "T\u0130MEOUT of a \u212aube, upstream too, and a path C:\\\\x", "x7k2p9timeout and pre-timeout, timeouts of 12ab34cd", "TIMEOUT"}[r.IntN(6)]
		}
		return fmt.Sprintf("timeouts are counted: %d in the last hour, ok", r.IntN(100))
	}
	return fmt.Sprintf("request %x took %d ms and ended with status %d", r.Uint32(), r.IntN(1000), 200+r.IntN(300))
}

// countingQuery is a query that mostly asks how many rows there are of a kind.
func countingQuery(r *rand.Rand, from schema.Ticks) string {
	some := func(list ...string) string { return list[r.IntN(len(list))] }
	at := func() string {
		t := from + schema.Ticks(r.Int64N(80*schema.TicksPerHour))
		if r.IntN(2) == 0 {
			t = t / schema.TicksPerHour * schema.TicksPerHour
		}
		return fmt.Sprintf("datetime(%s)", t)
	}
	q := some("T_CL", "T_CL", "T_CL", "T_CL", "union T_CL, (T_CL | where Level == 'Error' | project TimeGenerated, Level, Host)", "union withsource=Type (T_CL | where N == 1), T_CL | where N > 0")
	for range r.IntN(3) {
		q += " | where " + some("TimeGenerated >= "+at(), "TimeGenerated < "+at(), "TimeGenerated between ("+at()+" .. 17h)", "TimeGenerated != "+at(), "TimeGenerated <= "+at()+" or Level == 'Error'",
			"Level == 'Error'", "Level =~ 'ERROR'", "Level has 'error' or Host has 'web'", "Host in ('web-1', 'web-2')", "Host contains 'b-1'", "Host == 'web-9'", "Host in ('web-20', 'web-14', 'web-3', 'web-8', 'web-30')", "Level == 'Error' and Host has '7'", "N > 1", "isnull(L)", "B", "isempty(Level)", "P.app == 'web'", "tostring(P.app) has 'db'",
			"Text has 'took'", "Text has 'timeout'", "Text !has 'timeout'", "Text contains 'out'", "Text startswith 'req'", "Text endswith 'ok'", "Text has_any ('timeout', 'token')", "Text hasprefix 'up' or N == 1", "Text has 'did not'",
			"Text has 'status 2'", "Text has_cs 'Timeout'", "Text =~ 'timeout'", "Text matches regex 'took [0-9]+5 ms'", `Text matches regex @"status 2\d0$"`, `Text matches regex "(?i)^(up|req).*[0-4]$"`, `Text !has '17'`, `Text has_any ('17', '200')`, `not(Text matches regex @"\b\w{10}\b")`, `Text matches regex "\\bK"`, `Text matches regex "[^ -~]|^$"`, "hourofday(TimeGenerated) in (3, 4, 17)", "dayofweek(TimeGenerated) == 1d", "Host in ((T_CL | where N == 3 | distinct Host))", "New == 'x'", "None == 1", "Level == 'nowhere'")
	}
	if r.IntN(3) == 0 {
		q += " | extend H = bin(TimeGenerated, 1h), T = TimeGenerated, Host = toupper(Host)"
		q += some("", " | where H > "+at(), " | where T < "+at())
	}
	switch r.IntN(12) {
	case 0:
		return q + " | count"
	case 1:
		return q + " | distinct Level, B, N"
	case 2:
		return q + " | make-series n = count(), s = sum(L) default = 0 on TimeGenerated from " + at() + " step 5h by Level"
	case 3:
		return q + " | summarize by bin(TimeGenerated, 1d), tostring(P.n)"
	}
	var aggs []string
	for range 1 + r.IntN(4) {
		aggs = append(aggs, some("count()", "count()", "count(L)", "countif(B)", "countif(Text has 'timeout')", "sumif(N, Text contains 'time')", "countif(TimeGenerated > "+at()+")", "sum(L)", "sum(N)", "sumif(L, Level == 'Info')", "avg(N)", "avgif(L, B)", "sum(Span)",
			"dcount(Host)", "dcountif(Id, B)", "min(L)", "max(Host)", "min(R)", "max(Span)", "make_set(Level)", "binary_all_or(L)", "minif(N, B)", "max(bin(TimeGenerated, 1h))", "dcount(startofday(TimeGenerated))", "count_distinct(Text)",
			"max(TimeGenerated)", "percentile(N, 50)"))
	}
	var keys []string
	for range r.IntN(4) {
		keys = append(keys, some("Level", "Host", "N", "L", "R", "B", "Span", "Id", "None", "New", "P.app", "tostring(P.app)", "tostring(P.n)", "tobool(P.ok)", "tostring(P)", "Text", "Text has 'timeout'", `Text matches regex @"^request [a-f]+\d"`, `Text contains "5 ms" or Text matches regex @"\d\ds$"`, "iff(Text contains 'request', Level, Host)", "Text has 'k' and Text !contains 'ubes'",
			"bin(TimeGenerated, 1h)", "bin(TimeGenerated, 1d)", "bin(TimeGenerated, 10m)", "bin_at(TimeGenerated, 7h, "+at()+")", "startofday(TimeGenerated)", "endofmonth(TimeGenerated)", "hourofday(TimeGenerated)",
			"datetime_part('minute', TimeGenerated)", "format_datetime(TimeGenerated, 'yyyy-MM-dd HH')", "strcat(Level, Host)", "TimeGenerated < "+at()))
	}
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d = %s", i, keys[i])
	}
	q += " | summarize " + strings.Join(aggs, ", ")
	if len(keys) > 0 {
		q += " by " + strings.Join(keys, ", ")
	}
	return q
}

// countedStore has rows in several segments, of which the first was written before
// the table had all its columns, and in the tail. Times reach over one another.
func countedStore(t *testing.T, r *rand.Rand, from schema.Ticks) *store.Store {
	s := emptyStore(t)
	old := counted
	old.Columns = counted.Columns[:len(counted.Columns)-2]
	for i, n := range []int{1500, 6000, 900, 3000, 200} {
		table := counted
		if i == 0 {
			table = old
		}
		parsed, err := batch.Parse(strings.NewReader(countedRows(r, n, from+schema.Ticks(int64(i)*15*schema.TicksPerHour), 20)), table, 1)
		if err != nil || parsed.Refused > 0 {
			t.Fatal(err, parsed.Refused)
		}
		if err := s.Append(t.Context(), store.Rows{Workspace: "w", Table: table.Name, Record: parsed.Record}); err != nil {
			t.Fatal(err)
		}
		if i < 4 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// countedAnswer answers a query of a store, with weighted rows or without, of rows that are
// not older than edge.
func countedAnswer(t *testing.T, engine *duck.DB, s *store.Store, q string, weights bool, edge schema.Ticks) (answer string, use store.Use) {
	t.Helper()
	p, err := kql.Compile(q, tables{counted}, kql.Options{Now: 1, Weights: weights})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	relations := map[string]string{}
	for _, src := range p.Sources {
		snapshot := s.Snapshot("w", counted.Name, src.From, before(src.To))
		defer snapshot.Release()
		snapshot.Keep(edge)
		snapshot.Need(needs(src.Needs, counted.Name, nil))
		if src.Weights != nil {
			snapshot.Weigh(weightsOf(src.Weights, false))
		}
		members := unrenamed(src.Members)
		wanted := pick(counted, src.Columns, len(members) == 0 && src.Weights == nil)
		got, err := snapshot.Files(t.Context(), names(wanted), stored(members), 0)
		if err != nil {
			t.Fatal(err)
		}
		var files []file
		for _, f := range got {
			files = append(files, file{path: f.Path, columns: f.Columns, members: f.Members, since: f.Since, weighed: f.Weighed})
		}
		relations[src.Relation] = relation(wanted, wanted, members, files, 0, src.Weights != nil)
		use.Weighed += snapshot.Use().Weighed
		use.Weights += snapshot.Use().Weights
	}
	text, args := p.Statement(func(src kql.Source) string { return relations[src.Relation] })
	rows, err := engine.Query(t.Context(), text, args)
	if err != nil {
		t.Fatalf("%s: %v\n%s", q, err, text)
	}
	defer rows.Close()
	return sortedAnswer(rows, p), use
}

// agreeOnCounts asks queries made by chance with weighted rows and without, and tells how
// many had such rows, and how many had far fewer of them than rows.
func agreeOnCounts(t *testing.T, engine *duck.DB, r *rand.Rand, queries int) (weighed, fewer int) {
	from := schema.Ticks(639_000_000_000_000_000) + schema.Ticks(r.Int64N(schema.TicksPerDay))
	s := countedStore(t, r, from)
	for range queries {
		q, edge := countingQuery(r, from), schema.Ticks(0)
		if r.IntN(3) == 0 {
			if edge = from + schema.Ticks(r.Int64N(60*schema.TicksPerHour)); r.IntN(3) > 0 { // many rows are of whole hours
				edge = edge / schema.TicksPerHour * schema.TicksPerHour
			}
		}
		with, use := countedAnswer(t, engine, s, q, true, edge)
		without, _ := countedAnswer(t, engine, s, q, false, edge)
		if with != without {
			t.Errorf("%s\nof rows since %v, with weighted rows:\n%.1000s\nwithout:\n%.1000s", q, edge, with, without)
		}
		if use.Weighed > 0 {
			weighed++
		}
		if use.Weights*4 < use.Weighed {
			fewer++
		}
	}
	return weighed, fewer
}

// Weighted rows answer every query as the rows do for which they stand: in segments
// with these columns and with others, in the tail, and where a table keeps less.
func TestWeighedRowsAnswerAsAllDo(t *testing.T) {
	engine, err := openEngine(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	for seed := range uint64(2) {
		const queries = 70
		if weighed, fewer := agreeOnCounts(t, engine, rand.New(rand.NewPCG(53, seed)), queries); weighed < queries/3 || fewer < queries/4 {
			t.Errorf("of %d queries only %d had weighted rows, %d far fewer than rows", queries, weighed, fewer)
		}
	}
}

// FuzzWeighedRows looks for a query that weighted rows answer otherwise.
func FuzzWeighedRows(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	var engine *duck.DB
	f.Fuzz(func(t *testing.T, a, b uint64) {
		if engine == nil {
			var err error
			if engine, err = openEngine(256 << 20); err != nil {
				t.Fatal(err)
			}
		}
		agreeOnCounts(t, engine, rand.New(rand.NewPCG(a, b)), 30)
	})
}

// Rows of which only is asked whether a text has a word are counted without their texts.
func TestLooksAreCountedByTemplates(t *testing.T) {
	engine, err := openEngine(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	const n = 6000
	var rows strings.Builder
	timeouts, r := 0, rand.New(rand.NewPCG(1, 2))
	for i := range n {
		text := fmt.Sprintf("request %x took %d ms and ended with status %d", r.Uint32(), r.IntN(1000), 200+r.IntN(300))
		if i%8 == 0 {
			text, timeouts = fmt.Sprintf("upstream 10.0.%d.%d did not answer: Timeout after %dms", r.IntN(256), r.IntN(256), r.IntN(3000)), timeouts+1
		}
		fmt.Fprintf(&rows, `{"TimeGenerated":"2026-01-01T00:00:%02dZ","Level":"%d","Text":"%s"}`+"\n", i*60/n, i%3, text)
	}
	s := emptyStore(t)
	parsed, err := batch.Parse(strings.NewReader(rows.String()), counted, 1)
	if err != nil || parsed.Refused > 0 {
		t.Fatal(err, parsed.Refused)
	}
	if err := s.Append(t.Context(), store.Rows{Workspace: "w", Table: counted.Name, Record: parsed.Record}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query string
		most  int64 // weighted rows; 0: as many as there are rows
	}{
		{"T_CL | where Text has 'timeout' | count", 2},
		{"T_CL | where Text has 'timeout' or Text contains 'status' | summarize count() by Level", 6},
		{"T_CL | summarize countif(Text !has 'timeout'), count() by Text startswith 'Request'", 4},
		{"T_CL | where Text has '17' | count", 2}, // which may be in what varies
		{`T_CL | where Text matches regex @"took 1\d\d ms .* 4\d\d$" | count`, 2},
		{`T_CL | summarize count() by Text matches regex @"10\.0\.1?\d{2}\.", Text contains "2"`, 4},
		{`T_CL | where Text matches regex "(a|b)*a(a|b){12}ms" | count`, 0}, // needs too much
		{`T_CL | where Text matches regex "x" | where Text > "a" | count`, 0},
		{"T_CL | where Text has 'timeout' | count as N | union (T_CL | where Text has 'timeout' | distinct Text | count as M)", 0},
	} {
		with, use := countedAnswer(t, engine, s, c.query, true, 0)
		without, _ := countedAnswer(t, engine, s, c.query, false, 0)
		if with != without {
			t.Errorf("%s\nwith weighted rows:\n%s\nwithout:\n%s", c.query, with, without)
		}
		if c.most > 0 && (use.Weighed != n || use.Weights > c.most) {
			t.Errorf("%s: %d rows were weighed into %d, of %d into %d", c.query, use.Weighed, use.Weights, n, c.most)
		}
	}
	if with, _ := countedAnswer(t, engine, s, "T_CL | where Text has 'timeout' | count", true, 0); !strings.Contains(with, fmt.Sprint(timeouts)) {
		t.Errorf("%s, want %d", with, timeouts)
	}
}
