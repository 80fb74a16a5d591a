package plan

import (
	"fmt"
	"strings"

	"logkeep/internal/schema"
)

// Text writes a plan for people: one table a line, inputs indented.
func Text(r Rel) string {
	d := &dumper{seen: map[*Shared]bool{}}
	d.rel(r, 0)
	return d.b.String()
}

type dumper struct {
	b    strings.Builder
	seen map[*Shared]bool
}

func (d *dumper) line(depth int, format string, args ...any) {
	d.b.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&d.b, format, args...)
	d.b.WriteByte('\n')
}

func (d *dumper) rel(r Rel, depth int) {
	switch r := r.(type) {
	case *Scan:
		bounds := ""
		if r.Place != "" {
			bounds = " of " + r.Place
		}
		if r.From != 0 {
			bounds += " from " + r.From.String()
		}
		if r.To != 0 {
			bounds += " to " + r.To.String()
		}
		for _, n := range r.Needs {
			bounds += " needs " + n.String()
		}
		if r.Weights != nil {
			bounds += " weighed" + r.Weights.String()
		}
		d.line(depth, "scan %s%s -> %s", r.Table, bounds, cols(r.Cols))
	case *Values:
		d.line(depth, "values %d rows -> %s", len(r.Rows), cols(r.Cols))
		for _, row := range r.Rows {
			d.line(depth+1, "(%s)", list(row))
		}
	case *Filter:
		d.line(depth, "filter %s", Show(r.Pred))
	case *Project:
		d.line(depth, "project %s", items(r.Items))
	case *Aggregate:
		d.line(depth, "aggregate [%s] by [%s]", items(r.Aggs), items(r.Keys))
	case *Sort:
		var by []string
		for _, o := range r.By {
			s := Show(o.Value)
			if o.Desc {
				s += " desc"
			}
			if o.NullsFirst {
				s += " nulls first"
			}
			by = append(by, s)
		}
		d.line(depth, "sort %s", strings.Join(by, ", "))
	case *Limit:
		d.line(depth, "limit %s", Show(r.N))
	case *Sample:
		d.line(depth, "sample %s", Show(r.N))
	case *Join:
		d.line(depth, "join %s on %s", r.Kind, list(r.On))
	case *Union:
		d.line(depth, "union -> %s", cols(r.Cols))
	case *Unnest:
		var parts []string
		for _, l := range r.Lists {
			parts = append(parts, col(l.Col)+" = "+Show(l.Value))
		}
		d.line(depth, "unnest %s", strings.Join(parts, ", "))
	case *Window:
		d.line(depth, "window %s", items(r.Items))
	case *Sequence:
		d.line(depth, "sequence %s from %s to %s step %s", col(r.Col), Show(r.From), Show(r.To), Show(r.Step))
	case *Number:
		d.line(depth, "number %s", col(r.Col))
	case *Rank:
		d.line(depth, "rank %s within (%s) by %s", col(r.Col), list(r.Within), Show(r.By.Value))
	case *Apply:
		d.line(depth, "apply")
	case *Ref:
		d.line(depth, "use %s -> %s", r.To.Name, cols(r.Cols))
		if !d.seen[r.To] {
			d.seen[r.To] = true
			d.rel(r.To.In, depth+1)
		}
	}
	for _, in := range r.inputs() {
		d.rel(*in, depth+1)
	}
}

func col(c Column) string { return fmt.Sprintf("%s#%d", c.Name, c.ID) }

func cols(list []Column) string {
	var s []string
	for _, c := range list {
		s = append(s, col(c)+":"+c.Type.String())
	}
	return strings.Join(s, ", ")
}

func items(list []Item) string {
	var s []string
	for _, it := range list {
		if c, ok := it.Value.(*Col); ok && c.ID == it.Col.ID {
			s = append(s, col(it.Col))
			continue
		}
		s = append(s, col(it.Col)+" = "+Show(it.Value))
	}
	return strings.Join(s, ", ")
}

func list(l []Expr) string {
	var s []string
	for _, e := range l {
		s = append(s, Show(e))
	}
	return strings.Join(s, ", ")
}

// Show writes a value for people.
func Show(e Expr) string {
	switch e := e.(type) {
	case *Col:
		return col(e.Column)
	case *Const:
		switch v := e.Value.(type) {
		case nil:
			return e.T.String() + "(null)"
		case string:
			if e.T == schema.String {
				return fmt.Sprintf("%q", v)
			}
			return e.T.String() + "(" + v + ")"
		default:
			return fmt.Sprint(v)
		}
	case *Call:
		return e.F.Names[0] + "(" + list(e.Args) + "):" + e.T.String()
	case *Compare:
		return "(" + Show(e.X) + " " + e.Op + " " + Show(e.Y) + ")"
	case *Logic:
		return "(" + Show(e.X) + " " + e.Op + " " + Show(e.Y) + ")"
	case *Not:
		return "not(" + Show(e.X) + ")"
	case *Path:
		s := Show(e.X)
		for _, st := range e.Steps {
			switch st.Kind {
			case Property:
				s += fmt.Sprintf(".%s", st.Name)
			case Element:
				s += fmt.Sprintf("[%d]", st.Index)
			default:
				s += "[" + Show(st.X) + "]"
			}
		}
		return s
	case *Case:
		s := "case("
		for _, w := range e.Whens {
			s += Show(w.If) + ", " + Show(w.Then) + ", "
		}
		return s + Show(e.Else) + ")"
	case *In:
		if e.Rel != nil {
			return Show(e.X) + " in (table)"
		}
		return Show(e.X) + " in (" + list(e.Items) + ")"
	case *Match:
		fold := ""
		if e.Fold {
			fold = "~"
		}
		return Show(e.X) + " " + string(e.Op) + fold + " (" + list(e.Y) + ")"
	case *Scalar:
		return "first of (" + strings.Join(strings.Fields(Text(e.Rel)), " ") + ")"
	case *Agg:
		s := e.F.Names[0] + "(" + list(e.Args) + "):" + e.T.String()
		if e.Filter != nil {
			s += " if " + Show(e.Filter)
		}
		return s
	case *WindowCall:
		return e.F + "(" + list(e.Args) + "):" + e.T.String()
	}
	return "?"
}
