package query

import (
	"slices"
	"strconv"

	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// A merging makes one table of all tables of a name, as the language's union
// does: it has the columns of all, in the order in which they come. Columns of
// one name and one type are one; of several types they are several, each named
// after its type: x of long and of string becomes x_long and x_string.
type merging struct {
	tables []schema.Table // columns of one name may be there in several types
}

// add adds a table. Its columns are copied.
func (m *merging) add(t schema.Table) {
	i := slices.IndexFunc(m.tables, func(have schema.Table) bool { return have.Name == t.Name })
	if i < 0 {
		t.Columns = slices.Clone(t.Columns)
		m.tables = append(m.tables, t)
		return
	}
	for _, c := range t.Columns {
		if !slices.Contains(m.tables[i].Columns, c) {
			m.tables[i].Columns = append(m.tables[i].Columns, c)
		}
	}
}

// done returns the tables, and where columns with new names are stored.
func (m *merging) done() (tables []schema.Table, stored []wire.Stored) {
	for _, t := range m.tables {
		types, taken := map[string]int{}, map[string]bool{}
		for _, c := range t.Columns {
			types[c.Name]++
		}
		for name, n := range types {
			taken[name] = n == 1
		}
		var order []string // names by their first column
		for _, c := range t.Columns {
			if !slices.Contains(order, c.Name) {
				order = append(order, c.Name)
			}
		}
		out := schema.Table{Name: t.Name}
		for _, name := range order {
			for _, c := range t.Columns {
				if c.Name != name {
					continue
				}
				if types[name] > 1 {
					c.Name = free(taken, name+"_"+c.Type.String())
					stored = append(stored, wire.Stored{Table: t.Name, Column: c.Name, As: name})
				}
				taken[c.Name] = true
				out.Columns = append(out.Columns, c)
			}
		}
		tables = append(tables, out)
	}
	return tables, stored
}

// free is the name, or the name with the first number that nobody has.
func free(taken map[string]bool, name string) string {
	for n, try := 1, name; ; n++ {
		if !taken[try] {
			return try
		}
		try = name + strconv.Itoa(n)
	}
}
