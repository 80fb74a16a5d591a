package worker

import (
	"fmt"
	"strconv"
	"strings"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A file is a Parquet file in memory and the columns that it has.
type file struct {
	path    string
	columns []schema.Column
	members []batch.Member    // those that it has in columns of their own
	known   map[string]string // texts of columns that it need not have: the same in all rows
	since   schema.Ticks      // rows before it are older than what the table keeps
	weighed bool              // its rows stand for as many as they say
}

// relation writes the SQL of a table's rows that are not before since: every
// column in its type, from files that have it under the name in stored, and of
// which older ones may lack some. Names are quoted, paths are ours; nothing of a
// user's text gets in otherwise. Members come behind the columns, from columns of
// their own in files that have them, and behind all, if it is wanted, the weight.
func relation(columns, stored []schema.Column, members []member, files []file, since schema.Ticks, weights bool) string {
	type alike struct {
		held    string
		since   schema.Ticks
		weighed bool
	}
	groups := map[alike][]file{}
	var order []alike
	for _, f := range files {
		key := alike{apart(members, f) + present(stored, f), max(since, f.since), f.weighed}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], f)
	}
	var b strings.Builder
	b.WriteByte('(')
	for i, key := range order {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT ")
		b.WriteString(cells(columns, stored, members, groups[key][0], key.held, weights))
		b.WriteString(" FROM read_parquet([")
		for j, f := range groups[key] {
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString("'" + f.path + "'")
		}
		b.WriteString("])")
		if key.since > 0 {
			fmt.Fprintf(&b, " WHERE %s >= %d", quote(schema.TimeGenerated), key.since)
		}
	}
	if len(order) == 0 {
		b.WriteString("SELECT " + cells(columns, stored, members, file{}, strings.Repeat("0", len(columns)+len(members)), weights) + " WHERE false")
	}
	b.WriteByte(')')
	return b.String()
}

// cells is what is selected from files like f: key is what apart and present tell
// of them.
func cells(columns, stored []schema.Column, members []member, f file, key string, weights bool) string {
	var list []string
	held := key[len(members):]
	for i, c := range columns {
		switch {
		case held[i] == '0':
			list = append(list, f.lacking(c)+" AS "+quote(c.Name))
		case stored[i].Name != c.Name:
			list = append(list, quote(stored[i].Name)+" AS "+quote(c.Name))
		default:
			list = append(list, quote(c.Name))
		}
	}
	for i, m := range members {
		list = append(list, m.sql(key[i])+" AS m"+strconv.Itoa(i))
	}
	switch {
	case f.weighed:
		list = append(list, quote(segment.WeightColumn))
	case weights:
		list = append(list, "CAST(1 AS BIGINT)")
	}
	return strings.Join(list, ", ")
}

// pick is the wanted columns of a table, and its time if none is wanted and it
// may not be none: rows are counted by something.
func pick(table schema.Table, wanted []string, some bool) []schema.Column {
	var columns []schema.Column
	for _, name := range wanted {
		if c, ok := table.Column(name); ok {
			columns = append(columns, c)
		}
	}
	if len(columns) == 0 && some {
		columns = []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}
	}
	return columns
}

// names is pick's columns by name.
func names(columns []schema.Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// present tells for each column whether the file has it in the same type, and
// what its rows have otherwise: files of which that is the same are read
// together. A column that was dropped and made again in another type is absent.
func present(columns []schema.Column, f file) string {
	b := make([]byte, len(columns))
	for i, c := range columns {
		b[i] = '0'
		for _, have := range f.columns {
			if have == c {
				b[i] = '1'
			}
		}
	}
	key := string(b)
	for i, c := range columns {
		if b[i] == '0' {
			key += "\x00" + f.known[c.Name]
		}
	}
	return key
}

// lacking is what the file's rows have in a column that it lacks.
func (f file) lacking(c schema.Column) string {
	text, ok := f.known[c.Name]
	if !ok || c.Type != schema.String && c.Type != schema.GUID {
		return filler(c.Type)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// filler is what a row has in a column that its file lacks.
func filler(t schema.Type) string {
	switch t {
	case schema.String:
		return "''"
	case schema.Bool:
		return "CAST(NULL AS BOOLEAN)"
	case schema.Int:
		return "CAST(NULL AS INTEGER)"
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return "CAST(NULL AS BIGINT)"
	case schema.Real:
		return "CAST(NULL AS DOUBLE)"
	}
	return "CAST(NULL AS VARCHAR)"
}

// quote writes a name so that it is one, whatever it contains.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
