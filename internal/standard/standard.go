// Package standard knows the tables that Azure Monitor publishes: their names,
// their columns with types, and what may be done with them. Every workspace has
// them without having to make them.
//
// They are data, not code: one line a table in tables.txt.gz, which `zcat`
// shows. A line is unpacked to columns when somebody asks for its table, so the
// thousand tables cost 90 KB of the program and one text in memory.
//
//	NAME tab FLAGS tab COLUMN COLUMN:t …
//
// FLAGS are B, the plan Basic may be chosen; I, the Logs Ingestion API may send
// rows to it; S, the table belongs to Microsoft Sentinel. A letter behind a
// column is its type: b bool, d dynamic, g guid, i int, l long, r real, t
// datetime; without one it is a string. The columns that all tables have are
// not written, unless their type differs.
//
// Source: the reference of tables and of table features in the documentation of
// Azure Monitor, of 2026. Left out are tables without TimeGenerated, tables of
// which the name is none, custom tables of connectors, and, of columns whose
// names differ in case alone, all but the first.
package standard

import (
	"bytes"
	"compress/gzip"
	_ "embed" // tables.txt.gz
	"io"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/schema"
)

//go:embed tables.txt.gz
var packed []byte

// A Table is a published table.
type Table struct {
	Name     schema.TableName
	Columns  []schema.Column // TenantId and TimeGenerated first, then its own, then those of all tables
	Basic    bool            // the plan Basic may be chosen
	Ingest   bool            // the Logs Ingestion API may send rows to it
	Sentinel bool            // it belongs to Microsoft Sentinel
}

// An index has every table in the order of their names. A line is read once.
type index struct {
	tables []func() Table
	by     map[string]int // by the name in small letters
}

var open = sync.OnceValue(func() index {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("internal error: the list of tables can't be unpacked: " + err.Error())
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic("internal error: the list of tables can't be unpacked: " + err.Error())
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	i := index{by: make(map[string]int, len(lines))}
	for n, line := range lines {
		name, _, _ := strings.Cut(line, "\t")
		i.by[strings.ToLower(name)] = n
		i.tables = append(i.tables, sync.OnceValue(func() Table { return parse(line) }))
	}
	return i
})

// Lookup finds a table by its name without regard to case: names are resources.
// Its columns are shared: read only.
func Lookup(name string) (Table, bool) {
	i := open()
	n, ok := i.by[strings.ToLower(name)]
	if !ok {
		return Table{}, false
	}
	return i.tables[n](), true
}

// Is tells whether a table of the name is published, without regard to case.
func Is(name string) bool {
	_, ok := open().by[strings.ToLower(name)]
	return ok
}

// All returns every table in the order of their names. Columns are shared: read
// only.
func All() []Table {
	i := open()
	all := make([]Table, len(i.tables))
	for n, table := range i.tables {
		all[n] = table()
	}
	return all
}

// common are columns of all tables, the first two before their own.
var common = []schema.Column{
	{Name: "TenantId", Type: schema.String}, {Name: schema.TimeGenerated, Type: schema.DateTime},
	{Name: "SourceSystem", Type: schema.String}, {Name: "Type", Type: schema.String},
	{Name: "_ResourceId", Type: schema.String}, {Name: "_SubscriptionId", Type: schema.String},
	{Name: "_ItemId", Type: schema.String}, {Name: "_TimeReceived", Type: schema.DateTime},
	{Name: "_BilledSize", Type: schema.Real}, {Name: "_IsBillable", Type: schema.String},
}

var types = map[string]schema.Type{
	"": schema.String, "b": schema.Bool, "d": schema.Dynamic, "g": schema.GUID,
	"i": schema.Int, "l": schema.Long, "r": schema.Real, "t": schema.DateTime,
}

func parse(line string) Table {
	name, rest, _ := strings.Cut(line, "\t")
	flags, text, _ := strings.Cut(rest, "\t")
	t := Table{
		Name: schema.TableName(name), Columns: slices.Clone(common[:2]),
		Basic: strings.Contains(flags, "B"), Ingest: strings.Contains(flags, "I"), Sentinel: strings.Contains(flags, "S"),
	}
	last := slices.Clone(common[2:])
	for _, word := range strings.Fields(text) {
		column, letter, _ := strings.Cut(word, ":")
		c := schema.Column{Name: column, Type: types[letter]}
		same := func(have schema.Column) bool { return have.Name == c.Name }
		if n := slices.IndexFunc(t.Columns[:2], same); n >= 0 {
			t.Columns[n] = c
		} else if n := slices.IndexFunc(last, same); n >= 0 {
			last[n] = c
		} else {
			t.Columns = append(t.Columns, c)
		}
	}
	t.Columns = append(t.Columns, last...)
	return t
}
