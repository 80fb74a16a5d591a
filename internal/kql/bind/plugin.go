package bind

import (
	"slices"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// A plugin is called by evaluate. Most are written in the language itself: the
// binder gives names to the call's columns and values and binds a text.
type plugin func(b *binder, c *pluginCall) *table

// A pluginRule is one plugin.
type pluginRule struct {
	name string
	bind plugin
	doc  string
}

// pluginRules lists the plugins that are here.
func pluginRules() []pluginRule {
	return []pluginRule{
		{"active_users_count", pluginActiveUsers, "Counts ids that were there in several periods of a window."},
		{"activity_counts_metrics", pluginActivityCounts, "Counts rows, ids and new ids step by step."},
		{"activity_engagement", pluginEngagement, "Compares the ids of a short window with those of a long one."},
		{"activity_metrics", pluginActivityMetrics, "Tells which ids are new, stayed and left, step by step."},
		{"autocluster", pluginAutocluster, "Finds few combinations of values that say much of many rows."},
		{"bag_unpack", func(b *binder, c *pluginCall) *table { return b.bagUnpack(c.op, c.in, c.env) }, "Makes columns of the properties of a bag."},
		{"basket", pluginBasket, "Finds combinations of values that are frequent."},
		{"dcount_intersect", pluginDcountIntersect, "Counts what hyperloglogs have in common."},
		{"diffpatterns", pluginDiffpatterns, "Finds combinations of values in which two sets of rows differ."},
		{"funnel_sequence", pluginFunnelSequence, "Counts what comes before and behind a sequence of states."},
		{"funnel_sequence_completion", pluginFunnelCompletion, "Counts how far ids get through a sequence of states."},
		{"geo_line_lookup", pluginGeoLookup, "Pairs places with the lines of a table that they are near to."},
		{"geo_polygon_lookup", pluginGeoLookup, "Pairs places with the polygons of a table in which they lie."},
		{"ipv4_lookup", func(b *binder, c *pluginCall) *table { return b.ipLookup(c.op, c.in, c.env) }, "Pairs addresses with the networks of a table."},
		{"ipv6_lookup", func(b *binder, c *pluginCall) *table { return b.ipLookup(c.op, c.in, c.env) }, "Pairs addresses with the networks of a table."},
		{"narrow", func(b *binder, c *pluginCall) *table { return b.narrow(c.op, c.in) }, "Makes a row of each cell."},
		{"new_activity_metrics", pluginNewActivity, "Follows the ids that came first in a step through the later ones."},
		{"pivot", pluginPivot, "Makes a column of each value of a column."},
		{"rolling_percentile", pluginRollingPercentile, "Computes a percentile over several steps together."},
		{"rows_near", pluginRowsNear, "Keeps rows near those for which a condition is true."},
		{"schema_merge", pluginSchemaMerge, "Makes one schema of several."},
		{"sequence_detect", pluginSequenceDetect, "Finds rows of one kind after those of another."},
		{"session_count", pluginSessions, "Counts sessions: an id's rows without a long gap between them."},
		{"sliding_window_counts", pluginSlidingWindow, "Counts rows and ids of a window that ends with each step."},
	}
}

// Plugins lists the plugins with a line on what each does.
func Plugins() (out []syntax.OperatorDoc) {
	for _, r := range pluginRules() {
		out = append(out, syntax.OperatorDoc{Keyword: r.name, Doc: r.doc})
	}
	return out
}

// A pluginCall is a call of a plugin while its arguments are bound.
type pluginCall struct {
	b     *binder
	op    *syntax.Evaluate
	in    *table
	env   *env
	args  []syntax.Expr // those that are not bound yet
	dims  []named
	items []plan.Item         // columns that the text sees, under names of its own
	names map[string]*binding // constants and tables that the text sees
	bad   bool
}

// evaluate calls a plugin.
func (b *binder) evaluate(op *syntax.Evaluate, t *table, e *env) *table {
	name := op.Call.Name.Name
	rules := pluginRules()
	i := slices.IndexFunc(rules, func(r pluginRule) bool { return r.name == name })
	switch {
	case i < 0:
		b.fail(op.Call.Name.Span, syntax.CodeUnsupported, "The plugin '%s' is not supported.", name)
		return nil
	case t == nil:
		b.fail(op.Span, syntax.CodeUnsupported, "The plugin '%s' needs rows to work on.", name)
		return nil
	}
	return rules[i].bind(b, &pluginCall{b: b, op: op, in: t, env: e, args: slices.Clone(op.Call.Args), names: map[string]*binding{}})
}

func (c *pluginCall) name() string { return c.op.Call.Name.Name }

// fail reports a mistake in the call once.
func (c *pluginCall) fail(at syntax.Span, format string, args ...any) {
	if !c.bad {
		c.b.fail(at, syntax.CodeCall, format, args...)
	}
	c.bad = true
}

// need reports whether there are at least n further arguments.
func (c *pluginCall) need(n int, usage string) bool {
	if len(c.args) < n {
		c.fail(c.op.Span, "%s() takes more arguments; it is %s(%s).", c.name(), c.name(), usage)
	}
	return !c.bad
}

// next takes the next argument.
func (c *pluginCall) next() syntax.Expr {
	if len(c.args) == 0 {
		c.fail(c.op.Span, "%s() takes more arguments.", c.name())
		return nil
	}
	x := c.args[0]
	c.args = c.args[1:]
	return x
}

// value takes the next argument as a value of the input's rows and lets the
// text see it as name. It returns what the argument is called.
func (c *pluginCall) value(name string) (string, schema.Type) {
	x := c.next()
	if x == nil || c.bad {
		return "", schema.Long
	}
	list, ok := c.b.item(x, c.b.scope(c.in, c.env, "evaluate"))
	if !ok || len(list) != 1 {
		c.bad = true
		return "", schema.Long
	}
	c.items = append(c.items, plan.Item{Col: c.b.column(name, list[0].x.Type()), Value: list[0].x})
	return list[0].name, list[0].x.Type()
}

// constant takes the next argument as a value that does not depend on rows and
// lets the text see it as name. With a type it is converted to that.
func (c *pluginCall) constant(name string, t schema.Type) plan.Expr {
	x := c.next()
	if x == nil || c.bad {
		return nil
	}
	if a, ok := x.(*syntax.Assign); ok && !a.Tuple {
		x = a.X
	}
	y := c.b.expr(x, &scope{env: c.env, where: "evaluate"})
	if y != nil && t != schema.Invalid {
		y = c.b.convert(y, t, x.Where())
	}
	if y == nil {
		c.bad = true
		return nil
	}
	c.names[name] = &binding{scalar: y}
	return y
}

// whole takes the next argument as a constant number that is at least least.
func (c *pluginCall) whole(name string, least int64) int64 {
	y, ok := c.constant(name, schema.Long).(*plan.Const)
	if c.bad {
		return least
	}
	n, isLong := int64(0), false
	if ok {
		n, isLong = y.Value.(int64)
	}
	if !isLong || n < least {
		c.fail(c.op.Span, "%s() takes a constant of at least %d here.", c.name(), least)
		return least
	}
	return n
}

// named takes an argument given as name=value out of the list.
func (c *pluginCall) named(name string) (syntax.Expr, bool) {
	for i, x := range c.args {
		if a, ok := x.(*syntax.Assign); ok && !a.Tuple && strings.EqualFold(a.Names[0].Name, name) {
			c.args = slices.Delete(c.args, i, i+1)
			return a.X, true
		}
	}
	return nil, false
}

// flag is a named argument that is a constant of type bool.
func (c *pluginCall) flag(name string) bool {
	x, ok := c.named(name)
	if !ok {
		return false
	}
	y := c.b.constant(x, c.env, name)
	if y == nil || y.T != schema.Bool {
		c.fail(x.Where(), "%s is true or false.", name)
		return false
	}
	return y.Value == true
}

// span is the type of differences on an axis.
func span(t schema.Type) schema.Type {
	if t == schema.DateTime {
		return schema.TimeSpan
	}
	return t
}

// rest takes all further arguments as dimensions.
func (c *pluginCall) rest() {
	for len(c.args) > 0 && !c.bad {
		name, t := c.value("_d" + itoa(len(c.dims)))
		c.dims = append(c.dims, named{name: name, x: &plan.Col{Column: plan.Column{Type: t}}})
	}
}

// table lets the text see a table.
func (c *pluginCall) table(name string, t *table) { c.names[name] = c.b.share(name, t, false) }

// run binds a text of the language with what the call gave. It sees the rows as
// T. {dims} stands for ", _d0, _d1…", {prefix} for "_d0 asc, …", {differ} for
// " or _d0 != prev(_d0)…". The columns of the result get the given names; the
// name "*" stands for those of the dimensions.
func (c *pluginCall) run(text string, names ...string) *table {
	if c.bad {
		return nil
	}
	var dims, prefix, differ string
	for i := range c.dims {
		d := "_d" + itoa(i)
		dims += ", " + d
		prefix += d + " asc, "
		differ += " or " + d + " != prev(" + d + ")"
	}
	text = strings.NewReplacer("{dims}", dims, "{prefix}", prefix, "{differ}", differ).Replace(text)
	b := c.b
	if _, there := c.names["T"]; !there {
		p := &plan.Project{In: c.in.rel, Items: c.items}
		c.names["T"] = b.share("T", &table{rel: p, cols: p.Columns(), serial: c.in.serial}, false)
	}
	q, errs := syntax.Parse(text)
	if len(errs) > 0 {
		panic("internal error: the text of " + c.name() + ": " + errs.Error())
	}
	if b.at == nil {
		b.at = &c.op.Span
		defer func() { b.at = nil }()
	}
	out, _ := b.query(q, &env{names: c.names}, nil)
	if out == nil {
		return nil
	}
	var all []string
	for _, n := range names {
		if n != "*" {
			all = append(all, n)
			continue
		}
		for _, d := range c.dims {
			all = append(all, d.name)
		}
	}
	out = b.exact(out)
	cols := make([]plan.Column, 0, len(out.cols))
	for i, col := range out.cols {
		if i < len(all) {
			col.Name = unique(cols, all[i])
		}
		cols = append(cols, col)
	}
	return &table{rel: out.rel, cols: cols, serial: out.serial}
}
