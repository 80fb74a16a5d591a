package worker

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/worker/wire"
)

// heldIn writes rows of JSON as the engine finds them.
func heldIn(t *testing.T, columns []schema.Column, rows string) file {
	t.Helper()
	table := schema.Table{Name: "T", Columns: append([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}, columns...)}
	parsed, err := batch.Parse(strings.NewReader(rows), table, 1)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := segment.NewTail([]arrow.RecordBatch{parsed.Record})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tail.Close() })
	return file{path: tail.Path(), columns: tail.Columns()}
}

// ask runs a statement and returns the rows as text, one cell after another.
func ask(t *testing.T, text string) string {
	t.Helper()
	db, err := duck.Open(duck.Config{MemoryLimit: 64 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(t.Context(), text, nil)
	if err != nil {
		if e, ok := errors.AsType[*duck.Error](err); ok {
			t.Fatalf("%s: %v (%s)", text, err, e.Detail())
		}
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var out []string
	cells := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(cells)
		if err == io.EOF {
			return strings.Join(out, "\n")
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = fmt.Sprint(c)
		}
		out = append(out, strings.Join(row, " "))
	}
}

func TestRowsBehindTheEdgeOfAFileAreLeftOut(t *testing.T) {
	n := []schema.Column{{Name: "N", Type: schema.Long}}
	at := func(text string) schema.Ticks {
		v, err := schema.ParseTicks(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	rows := `{"TimeGenerated":"2026-01-01","N":1}{"TimeGenerated":"2026-01-03","N":3}`
	a, b := heldIn(t, n, rows), heldIn(t, n, rows)
	b.since = at("2026-01-02")
	for since, want := range map[schema.Ticks]string{0: "1\n3\n3", at("2026-01-03"): "3\n3", at("2026-01-04"): ""} {
		if got := ask(t, "SELECT * FROM "+relation(n, n, nil, []file{a, b}, since, false)+" ORDER BY 1"); got != want {
			t.Errorf("since %s: %q, want %q", since, got, want)
		}
	}
}

func TestANameIsANameWhateverItContains(t *testing.T) {
	for _, name := range []string{
		`plain`, `with space`, `"`, `""`, `'`, `a"; DROP TABLE x; --`, `") FROM read_text('/etc/passwd') --`, `select`, `*`, `%s`, `\`, "line\nbreak", `ключ`, `{}`, `a.b`, `$1`, `?`,
	} {
		t.Run(name, func(t *testing.T) {
			column := schema.Column{Name: name, Type: schema.String}
			table := schema.Table{Name: "T", Columns: []schema.Column{column}}
			// As a column that a file lacks, and as one of no file.
			other := heldIn(t, []schema.Column{{Name: "c", Type: schema.String}}, `{"c":"v"}`)
			if got := ask(t, fmt.Sprintf("SELECT 'is ' || %s FROM %s t", quote(name), asStored(table, []string{name}, []file{other}))); got != "is " {
				t.Errorf("a column that a file lacks reads as %q", got)
			}
			if got := ask(t, fmt.Sprintf("SELECT %s FROM %s t", quote(name), asStored(table, []string{name}, nil))); got != "" {
				t.Errorf("no file gave %q", got)
			}
			// As a column that is there.
			held := heldIn(t, []schema.Column{column}, object(name, "value"))
			if got := ask(t, fmt.Sprintf("SELECT %s FROM %s t", quote(name), asStored(table, []string{name}, []file{held}))); got != "value" {
				t.Errorf("%q reads as %q", name, got)
			}
		})
	}
}

func TestFilesOfDifferentTimesAreOneTable(t *testing.T) {
	long := func(name string) schema.Column { return schema.Column{Name: name, Type: schema.Long} }
	text := func(name string) schema.Column { return schema.Column{Name: name, Type: schema.String} }
	files := []file{
		heldIn(t, []schema.Column{long("a")}, `{"a":1}`),
		heldIn(t, []schema.Column{text("b"), long("a")}, `{"a":2,"b":"two"}`),
		heldIn(t, []schema.Column{long("a"), text("b")}, `{"a":3,"b":"three"}`),
		heldIn(t, []schema.Column{text("a"), text("b")}, `{"a":"was text","b":"four"}`), // dropped and made again
		heldIn(t, []schema.Column{text("x")}, `{"x":"neither"}`),
		heldIn(t, []schema.Column{long("x")}, `{"x":5}`),
	}
	table := schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, long("a"), text("b"), long("x")}}
	for wanted, want := range map[string]string{
		"a":   "1\n2\n3\n<nil>\n<nil>\n<nil>",
		"b":   "\n\n\nfour\nthree\ntwo",
		"a,b": "1 \n2 two\n3 three\n<nil> \n<nil> \n<nil> four",
		"b,a": " 1\n <nil>\n <nil>\nfour <nil>\nthree 3\ntwo 2",
		"x":   "5\n<nil>\n<nil>\n<nil>\n<nil>\n<nil>",
		"":    "1\n1\n1\n1\n1\n1", // TimeGenerated, of which no file lacks any
	} {
		var names []string
		if wanted != "" {
			names = strings.Split(wanted, ",")
		}
		order := "1"
		if len(names) > 1 {
			order = "1, 2"
		}
		got := ask(t, "SELECT * FROM "+asStored(table, names, files)+" t ORDER BY "+order+" NULLS LAST")
		if lines(got) != lines(want) {
			t.Errorf("%s reads as\n%s\nwant\n%s", wanted, got, want)
		}
	}
}

// object is JSON of one field.
func object(name, value string) string {
	text, _ := json.Marshal(map[string]string{name: value})
	return string(text)
}

// lines are text without blanks at the ends of lines.
func lines(s string) string {
	all := strings.Split(s, "\n")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return strings.Join(all, "\n")
}

func TestFillersHaveTheTypesOfTheirColumns(t *testing.T) {
	var columns []schema.Column
	for kind := schema.Bool; kind <= schema.Dynamic; kind++ {
		columns = append(columns, schema.Column{Name: "c_" + kind.String(), Type: kind})
	}
	var empty, full strings.Builder
	for i, c := range columns {
		if i > 0 {
			empty.WriteString(", ")
			full.WriteString(", ")
		}
		fmt.Fprintf(&empty, "typeof(%s)", filler(c.Type))
		fmt.Fprintf(&full, "typeof(%s)", quote(c.Name))
	}
	held := heldIn(t, columns, `{"c_bool":true,"c_int":1,"c_long":1,"c_real":1,"c_decimal":"1","c_string":"s","c_datetime":"2026-01-01","c_timespan":"00:00:01","c_guid":"00000000-0000-0000-0000-000000000001","c_dynamic":{}}`)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	want := ask(t, fmt.Sprintf("SELECT %s FROM %s t", full.String(), asStored(schema.Table{Columns: columns}, names, []file{held})))
	if got := ask(t, "SELECT "+empty.String()); got != want {
		t.Errorf("fillers are %s; files have %s", got, want)
	}
}

// asStored is the relation of columns that are stored by their own names.
func asStored(table schema.Table, wanted []string, files []file) string {
	columns := pick(table, wanted, true)
	return relation(columns, columns, nil, files, 0, false)
}

// Columns of two workspaces' tables may have one name and two types.
func TestAColumnMayBeStoredUnderAnotherName(t *testing.T) {
	q := wire.Query{Stored: []wire.Stored{{Table: "T", Column: "x_long", As: "x"}, {Table: "T", Column: "x_string", As: "x"}, {Table: "U", Column: "y", As: "z"}}}
	columns := []schema.Column{{Name: "x_long", Type: schema.Long}, {Name: "y", Type: schema.Real}, {Name: "x_string", Type: schema.String}}
	stored, renamed := storedAs(q, "T", columns)
	if want := []string{"x", "y", "x"}; !renamed || !slices.Equal(names(stored), want) || columns[0].Name != "x_long" {
		t.Errorf("%v %t", stored, renamed)
	}
	if _, renamed := storedAs(q, "V", columns); renamed {
		t.Error("columns of another table are renamed")
	}
	long := file{path: "/1", columns: []schema.Column{{Name: "x", Type: schema.Long}}}
	text := file{path: "/2", columns: []schema.Column{{Name: "x", Type: schema.String}, {Name: "y", Type: schema.Real}}}
	const want = `(SELECT "x" AS "x_long", CAST(NULL AS DOUBLE) AS "y", '' AS "x_string" FROM read_parquet(['/1'])` +
		` UNION ALL SELECT CAST(NULL AS BIGINT) AS "x_long", "y", "x" AS "x_string" FROM read_parquet(['/2']))`
	if got := relation(columns, stored, nil, []file{long, text}, 0, false); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsNotStoredOfATableIsKnown(t *testing.T) {
	text := schema.Column{Name: "A", Type: schema.String}
	one, other := heldIn(t, []schema.Column{text}, `[{"A":"x"}]`), heldIn(t, []schema.Column{text}, `[{"A":"y"}]`)
	one.known, other.known = knownOf("Syslog", "w-1"), knownOf("Syslog", "w'2")
	columns := []schema.Column{text, {Name: "Type", Type: schema.String}, {Name: "TenantId", Type: schema.GUID}, {Name: "Computer", Type: schema.String}}
	if got := ask(t, "SELECT * FROM "+relation(columns, columns, nil, []file{one, other}, 0, false)+" ORDER BY 1"); got != "x Syslog w-1 \ny Syslog w'2 " {
		t.Errorf("%q", got)
	}
	of := func(column, term string) []kql.Clue { return []kql.Clue{{Column: column, Terms: []string{term}}} }
	for _, c := range []struct {
		table schema.TableName
		need  kql.Need
		want  string
	}{
		{"Syslog_CL", kql.Need{of("A", "x")}, "[[[{A [x] [] []}]]]"},
		{"Syslog_CL", kql.Need{of("A", "x"), of("Type", "web")}, "[[[{A [x] [] []}]]]"},
		{"Syslog_CL", kql.Need{of("A", "x"), of("Type", "syslog")}, "[]"},
		{"Syslog_CL", kql.Need{append(of("A", "x"), of("Type", "syslog")...)}, "[[[{A [x] [] []}]]]"},
		{"Syslog_CL", kql.Need{of("Type", "web")}, "[[]]"},
		{"Syslog", kql.Need{of("Type", "web")}, "[]"}, // some of its rows may have it stored
	} {
		if got := fmt.Sprint(needs([]kql.Need{c.need}, c.table, knownOf(c.table, "w-1"))); got != c.want {
			t.Errorf("%s needs %v: %s, want %s", c.table, c.need, got, c.want)
		}
	}
}
