package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// nested is top-nested while its levels are bound, one below the other.
type nested struct {
	b      *binder
	env    *env
	source *binding      // the rows, and behind their columns what each level groups by
	levels []nestedLevel // names and types of the result, two columns a level
	tops   []*binding    // for each level the groups that are kept: the columns of it and those above
}

type nestedLevel struct {
	of, by plan.Column // of the result; the numbers are not used
	others plan.Expr   // what the groups that are not kept are called; nil: they are not counted
}

// topNested groups by one level after the other and keeps the first groups of
// each within the group above: an aggregate, a number of each row among its
// siblings, a filter, and a join with the level above. What others stands for
// are further rows behind those.
func (b *binder) topNested(op *syntax.TopNested, t *table, e *env) *table {
	n := &nested{b: b, env: e}
	if !n.begin(op, t) {
		return nil
	}
	for i := range op.Levels {
		if !n.keep(op, i) {
			return nil
		}
	}
	in := []*table{b.exact(b.use(n.tops[len(n.tops)-1]))}
	for i := range op.Levels {
		for j := i; j < len(op.Levels); j++ {
			if n.levels[j].others == nil {
				continue
			}
			rest := n.rest(op, i)
			if rest == nil {
				return nil
			}
			in = append(in, b.exact(rest))
			break
		}
	}
	out := in[0]
	if len(in) > 1 {
		u := &plan.Union{}
		for _, c := range out.cols {
			u.Cols = append(u.Cols, b.column(c.Name, c.Type))
		}
		for _, t := range in {
			u.In = append(u.In, t.rel)
		}
		out = &table{rel: u, cols: u.Cols}
	}
	for i, c := range out.cols {
		out.cols[i].Name = unique(out.cols[:i], c.Name)
	}
	return out
}

// hidden is what the column is called that a level groups by; no query can say it.
func hidden(level int) string { return "\x00level" + itoa(level) }

// begin computes what the levels group by, once for each row.
func (n *nested) begin(op *syntax.TopNested, t *table) bool {
	sc := n.b.scope(t, n.env, "top-nested")
	var items []plan.Item
	cols := t.cols[:len(t.cols):len(t.cols)]
	for i, l := range op.Levels {
		of, ok := n.b.item(l.Of, sc)
		if !ok {
			return false
		}
		if of[0].name == "" {
			of[0].name = "Column" + itoa(i+1)
		}
		level := nestedLevel{of: plan.Column{Name: of[0].name, Type: of[0].x.Type()}}
		if l.Others != nil {
			k := n.b.constant(l.Others, n.env, "'top-nested' operator: what others are called")
			if k == nil {
				return false
			}
			if level.others = n.b.convert(k, level.of.Type, l.Others.Where()); level.others == nil {
				return false
			}
		}
		n.levels = append(n.levels, level)
		c := n.b.column(hidden(i), level.of.Type)
		items, cols = append(items, plan.Item{Col: c, Value: of[0].x}), append(cols, c)
	}
	n.source = n.b.share("top_nested", &table{rel: n.b.add(t.rel, t.carried(), items), cols: cols, open: t.open, bag: t.bag}, false)
	return true
}

// join pairs rows of the source, or groups of them, with the groups above that were kept.
func (n *nested) join(kind plan.JoinKind, left plan.Rel, keys []plan.Column, right *table) plan.Rel {
	j := &plan.Join{Kind: kind, Left: left, Right: right.rel}
	for i, k := range keys {
		j.On = append(j.On, &plan.Compare{Op: "is", X: &plan.Col{Column: k}, Y: &plan.Col{Column: right.cols[2*i]}})
	}
	return j
}

