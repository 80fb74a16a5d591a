package emit

import (
	"slices"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// window writes one layer of functions that look at other rows.
func (e *emitter) window(r *plan.Window) string {
	in := e.select_(r.In)
	if len(r.Items) == 0 {
		return in
	}
	it := r.Items[0]
	w := it.Value.(*plan.WindowCall)
	by := name(w.By)
	var args []string
	part := ""
	h := e.with(func() {
		for _, a := range w.Args {
			arg := e.value(a)
			if around(a, r.In) {
				own := e.fresh("h")
				e.hoists.list = append(e.hoists.list, arg+" AS "+own)
				arg = own
			}
			args = append(args, arg)
		}
		if w.Restart != nil {
			g := e.fresh("h")
			e.hoists.list = append(e.hoists.list, "sum(CASE WHEN "+e.cond(w.Restart)+" THEN 1 ELSE 0 END) OVER (ORDER BY "+by+" ROWS UNBOUNDED PRECEDING) AS "+g)
			part = "PARTITION BY " + g + " "
		}
	})
	over := " OVER (" + part + "ORDER BY " + by + ")"
	rows := " OVER (" + part + "ORDER BY " + by + " ROWS UNBOUNDED PRECEDING)"
	sql := ""
	switch w.F {
	case "prev", "next":
		f := map[string]string{"prev": "lag", "next": "lead"}[w.F]
		sql = f + "(" + strings.Join(args, ", ") + ")" + over
		if w.T == schema.String {
			sql = "coalesce(" + sql + ", '')"
		}
	case "row_number":
		sql = "(row_number()" + over + " - 1 + " + args[0] + ")"
	case "row_cumsum":
		if w.T == schema.Decimal {
			sql = "kqlop___decimal_add_0('0', coalesce(sum(CAST(" + args[0] + " AS DECIMAL(38,10)))" + rows + ", 0)::VARCHAR)"
			break
		}
		sql = "coalesce(sum(" + args[0] + ")" + rows + ", 0)"
		if w.T == schema.Real {
			break
		}
		bits := 64
		if w.T == schema.Int {
			bits = 32
		}
		x := e.fresh("h")
		h.list = append(h.list, sql+" AS "+x)
		sql = builtin.Wrapped(x, bits)
	case "row_rank_dense", "row_rank_min":
		x := e.fresh("h")
		h.list = append(h.list, "CASE WHEN lag("+args[0]+")"+over+" IS DISTINCT FROM "+args[0]+" OR row_number()"+over+" = 1 THEN 1 ELSE 0 END AS "+x)
		if w.F == "row_rank_dense" {
			sql = "sum(" + x + ")" + rows + "::BIGINT"
		} else {
			n := e.fresh("h")
			h.list = append(h.list, "row_number()"+over+" AS "+n)
			sql = "max(CASE WHEN " + x + " = 1 THEN " + n + " END)" + rows
		}
	case "row_window_session":
		restart := "0"
		if part != "" {
			restart = strings.TrimSuffix(strings.TrimPrefix(part, "PARTITION BY "), " ")
		}
		return sessions(h.input(in), by, name(it.Col.ID), []string{args[0], restart, args[1], args[2]}, e.fresh("x"), e.fresh("x"), e.fresh("x"))
	}
	order := ""
	if part != "" { // the engine answers groups in any order
		order = " ORDER BY " + by
	}
	return "(SELECT *, " + sql + " AS " + name(it.Col.ID) + " FROM " + h.input(in) + order + ")"
}

// sessions adds the column of row_window_session. A session depends on the one
// before it, so that all rows are folded in Go, once: a window of the rows so
// far would be folded again at every row. parts are a row's time, a number that
// changes where a session must begin, and the two spans.
func sessions(in, by, column string, parts []string, row, rows, starts string) string {
	for i, p := range parts {
		parts[i] = "coalesce(CAST(" + p + " AS VARCHAR), '')"
	}
	folded := "kql___sessions_0(string_agg(" + strings.Join(parts, " || ',' || ") + ", ';' ORDER BY " + by + "))"
	return "(SELECT " + row + ".*, " + column + " FROM (SELECT unnest(" + rows + ") AS " + row + ", unnest(CAST(" + starts + " AS BIGINT[])) AS " + column +
		" FROM (SELECT list(" + row + " ORDER BY " + row + "." + by + ") AS " + rows + ", " + folded + " AS " + starts + " FROM " + in + " AS " + row + ")))"
}

// around reports whether a value is of a row around the input, as in mv-apply.
// The engine can't look at other rows' values of such a column before it is one
// of the input's own.
func around(x plan.Expr, in plan.Rel) bool {
	cols, out := in.Columns(), false
	plan.Walk(x, func(e plan.Expr) {
		if c, ok := e.(*plan.Col); ok && !slices.ContainsFunc(cols, func(o plan.Column) bool { return o.ID == c.ID }) {
			out = true
		}
	})
	return out
}

// unnest writes a row for each element of the lists, which are expanded side
// by side.
func (e *emitter) unnest(r *plan.Unnest) string {
	in := e.select_(r.In)
	var lists []string
	h := e.with(func() {
		for _, l := range r.Lists {
			x := e.once(e.value(l.Value))
			items := "kql___bag_items_0(" + x + ")"
			if l.Bags {
				items = "kql___bag_pairs_0(" + x + ")"
			}
			lists = append(lists, "(CASE json_type("+x+") WHEN 'ARRAY' THEN json_extract("+x+", '$[*]') WHEN 'OBJECT' THEN json_extract("+items+", '$[*]') WHEN 'NULL' THEN NULL ELSE ["+x+"::JSON] END)")
		}
	})
	from := h.input(in)
	names := make([]string, len(lists))
	var cols []string
	for i, l := range lists {
		names[i] = e.fresh("h")
		cols = append(cols, l+" AS "+names[i])
	}
	from = "(SELECT *, " + strings.Join(cols, ", ") + " FROM " + from + ")"
	lens := make([]string, len(names))
	for i, n := range names {
		lens[i] = "coalesce(len(" + n + "), 0)"
	}
	n := e.fresh("h")
	size := "greatest(" + strings.Join(lens, ", ") + ")"
	if len(lens) == 1 {
		size = lens[0]
	}
	if r.Limit != nil {
		size = "least(" + size + ", " + e.value(r.Limit) + ")"
	}
	if r.Outer {
		size = "greatest(" + size + ", 1)"
	}
	from = "(SELECT *, unnest(range(0, " + size + ")) AS " + n + " FROM " + from + ")"
	var out []string
	for i, l := range r.Lists {
		out = append(out, "nullif(CAST("+names[i]+"["+n+" + 1] AS VARCHAR), 'null') AS "+name(l.Col.ID))
	}
	if r.Index != nil {
		out = append(out, n+" AS "+name(r.Index.ID))
	}
	return "(SELECT * EXCLUDE (" + strings.Join(append(names, n), ", ") + "), " + strings.Join(out, ", ") + " FROM " + from + ")"
}
