package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// mvItem is one list of mv-expand or mv-apply.
type mvItem struct {
	name string
	list plan.Unnested
	to   schema.Type
	own  bool // it is a column of the input and takes its place
}

func (b *binder) mvItems(items []syntax.MvItem, params []syntax.Param, t *table, e *env, where string) ([]mvItem, bool) {
	sc := b.scope(t, e, where)
	bags, _ := b.param(params, "bagexpansion", e)
	if bags == "" {
		bags, _ = b.param(params, "kind", e)
	}
	var out []mvItem
	for _, it := range items {
		list, ok := b.item(it.X, sc)
		if !ok || len(list) != 1 {
			return nil, false
		}
		n := list[0]
		if n.x.Type() != schema.Dynamic {
			if n.x.Type() != schema.String || it.To == schema.Invalid {
				b.fail(it.Span, syntax.CodeType, "'%s' operator: expanded expression expected to have dynamic type, not %s.", where, n.x.Type())
				return nil, false
			}
			n.x = b.toJSON(n.x)
		}
		m := mvItem{name: n.name, to: it.To}
		if m.name == "" {
			m.name = numbered(t.cols)
		}
		if _, is := find(t.cols, m.name); is {
			m.own = true
		}
		m.list = plan.Unnested{Col: b.column(m.name, schema.Dynamic), Value: n.x, Bags: bags == "array"}
		out = append(out, m)
	}
	return out, true
}

func (b *binder) mvExpand(op *syntax.MvExpand, t *table, e *env) *table {
	items, ok := b.mvItems(op.Items, op.Params, t, e, "mv-expand")
	if !ok {
		return nil
	}
	u := &plan.Unnest{In: t.rel}
	if op.Limit != nil {
		if u.Limit = b.rows(op.Limit, e, "mv-expand"); u.Limit == nil {
			return nil
		}
	}
	cols := slices.Clone(t.cols)
	var conv []plan.Item
	for _, m := range items {
		u.Lists = append(u.Lists, m.list)
		c := m.list.Col
		if m.to != schema.Invalid && m.to != schema.Dynamic {
			conv = append(conv, plan.Item{Col: b.column(m.name, m.to), Value: b.convert(&plan.Col{Column: c}, m.to, op.Span)})
			c = conv[len(conv)-1].Col
		}
		if i := slices.IndexFunc(cols, func(o plan.Column) bool { return o.Name == m.name }); i >= 0 {
			cols[i] = c
		} else {
			cols = append(cols, c)
		}
	}
	if name, has := b.param(op.Params, "with_itemindex", e); has {
		c := b.column(name, schema.Long)
		u.Index = &c
		cols = append(cols, c)
	}
	var rel plan.Rel = u
	if len(conv) > 0 {
		rel = b.add(u, u.Columns(), conv)
	}
	return &table{rel: rel, cols: cols, serial: t.serial, open: t.open, bag: t.bag, known: t.known}
}

// mvApply runs a query over the elements of each row. The query sees the
// elements as its rows, and the row around as constants.
func (b *binder) mvApply(op *syntax.MvApply, t *table, e *env) *table {
	t = b.exact(t)
	items, ok := b.mvItems(op.Items, op.Params, t, e, "mv-apply")
	if !ok {
		return nil
	}
	u := &plan.Unnest{In: &plan.Project{In: &plan.Values{Rows: [][]plan.Expr{{}}}}}
	if op.Limit != nil {
		if u.Limit = b.rows(op.Limit, e, "mv-apply"); u.Limit == nil {
			return nil
		}
	}
	inner := e.child()
	own := map[string]bool{}
	for _, c := range t.cols {
		inner.names[c.Name] = &binding{scalar: &plan.Col{Column: c}}
	}
	var conv []plan.Item
	var cols []plan.Column
	for _, m := range items {
		u.Lists = append(u.Lists, m.list)
		own[m.name] = true
		c := m.list.Col
		if m.to != schema.Invalid && m.to != schema.Dynamic {
			conv = append(conv, plan.Item{Col: b.column(m.name, m.to), Value: b.convert(&plan.Col{Column: c}, m.to, op.Span)})
			c = conv[len(conv)-1].Col
		}
		cols = append(cols, c)
	}
	if name, has := b.param(op.Params, "with_itemindex", e); has {
		c := b.column(name, schema.Long)
		u.Index = &c
		cols = append(cols, c)
	}
	var rel plan.Rel = u
	if len(conv) > 0 {
		rel = b.add(u, u.Columns(), conv)
	}
	sub := &table{rel: rel, cols: cols, serial: true}
	in := sub
	sub = b.apart(func() *table {
		if pipe, isPipe := op.On.(*syntax.Pipe); isPipe && pipe.Source == nil {
			return b.ops(pipe.Ops, in, inner)
		}
		return b.table(op.On, inner)
	})
	if sub == nil {
		return nil
	}
	sub = b.exact(sub)
	out := &table{rel: &plan.Apply{In: t.rel, Sub: sub.rel}, serial: t.serial, open: t.open, bag: t.bag, known: t.known}
	for _, c := range t.cols {
		if _, again := find(sub.cols, c.Name); own[c.Name] && again {
			continue
		}
		out.cols = append(out.cols, c)
	}
	for _, c := range sub.cols {
		if i := slices.IndexFunc(out.cols, func(o plan.Column) bool { return o.Name == c.Name }); i >= 0 {
			out.cols[i] = c
			continue
		}
		out.cols = append(out.cols, c)
	}
	return out
}