// keep finds the groups of a level that are kept.
func (n *nested) keep(op *syntax.TopNested, level int) bool {
	b, l := n.b, op.Levels[level]
	in := b.use(n.source)
	agg := &plan.Aggregate{In: in.rel}
	for i := range level + 1 {
		c, _ := find(in.cols, hidden(i))
		agg.Keys = append(agg.Keys, plan.Item{Col: b.column(n.levels[i].of.Name, c.Type), Value: &plan.Col{Column: c}})
	}
	sc := b.scope(in, n.env, "top-nested")
	sc.agg = &aggregates{}
	by, ok := b.aggItem(l.By, sc, agg.Keys)
	if !ok {
		return false
	}
	agg.Aggs = sc.agg.items
	name := by[0].name
	if !by[0].given {
		name = "aggregated_" + n.levels[level].of.Name
	}
	keys := columnsOf(agg.Keys)
	value := b.column(name, by[0].x.Type())
	n.levels[level].by = value
	var rel plan.Rel = b.add(agg, keys, []plan.Item{{Col: value, Value: by[0].x}})
	order := plan.Order{Value: &plan.Col{Column: value}, Desc: l.Dir != "asc"}
	if value.Type == schema.Decimal || value.Type == schema.Dynamic {
		order.Value = b.convert(order.Value, schema.Real, l.Span)
	}
	var cols []plan.Column
	if level > 0 { // only groups of the level above that were kept
		above := b.use(n.tops[level-1])
		rel, cols = n.join(plan.Inner, rel, keys[:level], above), above.cols
	}
	if l.N != nil {
		most := b.rows(l.N, n.env, "top-nested")
		if most == nil {
			return false
		}
		rank := b.column("rank", schema.Long)
		parents := make([]plan.Expr, 0, level)
		for _, k := range keys[:level] {
			parents = append(parents, &plan.Col{Column: k})
		}
		rel = &plan.Rank{In: rel, Col: rank, Within: parents, By: order}
		rel = &plan.Filter{In: rel, Pred: &plan.Compare{Op: "<=", X: &plan.Col{Column: rank}, Y: most}}
	}
	cols = append(cols[:len(cols):len(cols)], keys[level], value)
	n.tops = append(n.tops, b.share("top_nested_level", &table{rel: rel, cols: cols}, false))
	return true
}

// rest is a row for each group above a level that was kept, on the rows in it
// that are in no group of this level that was kept. Levels that name no others
// are null there.
func (n *nested) rest(op *syntax.TopNested, level int) *table {
	b := n.b
	in := b.use(n.source)
	keys := make([]plan.Column, 0, level+1)
	for i := range level + 1 {
		c, _ := find(in.cols, hidden(i))
		keys = append(keys, c)
	}
	agg := &plan.Aggregate{In: in.rel}
	var items []plan.Item
	if level > 0 {
		above := b.use(n.tops[level-1])
		agg.In = n.join(plan.Inner, agg.In, keys[:level], above)
		for _, c := range above.cols {
			k := plan.Item{Col: b.column(c.Name, c.Type), Value: &plan.Col{Column: c}}
			agg.Keys, items = append(agg.Keys, k), append(items, plan.Item{Col: b.column(c.Name, c.Type), Value: &plan.Col{Column: k.Col}})
		}
	}
	agg.In = n.join(plan.LeftAnti, agg.In, keys, b.use(n.tops[level]))
	rows := b.column("rows", schema.Long)
	sc := b.scope(in, n.env, "top-nested")
	sc.agg = &aggregates{items: []plan.Item{{Col: rows, Value: b.countAll()}}}
	for j := level; j < len(op.Levels); j++ {
		l := n.levels[j]
		var of, value plan.Expr = null(l.of.Type), null(l.by.Type)
		if l.others != nil {
			by, ok := b.aggItem(op.Levels[j].By, sc, agg.Keys)
			if !ok {
				return nil
			}
			of, value = l.others, by[0].x
		}
		items = append(items, plan.Item{Col: b.column(l.of.Name, l.of.Type), Value: of}, plan.Item{Col: b.column(l.by.Name, l.by.Type), Value: value})
	}
	agg.Aggs = sc.agg.items
	some := &plan.Filter{In: agg, Pred: &plan.Compare{Op: ">", X: &plan.Col{Column: rows}, Y: &plan.Const{T: schema.Long, Value: int64(0)}}}
	p := &plan.Project{In: some, Items: items}
	return &table{rel: p, cols: p.Columns()}
}

func columnsOf(items []plan.Item) []plan.Column {
	out := make([]plan.Column, len(items))
	for i, it := range items {
		out[i] = it.Col
	}
	return out
}
