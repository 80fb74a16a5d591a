package bind

import (
	"slices"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// pluginPivot makes a column of each value of a column. Which values there are
// is said by the query or asked of the data. First the aggregate is computed
// for each group and value, then the values are laid side by side.
func pluginPivot(b *binder, c *pluginCall) *table {
	if !c.need(1, "column, aggregate, columns…") {
		return nil
	}
	sc := b.scope(c.in, c.env, "evaluate")
	first := c.next()
	key, isCol := b.expr(first, sc).(*plan.Col)
	if !isCol {
		c.fail(first.Where(), "pivot() takes a column.")
		return nil
	}
	agg := syntax.Expr(&syntax.Call{Span: c.op.Span, Name: &syntax.Name{Span: c.op.Span, Name: "count"}})
	if len(c.args) > 0 {
		call, isCall := c.args[0].(*syntax.Call)
		if _, isName := c.args[0].(*syntax.Name); !isName {
			if !isCall || len(builtin.Aggregates().Forms(call.Name.Name)) == 0 {
				c.fail(c.args[0].Where(), "The second argument of pivot() is an aggregate such as count() or sum(x).")
				return nil
			}
			agg = c.next()
		}
	}
	used := map[string]bool{}
	b.namesIn(agg, func(n string) { used[n] = true })
	var keys []plan.Column
	if len(c.args) > 0 {
		for _, x := range c.args {
			col, ok := b.nameIn(x, c.in)
			if !ok {
				k, isCol := b.expr(x, sc).(*plan.Col)
				if !isCol {
					c.fail(x.Where(), "The further arguments of pivot() are columns.")
					return nil
				}
				col = k.Column
			}
			keys = append(keys, col)
		}
	} else {
		for _, col := range c.in.cols {
			if col.ID != key.ID && !used[col.Name] {
				keys = append(keys, col)
			}
		}
	}
	return b.pivot(c, key, agg, keys)
}

func (b *binder) pivot(c *pluginCall, key *plan.Col, agg syntax.Expr, keys []plan.Column) *table {
	sc := b.scope(c.in, c.env, "evaluate")
	sc.agg = &aggregates{}
	list, ok := b.aggItem(agg, sc, nil)
	if !ok || len(list) == 0 {
		return nil
	}
	inner := &plan.Aggregate{In: c.in.rel}
	group := b.column(key.Name, schema.String)
	inner.Keys = append(inner.Keys, plan.Item{Col: group, Value: b.convert(key, schema.String, c.op.Span)})
	for _, k := range keys {
		inner.Keys = append(inner.Keys, plan.Item{Col: b.column(k.Name, k.Type), Value: &plan.Col{Column: k}})
	}
	inner.Aggs = sc.agg.items
	value := b.column("value", list[0].x.Type())
	cells := b.add(inner, columnsOf(inner.Keys), []plan.Item{{Col: value, Value: list[0].x}})

	names, types, open := b.pivotColumns(c, key, keys)
	outer := &plan.Aggregate{In: cells}
	out := &table{serial: false}
	for i, k := range keys {
		col := b.column(k.Name, k.Type)
		outer.Keys = append(outer.Keys, plan.Item{Col: col, Value: &plan.Col{Column: inner.Keys[i+1].Col}})
		out.cols = append(out.cols, col)
	}
	any := builtin.Aggregates().Forms("take_any")[0]
	var items []plan.Item
	for i, name := range names {
		is := &plan.Compare{Op: "==", X: &plan.Col{Column: group}, Y: &plan.Const{T: schema.String, Value: name}}
		cell := b.column(name, value.Type)
		outer.Aggs = append(outer.Aggs, plan.Item{Col: cell, Value: &plan.Agg{F: any, Args: []plan.Expr{&plan.Col{Column: value}}, T: value.Type, Filter: is}})
		x := plan.Expr(&plan.Col{Column: cell})
		if call, isCall := agg.(*syntax.Call); isCall && slices.Contains([]string{"count", "countif", "sum", "sumif", "dcount", "dcountif"}, call.Name.Name) {
			x = &plan.Case{Whens: []plan.When{{If: b.builtin("isnull", x), Then: b.convert(&plan.Const{T: schema.Long, Value: int64(0)}, value.Type, c.op.Span)}}, Else: x, T: value.Type}
		}
		if types[i] != schema.Invalid {
			x = b.convert(x, types[i], c.op.Span)
		}
		if x == nil {
			return nil
		}
		if name == "" {
			name = numbered(out.cols)
		}
		col := b.column(unique(out.cols, name), x.Type())
		items = append(items, plan.Item{Col: col, Value: x})
		out.cols = append(out.cols, col)
	}
	if open { // a name that is not there is the column of a value that no row has
		none := b.column("none", schema.Dynamic)
		items = append(items, plan.Item{Col: none, Value: null(schema.Dynamic)})
		out.open, out.bag, out.known = true, &none, b.opt.Ask
	}
	out.rel = b.add(outer, columnsOf(outer.Keys), items)
	return out
}

// pivotColumns are the values that get a column, as the query says or as the
// data have them.
func (b *binder) pivotColumns(c *pluginCall, key *plan.Col, keys []plan.Column) (names []string, types []schema.Type, open bool) {
	if s := c.op.Schema; s != nil {
		for _, d := range s.Columns {
			if !slices.ContainsFunc(keys, func(k plan.Column) bool { return k.Name == d.Name.Name }) {
				names, types = append(names, d.Name.Name), append(types, d.Type)
			}
		}
		return names, types, false
	}
	n, row := b.column("row", schema.Long), b.column("row", schema.Long)
	value := b.column("value", schema.String)
	least, err := builtin.Aggregates().Resolve("min", []schema.Type{schema.Long})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	agg := &plan.Aggregate{In: &plan.Number{In: c.in.rel, Col: n},
		Keys: []plan.Item{{Col: value, Value: b.convert(key, schema.String, c.op.Span)}},
		Aggs: []plan.Item{{Col: row, Value: &plan.Agg{F: least, Args: []plan.Expr{&plan.Col{Column: n}}, T: schema.Long}}}}
	rel := &plan.Limit{In: &plan.Sort{In: agg, By: []plan.Order{{Value: &plan.Col{Column: row}}}}, N: &plan.Const{T: schema.Long, Value: int64(mostColumns + 1)}}
	rows, _ := b.ask(&table{rel: rel, cols: []plan.Column{value}})
	if len(rows) > mostColumns {
		c.fail(c.op.Span, "The column of pivot() has more than %d different values; filter them, or name the columns.", mostColumns)
	}
	for _, r := range rows {
		names, types = append(names, r[0]), append(types, schema.Invalid)
	}
	return names, types, true
}
