package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// topNested groups by one level after the other and keeps the first groups of
// each within the group above: an aggregate, a number of each row among its
// siblings, a filter, and a join with the level above.
func (b *binder) topNested(op *syntax.TopNested, t *table, e *env) *table {
	source := b.share("top_nested", t, false)
	var above *table
	var keys []plan.Column // of the levels so far, in above
	var names []string
	for _, l := range op.Levels {
		if l.Others != nil {
			b.fail(l.Others.Where(), syntax.CodeUnsupported, "'top-nested' with others is not supported.")
			return nil
		}
		in := b.use(source)
		sc := b.scope(in, e, "top-nested")
		agg := &plan.Aggregate{In: in.rel}
		for _, n := range names {
			c, _ := find(in.cols, n)
			agg.Keys = append(agg.Keys, plan.Item{Col: b.column(n, c.Type), Value: &plan.Col{Column: c}})
		}
		of, ok := b.item(l.Of, sc)
		if !ok {
			return nil
		}
		if _, isCol := of[0].x.(*plan.Col); !isCol && len(op.Levels) > 1 {
			b.fail(l.Of.Where(), syntax.CodeUnsupported, "'top-nested' with several levels takes plain columns.")
			return nil
		}
		level := b.column(of[0].name, of[0].x.Type())
		agg.Keys = append(agg.Keys, plan.Item{Col: level, Value: of[0].x})
		asc := b.scope(in, e, "top-nested")
		asc.agg = &aggregates{}
		by, ok := b.aggItem(l.By, asc, agg.Keys)
		if !ok {
			return nil
		}
		agg.Aggs = asc.agg.items
		name := by[0].name
		if !by[0].given {
			name = "aggregated_" + of[0].name
		}
		value := b.column(name, by[0].x.Type())
		var rel plan.Rel = b.add(agg, columnsOf(agg.Keys), []plan.Item{{Col: value, Value: by[0].x}})
		order := plan.Order{Value: &plan.Col{Column: value}, Desc: l.Dir != "asc"}
		if value.Type == schema.Decimal || value.Type == schema.Dynamic {
			order.Value = b.convert(order.Value, schema.Real, l.Span)
		}
		cols := append(columnsOf(agg.Keys), value)
		if above != nil { // only groups of the level above that were kept
			j := &plan.Join{Kind: plan.Inner, Left: above.rel, Right: rel}
			for i, k := range keys {
				j.On = append(j.On, &plan.Compare{Op: "is", X: &plan.Col{Column: k}, Y: &plan.Col{Column: agg.Keys[i].Col}})
			}
			rel = j
			cols = append(append([]plan.Column{}, above.cols...), level, value)
		}
		if l.N != nil {
			n := b.rows(l.N, e, "top-nested")
			if n == nil {
				return nil
			}
			rank := b.column("rank", schema.Long)
			parents := make([]plan.Expr, 0, len(keys))
			for _, k := range keys {
				parents = append(parents, &plan.Col{Column: k})
			}
			rel = &plan.Rank{In: rel, Col: rank, Within: parents, By: order}
			rel = &plan.Filter{In: rel, Pred: &plan.Compare{Op: "<=", X: &plan.Col{Column: rank}, Y: n}}
		}
		above = &table{rel: rel, cols: cols}
		keys, names = append(keys, level), append(names, of[0].name)
	}
	for i, c := range above.cols {
		above.cols[i].Name = unique(above.cols[:i], c.Name)
	}
	return above
}

func columnsOf(items []plan.Item) []plan.Column {
	out := make([]plan.Column, len(items))
	for i, it := range items {
		out[i] = it.Col
	}
	return out
}
