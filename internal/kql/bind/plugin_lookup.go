package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// nameIn is the column that an expression names, if it is no more than a name.
func (b *binder) nameIn(x syntax.Expr, t *table) (plan.Column, bool) {
	n, ok := x.(*syntax.Name)
	if !ok {
		return plan.Column{}, false
	}
	return find(t.cols, n.Name)
}

// pluginDcountIntersect counts what the first one, two, three, … sketches have in common.
func pluginDcountIntersect(b *binder, c *pluginCall) *table {
	if !c.need(2, "hll, hll, …") {
		return nil
	}
	args, ok := b.args(&syntax.Call{Span: c.op.Span, Name: c.op.Call.Name, Args: c.args}, b.scope(c.in, c.env, "evaluate"))
	if !ok {
		return nil
	}
	const most = 12 // every further sketch doubles the work
	if len(args) > most {
		c.fail(c.op.Span, "dcount_intersect() takes at most %d sketches.", most)
		return nil
	}
	for i, a := range args {
		if a.Type() != schema.Dynamic {
			c.fail(c.args[i].Where(), "dcount_intersect() takes what hll() gives, not a %s.", a.Type())
			return nil
		}
	}
	all := b.column("counts", schema.Dynamic)
	p := &plan.Project{In: c.in.rel, Items: []plan.Item{{Col: all, Value: b.builtin("__dcount_intersect", args...)}}}
	out := &plan.Project{In: p}
	for i := range args {
		out.Items = append(out.Items, plan.Item{Col: b.column("s"+itoa(i), schema.Long), Value: b.convert(stepInto(&plan.Col{Column: all}, i), schema.Long, c.op.Span)})
	}
	return &table{rel: out, cols: out.Columns(), serial: c.in.serial}
}

// everything lets the text see all columns of the input, as T.
func (c *pluginCall) everything(more ...plan.Item) []string {
	b := c.b
	rel := b.add(c.in.rel, c.in.cols, more)
	cols := slices.Clone(c.in.cols)
	for _, it := range more {
		cols = append(cols, it.Col)
	}
	c.names["T"] = b.share("T", &table{rel: rel, cols: cols, serial: c.in.serial}, false)
	return names(c.in.cols)
}

// pluginRowsNear keeps rows near those for which a condition is true.
func pluginRowsNear(b *binder, c *pluginCall) *table {
	if !c.need(2, "condition, rows before, rows after") {
		return nil
	}
	x := c.next()
	pred := b.condition(b.expr(x, b.scope(c.in, c.env, "evaluate")), x.Where(), "evaluate")
	if pred == nil {
		return nil
	}
	n := c.whole("_before", 0)
	c.names["_after"] = &binding{scalar: &plan.Const{T: schema.Long, Value: n}}
	if len(c.args) > 0 {
		c.whole("_after", 0)
	}
	all := c.everything(plan.Item{Col: b.column("_hit", schema.Bool), Value: pred})
	return c.run(`
let d = T | serialize _row = row_number();
let near = d | where _hit | mv-expand _row = range(_row - _before, _row + _after) to typeof(long) | distinct _row;
d | join kind=leftsemi near on _row | sort by _row asc | project-away _row, _hit`, all...)
}

// pluginSchemaMerge makes one schema of several that getschema gave.
func pluginSchemaMerge(b *binder, c *pluginCall) *table {
	for _, n := range []string{"ColumnName", "DataType", "ColumnType"} {
		if _, ok := find(c.in.cols, n); !ok {
			c.fail(c.op.Span, "schema_merge() works on what getschema gives; there is no column '%s'.", n)
			return nil
		}
	}
	c.everything()
	return c.run(`
T | serialize _row = row_number() | summarize _row = min(_row) by ColumnName, DataType, ColumnType | sort by _row asc
| project ColumnName, ColumnOrdinal = row_number(0), DataType, ColumnType`)
}

// pluginSequenceDetect finds rows of one kind after another.
func pluginSequenceDetect(b *binder, c *pluginCall) *table {
	if !c.need(4, "time, step span, sequence span, name = condition, …, dimensions…") {
		return nil
	}
	name, t := c.value("_t")
	c.constant("_step", span(t))
	c.constant("_span", span(t))
	var steps []string
	for len(c.args) > 0 && !c.bad {
		a, isAssign := c.args[0].(*syntax.Assign)
		if !isAssign {
			y := b.expr(c.args[0], b.scope(c.in, c.env, "evaluate"))
			if y == nil {
				return nil
			}
			if _, isCol := y.(*plan.Col); isCol || y.Type() != schema.Bool {
				break
			}
		}
		label := "_e" + itoa(len(steps))
		_, typ := c.value(label)
		if c.bad {
			return nil
		}
		if typ != schema.Bool {
			c.fail(c.op.Span, "A step of sequence_detect() is a condition, not a %s.", typ)
			return nil
		}
		given := "Expr" + itoa(len(steps)+1)
		if isAssign {
			given = a.Names[0].Name
		}
		steps = append(steps, given)
	}
	c.rest()
	if len(steps) == 0 {
		c.fail(c.op.Span, "sequence_detect() needs conditions.")
		return nil
	}
	text := "T | where _e0 | summarize by _t0 = _t, _one = 1{dims}"
	out, cols := []string{"*"}, ""
	for i, s := range steps {
		out = append(out, s+"_"+name)
		cols += ", _t" + itoa(i)
		if i > 0 {
			text += "\n| join kind=inner (T | where _e" + itoa(i) + " | summarize by _t" + itoa(i) + " = _t, _one = 1{dims}) on _one{dims} | where _t" + itoa(i) + " > _t" + itoa(i-1) +
				" and _t" + itoa(i) + " - _t" + itoa(i-1) + " <= _step and _t" + itoa(i) + " - _t0 <= _span | project _one{dims}" + cols
		}
	}
	last := "_t" + itoa(len(steps)-1)
	dims := ""
	for i := range c.dims {
		dims += "_d" + itoa(i) + ", "
	}
	text += "\n| sort by _t0 asc, " + last + " asc | project " + dims + cols[2:] + ", _duration = " + last + " - _t0"
	return c.run(text, append(out, "Duration")...)
}
