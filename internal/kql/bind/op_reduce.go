package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// reduce groups texts that look alike: equal texts are counted by the engine,
// the rest is done on all of them at once.
func (b *binder) reduce(op *syntax.Reduce, t *table, e *env) *table {
	for _, p := range op.Params {
		b.fail(p.Span, syntax.CodeUnsupported, "'reduce' operator: %s is not supported.", p.Name)
		return nil
	}
	list, ok := b.item(op.By, b.scope(t, e, "reduce"))
	if !ok || len(list) != 1 {
		return nil
	}
	text := b.convert(list[0].x, schema.String, op.By.Where())
	if text == nil {
		return nil
	}
	threshold, between := &plan.Const{T: schema.Real, Value: 0.1}, &plan.Const{T: schema.String, Value: ""}
	for _, p := range op.With {
		c := b.constant(p.Value, e, "A parameter of reduce")
		if c == nil {
			return nil
		}
		to := schema.Real
		if p.Name == "characters" {
			to = schema.String
		} else if p.Name != "threshold" {
			b.fail(p.Span, syntax.CodeUnsupported, "'reduce' operator: there is no parameter %s.", p.Name)
			return nil
		}
		v, isConst := b.convert(c, to, p.Span).(*plan.Const)
		if !isConst {
			return nil
		}
		if p.Name == "characters" {
			between = v
			continue
		}
		if f, isReal := v.Value.(float64); !isReal || f < 0 || f > 1 {
			b.fail(p.Span, syntax.CodeCall, "'reduce' operator: the threshold lies between 0 and 1.")
			return nil
		}
		threshold = v
	}
	n, k := b.column("count", schema.Long), b.column("text", schema.String)
	group := &plan.Aggregate{In: t.rel, Keys: []plan.Item{{Col: k, Value: text}}, Aggs: []plan.Item{{Col: n, Value: b.countAll()}}}
	rows := b.listed(group, []plan.Expr{&plan.Col{Column: k}, b.builtin("__rawjson", &plan.Col{Column: n})}, &plan.Col{Column: k})
	return b.laidOut(rows, "__reduce", []plan.Expr{threshold, between}, []plan.Column{
		b.column("Pattern", schema.String), b.column("Count", schema.Long), b.column("Representative", schema.String)})
}

// listed is a table of one row with one column: all rows of a table as an array
// of arrays, in the order of a value.
func (b *binder) listed(in plan.Rel, values []plan.Expr, order plan.Expr) *plan.Aggregate {
	row, all := b.column("row", schema.Dynamic), b.column("rows", schema.Dynamic)
	by := b.column("order", order.Type())
	list, err := builtin.Aggregates().Resolve("make_list", []schema.Type{schema.Dynamic})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	p := &plan.Project{In: in, Items: []plan.Item{{Col: row, Value: b.builtin("pack_array", values...)}, {Col: by, Value: order}}}
	return &plan.Aggregate{In: p, Aggs: []plan.Item{{Col: all, Value: &plan.Agg{F: list, Args: []plan.Expr{&plan.Col{Column: row}}, T: schema.Dynamic, Order: &plan.Col{Column: by}}}}}
}

// laidOut calls a function on such a table and makes a table of the array of
// arrays that it gives.
func (b *binder) laidOut(rows *plan.Aggregate, function string, args []plan.Expr, cols []plan.Column) *table {
	call := b.builtin(function, append([]plan.Expr{&plan.Col{Column: rows.Aggs[0].Col}}, args...)...)
	found := plan.Unnested{Col: b.column("found", schema.Dynamic), Value: call}
	at := b.column("position", schema.Long)
	u := &plan.Unnest{In: rows, Lists: []plan.Unnested{found}, Index: &at}
	p := &plan.Project{In: u, Items: []plan.Item{{Col: at, Value: &plan.Col{Column: at}}}}
	for i, c := range cols {
		p.Items = append(p.Items, plan.Item{Col: c, Value: b.unpacked(stepInto(&plan.Col{Column: found.Col}, i), c.Type)})
	}
	return &table{rel: &plan.Sort{In: p, By: []plan.Order{{Value: &plan.Col{Column: at}}}}, cols: cols, serial: true}
}
