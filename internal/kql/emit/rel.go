package emit

import (
	"fmt"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// select_ writes a table as a FROM item.
func (e *emitter) select_(r plan.Rel) string {
	switch r := r.(type) {
	case *plan.Scan:
		return e.scan(r)
	case *plan.Values:
		return e.values(r)
	case *plan.Filter:
		return e.filter(r)
	case *plan.Project:
		return e.project(r)
	case *plan.Aggregate:
		return e.aggregate(r)
	case *plan.Sort:
		return e.sort(r, "")
	case *plan.Limit:
		return e.limit(r)
	case *plan.Sample:
		return "(SELECT * FROM " + e.select_(r.In) + " ORDER BY random() LIMIT " + e.value(r.N) + ")"
	case *plan.Join:
		return e.join(r)
	case *plan.Union:
		return e.union(r)
	case *plan.Unnest:
		return e.unnest(r)
	case *plan.Window:
		return e.window(r)
	case *plan.Sequence:
		return e.sequence(r)
	case *plan.Number:
		return "(SELECT *, row_number() OVER () AS " + name(r.Col.ID) + " FROM " + e.select_(r.In) + ")"
	case *plan.Rank:
		return e.rank(r)
	case *plan.Ref:
		return e.ref(r)
	case *plan.Apply:
		return e.apply(r)
	}
	return internal("table", r)
}

func (e *emitter) scan(r *plan.Scan) string {
	src := e.sources[r]
	cols := make([]string, len(r.Cols))
	for i, c := range r.Cols {
		cols[i] = name(c.ID)
	}
	t := e.fresh("t")
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + e.rel(src) + " AS " + t + "(" + strings.Join(cols, ", ") + "))"
}

func (e *emitter) values(r *plan.Values) string {
	if len(r.Cols) == 0 {
		if len(r.Rows) == 0 {
			return "(SELECT 1 AS z WHERE false)"
		}
		return "(SELECT 1 AS z)"
	}
	var cols, names []string
	for i, c := range r.Cols {
		names = append(names, fmt.Sprintf("v%d", i))
		if len(r.Rows) == 0 {
			cols = append(cols, "CAST(NULL AS "+sqlType(c.Type)+") AS "+name(c.ID))
		} else {
			cols = append(cols, fmt.Sprintf("CAST(v%d AS %s) AS %s", i, sqlType(c.Type), name(c.ID)))
		}
	}
	if len(r.Rows) == 0 {
		return "(SELECT " + strings.Join(cols, ", ") + " WHERE false)"
	}
	if sql, ok := e.longValues(r); ok {
		return sql
	}
	rows := make([]string, len(r.Rows))
	for i, row := range r.Rows {
		vals := make([]string, len(row))
		for j, x := range row {
			vals[j] = e.value(x)
		}
		rows[i] = "(" + strings.Join(vals, ", ") + ")"
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM (VALUES " + strings.Join(rows, ", ") + ") AS " + e.fresh("t") + "(" + strings.Join(names, ", ") + "))"
}

func (e *emitter) filter(r *plan.Filter) string {
	in := e.select_(r.In)
	var cond string
	h := e.with(func() { cond = e.cond(r.Pred) })
	return "(SELECT * FROM " + h.input(in) + " WHERE " + cond + ")"
}

func (e *emitter) project(r *plan.Project) string {
	in := e.select_(r.In)
	var cols []string
	h := e.with(func() {
		for _, it := range r.Items {
			sql := e.value(it.Value)
			if sql != name(it.Col.ID) {
				sql += " AS " + name(it.Col.ID)
			}
			cols = append(cols, sql)
		}
	})
	if len(cols) == 0 {
		cols = []string{"1 AS z"}
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + h.input(in) + ")"
}

func (e *emitter) sort(r *plan.Sort, limit string) string {
	in := e.select_(r.In)
	var by []string
	h := e.with(func() {
		for _, o := range r.By {
			sql := e.value(o.Value)
			if _, constant := o.Value.(*plan.Const); constant {
				continue
			}
			if o.Desc {
				sql += " DESC"
			} else {
				sql += " ASC"
			}
			if o.NullsFirst {
				sql += " NULLS FIRST"
			} else {
				sql += " NULLS LAST"
			}
			by = append(by, sql)
		}
	})
	order := ""
	if len(by) > 0 {
		order = " ORDER BY " + strings.Join(by, ", ")
	}
	return "(SELECT * FROM " + h.input(in) + order + limit + ")"
}

func (e *emitter) limit(r *plan.Limit) string {
	n := " LIMIT " + e.value(r.N)
	if s, ok := r.In.(*plan.Sort); ok {
		return e.sort(s, n)
	}
	return "(SELECT * FROM " + e.select_(r.In) + n + ")"
}

func (e *emitter) join(r *plan.Join) string {
	left, right := e.select_(r.Left), e.select_(r.Right)
	l, rr := e.fresh("l"), e.fresh("r")
	var on []string
	for _, c := range r.On {
		on = append(on, e.cond(c))
	}
	word, cols := "JOIN", []string{"*"}
	switch r.Kind {
	case plan.RightSemi, plan.RightAnti:
		left, right = right, left
	}
	switch r.Kind {
	case plan.LeftOuter:
		word, cols = "LEFT JOIN", e.filled(r.Left.Columns(), r.Right.Columns(), false, true)
	case plan.RightOuter:
		word, cols = "RIGHT JOIN", e.filled(r.Left.Columns(), r.Right.Columns(), true, false)
	case plan.FullOuter:
		word, cols = "FULL JOIN", e.filled(r.Left.Columns(), r.Right.Columns(), true, true)
	case plan.LeftSemi, plan.RightSemi:
		word = "SEMI JOIN"
	case plan.LeftAnti, plan.RightAnti:
		word = "ANTI JOIN"
	}
	if len(on) == 0 {
		on = []string{"true"}
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + left + " AS " + l + " " + word + " " + right + " AS " + rr + " ON " + strings.Join(on, " AND ") + ")"
}

// filled lists columns, with strings of the sides that may be missing never null.
func (e *emitter) filled(left, right []plan.Column, l, r bool) (out []string) {
	side := func(cols []plan.Column, may bool) {
		for _, c := range cols {
			if may && c.Type == schema.String {
				out = append(out, "coalesce("+name(c.ID)+", '') AS "+name(c.ID))
			} else {
				out = append(out, name(c.ID))
			}
		}
	}
	side(left, l)
	side(right, r)
	if len(out) == 0 {
		out = []string{"1 AS z"}
	}
	return out
}

func (e *emitter) union(r *plan.Union) string {
	parts := make([]string, len(r.In))
	for i, in := range r.In {
		cols := make([]string, 0, len(r.Cols))
		if r.From == nil {
			for _, c := range in.Columns() {
				cols = append(cols, name(c.ID))
			}
		} else {
			for _, c := range r.Cols {
				if from, has := r.From[i][c.ID]; has {
					cols = append(cols, name(from))
				} else {
					cols = append(cols, e.constant(&plan.Const{T: c.Type}))
				}
			}
		}
		if len(cols) == 0 {
			cols = []string{"1 AS z"}
		}
		parts[i] = "SELECT " + strings.Join(cols, ", ") + " FROM " + e.select_(in)
	}
	alias := "(" + strings.Join(parts, " UNION ALL ") + ")"
	if len(r.Cols) == 0 {
		return alias
	}
	cols := make([]string, len(r.Cols))
	for i, c := range r.Cols {
		cols[i] = name(c.ID)
	}
	return "(SELECT * FROM " + alias + " AS " + e.fresh("t") + "(" + strings.Join(cols, ", ") + "))"
}

// ref uses a shared table: in place if this is its only use.
func (e *emitter) ref(r *plan.Ref) string {
	cols := make([]string, 0, len(r.Cols))
	for i, c := range r.Cols {
		cols = append(cols, name(r.From[i])+" AS "+name(c.ID))
	}
	if len(cols) == 0 {
		cols = []string{"1 AS z"}
	}
	from := ""
	if r.To.Uses == 1 {
		from = e.select_(r.To.In)
	} else {
		var ok bool
		if from, ok = e.done[r.To]; !ok {
			body := e.select_(r.To.In)
			from = e.fresh("s")
			e.done[r.To] = from
			kind := ""
			if r.To.Once {
				kind = "MATERIALIZED "
			}
			if e.lateral != nil && plan.Correlated(r.To.In) {
				e.lateral.ctes = append(e.lateral.ctes, from+" AS "+kind+body)
				e.lateral.shared = append(e.lateral.shared, r.To)
			} else {
				e.ctes = append(e.ctes, from+" AS "+kind+body)
			}
		}
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + from + ")"
}

func (e *emitter) sequence(r *plan.Sequence) string {
	var from, to, step string
	bound := func(x plan.Expr) string {
		if _, is := x.(*plan.Const); is {
			return e.value(x)
		}
		return e.once(e.value(x))
	}
	h := e.with(func() { from, to, step = bound(r.From), bound(r.To), bound(r.Step) })
	c := name(r.Col.ID)
	if len(h.list) > 0 { // bounds that are computed
		return e.computed(h, c, from, to, step, r.Col.Type)
	}
	n := "((" + to + " - " + from + ") // " + step + ")"
	if r.Col.Type == schema.Real {
		n = "CAST(floor((" + to + " - " + from + ") / " + step + " + 1e-9) AS BIGINT)"
	}
	return "(SELECT " + from + " + i * " + step + " AS " + c + " FROM range(0, CASE WHEN sign(" + to + " - " + from + ") * sign(" + step + ") >= 0 AND " + step + " <> 0 THEN " + n + " + 1 ELSE 0 END) AS " + e.fresh("r") + "(i))"
}

// A lateral is a table that reads the row beside which it stands. What is shared
// within it and reads that row too is there only.
type lateral struct {
	ctes   []string
	shared []*plan.Shared
}

// apply joins every row of In with the rows of a table that may read it.
func (e *emitter) apply(r *plan.Apply) string {
	in := e.select_(r.In)
	outer, own := e.lateral, &lateral{}
	e.lateral = own
	sub := e.select_(r.Sub)
	e.lateral = outer
	for _, s := range own.shared {
		delete(e.done, s)
	}
	if len(own.ctes) > 0 {
		sub = "(WITH " + strings.Join(own.ctes, ", ") + " SELECT * FROM " + sub + ")"
	}
	word := "CROSS JOIN LATERAL " + sub + " AS " + e.fresh("b")
	if r.Outer {
		word = "LEFT JOIN LATERAL " + sub + " AS " + e.fresh("b") + " ON true"
	}
	return "(SELECT * FROM " + in + " AS " + e.fresh("a") + " " + word + ")"
}

// computed writes a sequence whose bounds are known only when the query runs.
func (e *emitter) computed(h *hoists, c, from, to, step string, t schema.Type) string {
	in := h.input("(SELECT 1 AS z)")
	n := "((" + to + " - " + from + ") // " + step + ")"
	if t == schema.Real {
		n = "CAST(floor((" + to + " - " + from + ") / " + step + " + 1e-9) AS BIGINT)"
	}
	return "(SELECT " + from + " + i * " + step + " AS " + c + " FROM (SELECT *, unnest(range(0, CASE WHEN sign(" + to + " - " + from + ") * sign(" + step + ") >= 0 THEN " + n + " + 1 ELSE 0 END)) AS i FROM " + in + "))"
}

// rank numbers rows within groups.
func (e *emitter) rank(r *plan.Rank) string {
	in := e.select_(r.In)
	sql := ""
	h := e.with(func() {
		var within []string
		for _, x := range r.Within {
			within = append(within, e.value(x))
		}
		if len(within) > 0 {
			sql = "PARTITION BY " + strings.Join(within, ", ") + " "
		}
		sql += "ORDER BY " + e.value(r.By.Value)
	})
	if r.By.Desc {
		sql += " DESC NULLS LAST"
	}
	return "(SELECT *, row_number() OVER (" + sql + ") AS " + name(r.Col.ID) + " FROM " + h.input(in) + ")"
}
