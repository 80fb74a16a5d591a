package kql_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// tables are what the golden queries read.
type tables struct{}

func (tables) Tables() []string { return []string{"Logs", "Hosts"} }

func (tables) Table(name string) (schema.Table, bool) {
	switch name {
	case "Logs":
		return schema.Table{Name: "Logs", Columns: []schema.Column{
			{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Level", Type: schema.String}, {Name: "Message", Type: schema.String},
			{Name: "Host", Type: schema.String}, {Name: "Bytes", Type: schema.Long}, {Name: "Props", Type: schema.Dynamic},
		}}, true
	case "Hosts":
		return schema.Table{Name: "Hosts", Columns: []schema.Column{
			{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Host", Type: schema.String}, {Name: "Owner", Type: schema.String},
		}}, true
	case "Watchlist":
		return schema.Table{Name: "Watchlist", Columns: []schema.Column{
			{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "WatchlistAlias", Type: schema.String}, {Name: "SearchKey", Type: schema.String},
			{Name: "WatchlistItem", Type: schema.Dynamic}, {Name: "LastUpdatedTimeUTC", Type: schema.DateTime}, {Name: "_DTItemId", Type: schema.String},
			{Name: "_DTItemType", Type: schema.String}, {Name: "_DTItemStatus", Type: schema.String}, {Name: "_DTTimestamp", Type: schema.DateTime},
		}}, true
	}
	return schema.Table{}, false
}

// Function is a saved function.
func (tables) Function(name string) (string, bool) {
	switch name {
	case "Loud":
		return "(least:long = 100) { Logs | where Bytes >= least }", true
	case "Twice":
		return "() { datatable(a:long, b:string, a:long)[1, 'x', 2] }", true
	}
	return "", false
}

// Place is another workspace with tables of the same names.
func (t tables) Place(_, name string) (kql.Catalog, string, bool) {
	return t, "place-" + name, name == "near"
}

// now is the time of all golden queries.
var now = schema.TicksOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// rows are the contents of the tables by column.
var rows = map[string][]map[string]string{
	"Logs": {
		{"TimeGenerated": "2026-01-01T00:00:00Z", "Level": "Error", "Message": "disk sda1 failed", "Host": "a", "Bytes": "100", "Props": `{"user":{"name":"Ann","id":7},"tags":["x","y"]}`},
		{"TimeGenerated": "2026-01-01T12:00:00Z", "Level": "Info", "Message": "user logged in", "Host": "b", "Bytes": "20", "Props": `{"user":{"name":"Bob","id":8},"tags":[]}`},
		{"TimeGenerated": "2026-01-02T01:00:00Z", "Level": "error", "Message": "Failed login for root", "Host": "a", "Bytes": "", "Props": ""},
		{"TimeGenerated": "2026-01-02T02:00:00Z", "Level": "Warn", "Message": "", "Host": "c", "Bytes": "300", "Props": `{"tags":"z"}`},
	},
	"Hosts": {
		{"TimeGenerated": "2026-01-01T00:00:00Z", "Host": "a", "Owner": "Ann"},
		{"TimeGenerated": "2026-01-01T00:00:00Z", "Host": "c", "Owner": "Cid"},
	},
	"Watchlist": {
		watched("1", "2026-01-01T00:00:00Z", "Create", "10.0.0.1", `{"ip":"10.0.0.1","why":"scanner"}`),
		watched("2", "2026-01-01T00:00:00Z", "Create", "10.0.0.2", `{"ip":"10.0.0.2","why":"test"}`),
		watched("1", "2026-01-02T00:00:00Z", "Update", "10.0.0.1", `{"ip":"10.0.0.1","why":"known scanner"}`),
		watched("2", "2026-01-02T00:00:00Z", "Delete", "10.0.0.2", `{"ip":"10.0.0.2","why":"test"}`),
		{"TimeGenerated": "2026-01-01T00:00:00Z", "WatchlistAlias": "ips", "_DTItemType": "watchlist", "_DTItemStatus": "Create", "_DTTimestamp": "2026-01-01T00:00:00Z", "LastUpdatedTimeUTC": "2026-01-01T00:00:00Z"},
	},
}

// watched is a row of a watchlist.
func watched(id, at, status, key, item string) map[string]string {
	return map[string]string{"TimeGenerated": at, "WatchlistAlias": "ips", "SearchKey": key, "WatchlistItem": item, "LastUpdatedTimeUTC": at,
		"_DTItemId": id, "_DTItemType": "watchlist-item", "_DTItemStatus": status, "_DTTimestamp": at}
}

// relation writes a table's rows as SQL, as a segment would give them.
func relation(s kql.Source) string {
	t, _ := tables{}.Table(string(s.Table))
	var lines []string
	for _, r := range rows[string(s.Table)] {
		var cells []string
		for _, name := range s.Columns {
			c, _ := t.Column(name)
			if s.Weights != nil && name == schema.TimeGenerated {
				cells = append(cells, strconv.FormatInt(int64(sometime(s.Weights, ticks(r[name]))), 10)+"::BIGINT")
				continue
			}
			cells = append(cells, cell(c, r[name]))
		}
		for _, m := range s.Members {
			c, _ := t.Column(m.Column)
			cells = append(cells, kql.MemberSQL(m, cell(c, r[m.Column])))
		}
		lines = append(lines, "("+strings.Join(cells, ", ")+")")
	}
	if s.Weights != nil {
		return "(SELECT *, count(*) FROM (VALUES " + strings.Join(lines, ", ") + ") GROUP BY ALL)"
	}
	return "(SELECT * FROM (VALUES " + strings.Join(lines, ", ") + "))"
}

// sometime is a time between the same cuts as another: the first there is, or the
// last, whichever it is for all of these.
func sometime(w *kql.Weights, t schema.Ticks) schema.Ticks {
	first, last := schema.Ticks(0), schema.MaxTicks
	for _, b := range w.Bins {
		size := schema.Ticks(b.Size)
		in := (t - b.At%size + size) % size
		first, last = max(first, t-in), min(last, t-in+size-1)
	}
	for _, c := range w.Cuts {
		if c <= t {
			first = max(first, c)
		} else {
			last = min(last, c-1)
		}
	}
	if first/schema.TicksPerSecond%2 == 0 {
		return first
	}
	return last
}

func ticks(text string) schema.Ticks {
	at, err := schema.ParseTicks(text)
	if err != nil {
		panic(err)
	}
	return at
}

func cell(c schema.Column, v string) string {
	switch {
	case c.Type == schema.DateTime:
		return strconv.FormatInt(int64(ticks(v)), 10) + "::BIGINT"
	case c.Type == schema.Long && v == "":
		return "NULL::BIGINT"
	case c.Type == schema.Long:
		return v + "::BIGINT"
	case c.Type == schema.Dynamic && v == "":
		return "NULL::VARCHAR"
	}
	return "'" + v + "'"
}

func engine(t *testing.T) *duck.DB {
	var fs []duck.Function
	for _, n := range kql.Natives() {
		fs = append(fs, duck.Function(n))
	}
	db, err := duck.Open(duck.Config{Functions: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// answer runs a program and writes its rows as text.
func answer(t *testing.T, db *duck.DB, p *kql.Program) string {
	sql, args := p.Statement(relation)
	rows, err := db.Query(t.Context(), sql, args)
	if err != nil {
		if e, ok := errors.AsType[*duck.Error](err); ok {
			return "run: " + e.Error() + "\n" + e.Detail() + "\n" + sql + "\n"
		}
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for i, c := range p.Columns {
		if i > 0 {
			b.WriteString(" | ")
		}
		fmt.Fprintf(&b, "%s:%s", c.Name, c.Type)
	}
	b.WriteByte('\n')
	dest := make([]driver.Value, len(p.Columns))
	for {
		if err := rows.Next(dest); errors.Is(err, io.EOF) {
			if head, body, _ := strings.Cut(b.String(), "\n"); !p.Ordered { // rows without an order are shown in one
				lines := strings.SplitAfter(body, "\n")
				slices.Sort(lines)
				return head + "\n" + strings.Join(lines, "")
			}
			return b.String()
		} else if err != nil {
			return "run: " + err.Error() + "\n"
		}
		for i, v := range dest {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(show(p.Columns[i].Type, v))
		}
		b.WriteByte('\n')
	}
}

// asked runs what the compiler wants to know.
func asked(t *testing.T, db *duck.DB, p *kql.Program) (out [][]string, err error) {
	sql, args := p.Statement(relation)
	rows, err := db.Query(t.Context(), sql, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	dest := make([]driver.Value, len(p.Columns))
	for {
		if err := rows.Next(dest); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]string, len(dest))
		for i, v := range dest {
			row[i] = v.(string)
		}
		out = append(out, row)
	}
}

func show(t schema.Type, v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case int64:
		switch t {
		case schema.DateTime:
			return schema.Ticks(x).String()
		case schema.TimeSpan:
			return schema.Span(x).String()
		}
	case float64:
		return syntax.FormatReal(x)
	case string:
		if t == schema.String {
			return strconv.Quote(x)
		}
		return x
	}
	return fmt.Sprint(v)
}

// newest tells how few rows are enough for the program.
func newest(p *kql.Program) string {
	if p.Newest == nil {
		return ""
	}
	return fmt.Sprintf("-- the newest %d rows of %v are enough\n", p.Newest.Rows, p.Newest.Relations)
}

// TestGolden runs the files of these chapters. Commands: run shows the answer;
// phases shows every form that a query takes; plan only the plan and the
// answer; weigh shows these with weighted rows; check shows its mistakes; joins, with numbers of rows, how the engine
// means to join.
func TestGolden(t *testing.T) {
	db := engine(t)
	for _, chapter := range []string{"operators", "functions", "errors", "rules"} {
		datadriven.Walk(t, "testdata/"+chapter, func(t *testing.T, path string) {
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				opt := kql.Options{Now: now, Weights: d.Cmd == "weigh"}
				if d.Cmd == "run" && chapter == "operators" {
					opt.Ask = func(p *kql.Program) ([][]string, error) { return asked(t, db, p) }
				}
				p, err := kql.Compile(d.Input, tables{}, opt)
				switch d.Cmd {
				case "check":
					var errs kql.Diagnostics
					if !errors.As(err, &errs) {
						return "no mistakes\n"
					}
					var b strings.Builder
					for _, e := range errs {
						fmt.Fprintf(&b, "%s at %d:%d: %s\n%s\n", e.Code, e.Line, e.Pos, e.Message, e.Caret(d.Input))
					}
					return b.String()
				case "joins":
					if err != nil {
						return err.Error() + "\n"
					}
					rows := map[string]int{}
					for _, a := range d.CmdArgs {
						n, err := strconv.Atoi(a.Vals[0])
						if err != nil {
							t.Fatal(err)
						}
						rows[a.Key] = n
					}
					return joins(t, db, p, rows)
				case "run", "phases", "plan", "weigh":
					if err != nil {
						return err.Error() + "\n"
					}
					if d.Cmd == "run" {
						return answer(t, db, p)
					}
					if d.Cmd == "weigh" {
						plain, err := kql.Compile(d.Input, tables{}, kql.Options{Now: now})
						if err != nil {
							t.Fatal(err)
						}
						with, without := answer(t, db, p), answer(t, db, plain)
						if with != without {
							t.Errorf("%s\nwith weighted rows:\n%s\nwithout:\n%s", d.Input, with, without)
						}
						return p.Plan() + "-- rows\n" + with
					}
					if d.Cmd == "plan" {
						return p.Plan() + newest(p) + "-- rows\n" + answer(t, db, p)
					}
					tree, _ := kql.Format(d.Input)
					sql, args := p.Statement(func(s kql.Source) string { return "(" + string(s.Table) + ":" + strings.Join(s.Names(), ",") + ")" })
					return fmt.Sprintf("%s\n-- plan\n%s-- sql\n%s\n%q\n-- rows\n%s", tree, p.Plan(), sql, args, answer(t, db, p))
				}
				t.Fatalf("%s: unknown command %s", path, d.Cmd)
				return ""
			})
		})
	}
}
