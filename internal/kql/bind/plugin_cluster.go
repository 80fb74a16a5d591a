package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// given takes the next argument if there is one and it is not '~', which asks
// for the default.
func (c *pluginCall) given() (syntax.Expr, bool) {
	if len(c.args) == 0 {
		return nil, false
	}
	x := c.next()
	if l, ok := x.(*syntax.Literal); ok && l.Value == "~" {
		return nil, false
	}
	if a, ok := x.(*syntax.Assign); ok && !a.Tuple {
		x = a.X
	}
	return x, true
}

// number takes an optional constant number between two bounds.
func (c *pluginCall) number(t schema.Type, def any, least, most float64) plan.Expr {
	x, ok := c.given()
	if !ok {
		return &plan.Const{T: t, Value: def}
	}
	k := c.b.constant(x, c.env, "A parameter of "+c.name()+"()")
	if k == nil {
		c.bad = true
		return nil
	}
	v, isConst := c.b.convert(k, t, x.Where()).(*plan.Const)
	if !isConst {
		c.bad = true
		return nil
	}
	f, isReal := v.Value.(float64)
	if n, isLong := v.Value.(int64); isLong {
		f, isReal = float64(n), true
	}
	if !isReal || f < least || f > most {
		c.fail(x.Where(), "A parameter of %s() must lie between %v and %v.", c.name(), least, most)
	}
	return v
}

// clusters is what the plugins on combinations of values have in common: rows
// that are equal are counted by the engine, and the function works on those.
type clusters struct {
	weight plan.Expr // what a row counts, nil is 1
	skip   map[plan.ID]bool
	wild   map[schema.Type]plan.Expr // instead of null for any value
}

func (c *pluginCall) weightColumn(s *clusters) {
	x, ok := c.given()
	if !ok || c.bad {
		return
	}
	col, isCol := c.b.expr(x, c.b.scope(c.in, c.env, "evaluate")).(*plan.Col)
	if !isCol {
		c.fail(x.Where(), "The weight of %s() is a column.", c.name())
		return
	}
	s.skip[col.ID], s.weight = true, c.b.convert(col, schema.Real, x.Where())
}

func (c *pluginCall) wildcards(s *clusters) {
	for len(c.args) > 0 && !c.bad {
		x, ok := c.given()
		if !ok {
			continue
		}
		k := c.b.constant(x, c.env, "A wildcard of "+c.name()+"()")
		if k == nil {
			c.bad = true
			return
		}
		s.wild[k.T] = k
	}
}

// cluster runs function. counts are further sums, each of the weight of the
// rows for which a condition holds; numbers are the function's own columns.
func (c *pluginCall) cluster(s *clusters, function string, counts []plan.Expr, args []plan.Expr, numbers []plan.Column) *table {
	if c.bad {
		return nil
	}
	b := c.b
	one := func(t schema.Type) plan.Expr {
		if s.weight != nil {
			return s.weight
		}
		return &plan.Const{T: t, Value: 1.0}
	}
	sum, err := builtin.Aggregates().Resolve("sum", []schema.Type{schema.Real})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	group := &plan.Aggregate{In: c.in.rel}
	add := func(cond plan.Expr) plan.Expr {
		col := b.column("weight", schema.Real)
		group.Aggs = append(group.Aggs, plan.Item{Col: col, Value: &plan.Agg{F: sum, Args: []plan.Expr{one(schema.Real)}, T: schema.Real, Filter: cond}})
		return b.builtin("__rawjson", &plan.Col{Column: col})
	}
	values := []plan.Expr{add(nil)}
	for _, cond := range counts {
		values = append(values, add(cond))
	}
	cols := numbers
	var key plan.Expr = &plan.Const{T: schema.String, Value: ""}
	for _, col := range c.in.cols {
		if s.skip[col.ID] {
			continue
		}
		k := b.column(col.Name, col.Type)
		group.Keys = append(group.Keys, plan.Item{Col: k, Value: &plan.Col{Column: col}})
		values = append(values, b.number(&plan.Col{Column: k}))
		cols = append(cols, b.column(unique(cols, col.Name), col.Type))
	}
	if len(group.Keys) == 0 {
		c.fail(c.op.Span, "%s() needs columns to look at.", c.name())
		return nil
	}
	key = b.builtin("tostring", b.builtin("pack_array", values...)) // so that answers do not differ from run to run
	out := b.laidOut(b.listed(group, values, key), function, args, cols)
	var wild []plan.Item
	final := out.cols[:len(numbers):len(numbers)]
	for _, col := range out.cols[len(numbers):] {
		w, has := s.wild[col.Type]
		if !has || w == nil {
			final = append(final, col)
			continue
		}
		is := b.builtin("isempty", &plan.Col{Column: col})
		n := b.column(col.Name, col.Type)
		wild = append(wild, plan.Item{Col: n, Value: &plan.Case{Whens: []plan.When{{If: is, Then: w}}, Else: &plan.Col{Column: col}, T: col.Type}})
		final = append(final, n)
	}
	if len(wild) > 0 {
		out.rel = b.add(out.rel, out.rel.Columns(), wild)
		out.cols = final
	}
	return out
}

