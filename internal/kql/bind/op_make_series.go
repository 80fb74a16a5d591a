package bind

import (
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// makeSeries first aggregates each step of the axis, then lays the steps of
// each group out as arrays, with defaults where there were no rows.
func (b *binder) makeSeries(op *syntax.MakeSeries, t *table, e *env) *table {
	sc := b.scope(t, e, "make-series")
	on, ok := b.item(op.On, sc)
	if !ok || len(on) != 1 {
		return nil
	}
	axis := on[0].x
	at := axis.Type()
	if at == schema.Dynamic || at == schema.String || at == schema.Bool {
		b.fail(op.On.Where(), syntax.CodeType, "'make-series' operator: the axis must be a number, a datetime or a timespan, not a %s.", at)
		return nil
	}
	if at == schema.Int || at == schema.Decimal {
		at = schema.Real
		if axis.Type() == schema.Int {
			at = schema.Long
		}
		axis = b.convert(axis, at, op.Span)
	}
	stepType := at
	if at == schema.DateTime {
		stepType = schema.TimeSpan
	}
	bound := func(x syntax.Expr, typ schema.Type) plan.Expr {
		if x == nil {
			return &plan.Const{T: typ}
		}
		return b.convert(b.expr(x, &scope{env: e, where: "make-series"}), typ, x.Where())
	}
	from, to, step := bound(op.From, at), bound(op.To, at), bound(op.Step, stepType)
	if from == nil || to == nil || step == nil {
		return nil
	}
	agg := &plan.Aggregate{In: t.rel}
	var cols []plan.Column
	for _, x := range op.By {
		list, fine := b.item(x, sc)
		if !fine {
			return nil
		}
		for _, n := range list {
			if n.name == "" {
				n.name = numbered(cols)
			}
			c := b.column(unique(cols, n.name), n.x.Type())
			cols = append(cols, c)
			agg.Keys = append(agg.Keys, plan.Item{Col: c, Value: n.x})
		}
	}
	// Rows outside of the axis do not count.
	var pred plan.Expr
	and := func(x plan.Expr) {
		if pred == nil {
			pred = x
		} else {
			pred = &plan.Logic{Op: "and", X: pred, Y: x}
		}
	}
	last := "<"
	for _, p := range op.Params {
		if p.Name == "in_range" {
			last = "<="
		}
	}
	if op.From != nil {
		and(&plan.Compare{Op: ">=", X: axis, Y: from})
	}
	if op.To != nil {
		and(&plan.Compare{Op: last, X: axis, Y: to})
	}
	if pred != nil {
		agg.In = &plan.Filter{In: agg.In, Pred: pred}
	}
	slot := b.column("slot", at)
	binned := axis
	if op.From != nil {
		binned = b.builtin("bin_at", axis, step, from)
	} else {
		binned = b.builtin("bin", axis, step)
	}
	agg.Keys = append(agg.Keys, plan.Item{Col: slot, Value: binned})

	asc := b.scope(t, e, "make-series")
	asc.agg = &aggregates{}
	var values []plan.Expr
	var names, defaults []string
	for _, a := range op.Aggs {
		list, fine := b.aggItem(a.X, asc, agg.Keys)
		if !fine {
			return nil
		}
		for _, n := range list {
			def := "0"
			if n.x.Type() == schema.Real {
				def = "0.0"
			} else if !builtin.IsNumber(n.x.Type()) {
				def = "null"
			}
			if a.Default != nil {
				c := b.constant(a.Default, e, "The default of make-series")
				if c == nil {
					return nil
				}
				j, _ := b.toJSON(c).(*plan.Const)
				if def, _ = j.Value.(string); def == "" {
					def = "null"
				}
			}
			values, names, defaults = append(values, b.toJSON(n.x)), append(names, n.name), append(defaults, def)
		}
	}
	agg.Aggs = asc.agg.items
	row := b.builtin("pack_array", append([]plan.Expr{b.builtin("__rawjson", b.number(&plan.Col{Column: slot}))}, values...)...)
	packed := b.column("row", schema.Dynamic)
	p := b.add(agg, cols, []plan.Item{{Col: packed, Value: row}})
	list, err := builtin.Aggregates().Resolve("make_list", []schema.Type{schema.Dynamic})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	all := b.column("rows", schema.Dynamic)
	group := &plan.Aggregate{In: p, Aggs: []plan.Item{{Col: all, Value: &plan.Agg{F: list, Args: []plan.Expr{&plan.Col{Column: packed}}, T: schema.Dynamic}}}}
	for _, c := range cols {
		group.Keys = append(group.Keys, plan.Item{Col: c, Value: &plan.Col{Column: c}})
	}
	var grouped plan.Rel = group
	if kind, _ := b.param(op.Params, "kind", e); len(cols) == 0 && kind != "nonempty" { // no rows, no series
		some := &plan.Compare{Op: ">", X: b.builtin("array_length", &plan.Col{Column: all}), Y: &plan.Const{T: schema.Long, Value: int64(0)}}
		grouped = &plan.Filter{In: group, Pred: some}
	}
	text := func(s string) plan.Expr { return &plan.Const{T: schema.String, Value: s} }
	laid := b.builtin("__series", &plan.Col{Column: all}, b.number(from), b.number(to), b.number(step), text("["+strings.Join(defaults, ",")+"]"), text(at.String()+last))
	arr := b.column("series", schema.Dynamic)
	rel := b.add(grouped, cols, []plan.Item{{Col: arr, Value: laid}})
	var out []plan.Item
	for i, n := range append(names, on[0].name) {
		c := b.column(unique(cols, n), schema.Dynamic)
		cols = append(cols, c)
		out = append(out, plan.Item{Col: c, Value: stepInto(&plan.Col{Column: arr}, i)})
	}
	return &table{rel: b.add(rel, cols[:len(cols)-len(out)], out), cols: cols}
}

func stepInto(x plan.Expr, i int) plan.Expr {
	return step(x, plan.Step{Kind: plan.Element, Index: int64(i)})
}

// number is a point of an axis as a number: ticks for times.
func (b *binder) number(x plan.Expr) plan.Expr {
	switch x.Type() {
	case schema.DateTime, schema.TimeSpan:
		return b.convert(x, schema.Long, syntax.Span{})
	}
	return x
}
