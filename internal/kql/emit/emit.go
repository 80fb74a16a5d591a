package emit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// A Source is a stored table as a query reads it.
type Source struct {
	Relation string // unique in the query
	Table    schema.TableName
	Place    string         // from which workspace; "" is all that the request reads
	Columns  []string       // in the order in which the relation must have them
	Members  []plan.Member  // columns more, behind those
	Weights  *plan.Weights  // if rows may stand for several: the last column, of longs, is how many
	From, To schema.Ticks   // what lies outside need not be there; 0 is open, To is exclusive
	Needs    []plan.Need    // rows of which one is not true need not be there
	External *plan.External // instead of Table; only where Options allow it
}

// Names lists all columns, as people read them.
func (s Source) Names() []string {
	names := slices.Clone(s.Columns)
	for _, m := range s.Members {
		names = append(names, m.Name())
	}
	if s.Weights != nil {
		names = append(names, "weight")
	}
	return names
}

// MemberSQL writes a member in terms of the whole, which is SQL.
func MemberSQL(m plan.Member, whole string) string {
	path := ", '$.\"" + m.Key + "\"')" // the key is letters, digits and underscores
	if m.Text {
		return "coalesce(json_extract_string(" + whole + path + ", '')"
	}
	return "nullif(CAST(json_extract(" + whole + path + " AS VARCHAR), 'null')"
}

// emitter gathers the SQL of one statement.
type emitter struct {
	args    []any
	byText  map[string]int // parameters by their value
	ctes    []string
	done    map[*plan.Shared]string
	lateral *lateral // the innermost one that is being written
	names   int
	sources map[*plan.Scan]Source
	rel     func(Source) string
	hoists  *hoists
	written bool // the rows that are being grouped come from the query's text
}

// Sources lists the stored tables of a plan in a fixed order.
func Sources(r plan.Rel) []Source {
	e := &emitter{sources: map[*plan.Scan]Source{}}
	return e.scans(r)
}

// Relations names the relations of some scans of a plan.
func Relations(r plan.Rel, scans []*plan.Scan) []string {
	e := &emitter{sources: map[*plan.Scan]Source{}}
	e.scans(r)
	names := make([]string, len(scans))
	for i, s := range scans {
		names[i] = e.sources[s].Relation
	}
	return names
}

func (e *emitter) scans(r plan.Rel) (out []Source) {
	visit := func(x plan.Rel) {
		s, ok := x.(*plan.Scan)
		if !ok {
			return
		}
		if _, seen := e.sources[s]; seen {
			return
		}
		src := Source{Relation: "r" + strconv.Itoa(len(e.sources)), Table: s.Table, Place: s.Place, From: s.From, To: s.To, Needs: s.Needs, External: s.External, Weights: s.Weights}
		cols := s.Cols
		if s.Weights != nil {
			cols = cols[:len(cols)-1]
		}
		for _, c := range cols {
			if m, ok := s.Members[c.ID]; ok {
				src.Members = append(src.Members, m)
			} else {
				src.Columns = append(src.Columns, c.Name)
			}
		}
		e.sources[s] = src
		out = append(out, src)
	}
	var subs func(x plan.Expr)
	subs = func(x plan.Expr) {
		switch x := x.(type) {
		case *plan.Scalar:
			plan.WalkRel(x.Rel, visit, subs)
		case *plan.In:
			if x.Rel != nil {
				plan.WalkRel(x.Rel, visit, subs)
			}
		}
	}
	plan.WalkRel(r, visit, subs)
	return out
}

// SQL writes a statement that answers the columns in their order. rel gives
// the SQL of a stored table, a SELECT in brackets, with the columns of the
// Source in their order.
func SQL(r plan.Rel, cols []plan.Column, rel func(Source) string) (string, []any) {
	e := &emitter{byText: map[string]int{}, done: map[*plan.Shared]string{}, sources: map[*plan.Scan]Source{}, rel: rel}
	e.scans(r)
	body := e.select_(r)
	var b strings.Builder
	if len(e.ctes) > 0 {
		b.WriteString("WITH " + strings.Join(e.ctes, ", ") + " ")
	}
	b.WriteString("SELECT ")
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name(c.ID))
	}
	if len(cols) == 0 {
		b.WriteString("1")
	}
	b.WriteString(" FROM " + body)
	return needed(b.String(), e.args)
}

// needed leaves parameters out that the statement does not mention: a function
// may look at none of its arguments, and the engine wants no gap.
func needed(sql string, args []any) (string, []any) {
	used := make([]bool, len(args))
	each := func(f func(from, to, n int)) {
		for i := 0; i < len(sql); i++ {
			if sql[i] != '$' {
				continue
			}
			j, n := i+1, 0
			for ; j < len(sql) && sql[j] >= '0' && sql[j] <= '9'; j++ {
				n = n*10 + int(sql[j]-'0')
			}
			if n > 0 && n <= len(args) && strings.HasPrefix(sql[j:], "::VARCHAR") {
				f(i, j, n)
			}
			i = j - 1
		}
	}
	each(func(_, _, n int) { used[n-1] = true })
	if !slices.Contains(used, false) {
		return sql, args
	}
	var out []any
	number := make([]int, len(args))
	for i, a := range args {
		if used[i] {
			out = append(out, a)
			number[i] = len(out)
		}
	}
	var b strings.Builder
	done := 0
	each(func(from, to, n int) {
		b.WriteString(sql[done:from] + "$" + strconv.Itoa(number[n-1]))
		done = to
	})
	b.WriteString(sql[done:])
	return b.String(), out
}

// name is what a column is called in SQL.
func name(id plan.ID) string { return "c" + strconv.Itoa(int(id)) }

func (e *emitter) fresh(prefix string) string {
	e.names++
	return prefix + strconv.Itoa(e.names)
}

// text is a string as a parameter; equal strings share one.
func (e *emitter) text(s string) string {
	if s == "" {
		return "''"
	}
	i, ok := e.byText[s]
	if !ok {
		e.args = append(e.args, s)
		i = len(e.args)
		e.byText[s] = i
	}
	return "$" + strconv.Itoa(i) + "::VARCHAR"
}

// sqlType is how the engine carries a type.
func sqlType(t schema.Type) string {
	switch t {
	case schema.Bool:
		return "BOOLEAN"
	case schema.Int:
		return "INTEGER"
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return "BIGINT"
	case schema.Real:
		return "DOUBLE"
	}
	return "VARCHAR"
}

// hoists are values that an expression needs more than once; they are computed
// in a table below, so that no text grows by repetition.
type hoists struct {
	list []string // value AS name, each may use those before it
}

// input wraps a FROM item in the layers that the expressions asked for.
func (h *hoists) input(from string) string {
	for _, x := range h.list {
		from = "(SELECT *, " + x + " FROM " + from + ")"
	}
	return from
}

// with collects hoists while f emits expressions.
func (e *emitter) with(f func()) *hoists {
	old := e.hoists
	e.hoists = &hoists{}
	f()
	h := e.hoists
	e.hoists = old
	return h
}

// simple reports whether repeating SQL costs nothing.
func simple(sql string) bool {
	return len(sql) < 24 && !strings.ContainsAny(sql, " (")
}

// once makes a value that can be repeated.
func (e *emitter) once(sql string) string {
	if simple(sql) || e.hoists == nil {
		return sql
	}
	n := e.fresh("h")
	e.hoists.list = append(e.hoists.list, sql+" AS "+n)
	return n
}

func internal(what string, x any) string {
	panic(fmt.Sprintf("internal error: no SQL for %s %T", what, x))
}