func (c *pluginCall) segments(names ...string) (out []plan.Column) {
	for i, n := range names {
		t := schema.Real
		if i == 0 || n[:5] == "Count" {
			t = schema.Long
		}
		out = append(out, c.b.column(n, t))
	}
	return out
}

func newClusters() *clusters {
	return &clusters{skip: map[plan.ID]bool{}, wild: map[schema.Type]plan.Expr{}}
}

// pluginBasket finds combinations of values that are frequent.
func pluginBasket(_ *binder, c *pluginCall) *table {
	s := newClusters()
	share := c.number(schema.Real, 0.05, 0.001, 1)
	c.weightColumn(s)
	most := c.number(schema.Long, int64(5), 1, 1000)
	c.wildcards(s)
	return c.cluster(s, "__basket", nil, []plan.Expr{share, most}, c.segments("SegmentId", "Count", "Percent"))
}

// pluginAutocluster finds few combinations of values that say much of many rows.
func pluginAutocluster(_ *binder, c *pluginCall) *table {
	s := newClusters()
	size := c.number(schema.Real, 0.5, 0, 1)
	c.weightColumn(s)
	c.number(schema.Long, int64(25), 1, 1000) // seeds of a search by chance; all is looked at here
	c.wildcards(s)
	return c.cluster(s, "__autocluster", nil, []plan.Expr{size}, c.segments("SegmentId", "Count", "Percent"))
}

// pluginDiffpatterns finds combinations of values that two sets of rows differ in.
func pluginDiffpatterns(b *binder, c *pluginCall) *table {
	if !c.need(3, "column, value A, value B, threshold, weight column, dimensions, wildcards…") {
		return nil
	}
	s := newClusters()
	x := c.next()
	split, isCol := b.expr(x, b.scope(c.in, c.env, "evaluate")).(*plan.Col)
	if !isCol {
		c.fail(x.Where(), "diffpatterns() splits the rows by a column.")
		return nil
	}
	s.skip[split.ID] = true
	var sets []plan.Expr
	for range 2 {
		v := c.next()
		k := b.constant(v, c.env, "A value of diffpatterns()")
		if k == nil {
			return nil
		}
		text := b.convert(split, schema.String, v.Where())
		sets = append(sets, &plan.Compare{Op: "==", X: text, Y: b.convert(k, schema.String, v.Where())})
	}
	in := *c.in
	in.rel = &plan.Filter{In: in.rel, Pred: &plan.Logic{Op: "or", X: sets[0], Y: sets[1]}}
	c.in = &in
	c.weightColumn(s)
	least := c.number(schema.Real, 0.05, 0.015, 1)
	most := c.number(schema.Long, int64(1000), 1, 1000)
	c.wildcards(s)
	return c.cluster(s, "__diffpatterns", sets, []plan.Expr{least, most}, c.segments("SegmentId", "CountA", "CountB", "PercentA", "PercentB", "PercentDiffAB"))
}
