package bind

import (
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// aggregates collects the aggregates of an operator's expressions. In the
// expressions a column stands for each.
type aggregates struct {
	items  []plan.Item
	closed bool // inside the arguments of an aggregate: none may stand here
}

func (b *binder) countAll() plan.Expr {
	f, err := builtin.Aggregates().Resolve("count", nil)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return &plan.Agg{F: f, T: schema.Long}
}

func (b *binder) summarize(op *syntax.Summarize, t *table, e *env) *table {
	keySc := b.scope(t, e, "summarize")
	agg := &plan.Aggregate{In: t.rel}
	var cols []plan.Column
	ok := true
	for _, x := range op.By {
		list, fine := b.item(x, keySc)
		ok = ok && fine
		for _, n := range list {
			if n.x == nil {
				continue
			}
			if n.name == "" {
				n.name = numbered(slices.Concat(t.cols, cols)) // not even a column of the input has it
			}
			c := b.column(unique(cols, n.name), n.x.Type())
			cols = append(cols, c)
			agg.Keys = append(agg.Keys, plan.Item{Col: c, Value: n.x})
		}
	}
	sc := b.scope(t, e, "summarize")
	sc.agg, sc.win, sc.serial = &aggregates{}, &windows{}, t.serial || groups(t.rel) != nil
	var out []plan.Item
	for _, x := range op.Aggs {
		list, fine := b.aggItem(x, sc, agg.Keys)
		ok = ok && fine
		for _, n := range list {
			if n.x == nil {
				continue
			}
			if n.name == "" {
				n.name = numbered(slices.Concat(t.cols, cols)) // not even a column of the input has it
			}
			c := b.column(unique(cols, n.name), n.x.Type())
			cols = append(cols, c)
			out = append(out, plan.Item{Col: c, Value: n.x})
		}
	}
	if !ok {
		return nil
	}
	if sc.win.by != 0 && !t.serial {
		ordered := *t
		ordered.rel = groupsInOrder(t.rel)
		t = &ordered
	}
	agg.In = b.withWindows(t, sc, op.Span)
	agg.Aggs = sc.agg.items
	if len(op.Aggs) == 0 {
		return &table{rel: agg, cols: cols}
	}
	return &table{rel: b.add(agg, agg.Columns()[:len(agg.Keys)], out), cols: cols}
}

// aggItem binds one item of summarize, which may give several columns.
func (b *binder) aggItem(x syntax.Expr, sc *scope, keys []plan.Item) ([]named, bool) {
	inner, given := x, []*syntax.Name(nil)
	if a, ok := x.(*syntax.Assign); ok {
		inner, given = a.X, a.Names
	}
	if c, ok := inner.(*syntax.Call); ok && b.function(c.Name.Name, sc.env) == nil {
		if list, done := b.aggTuple(c, given, sc, keys); done {
			return list, list != nil
		}
	}
	y := b.expr(inner, sc)
	if y == nil {
		return nil, false
	}
	n := named{name: b.aggName(inner), x: y, at: x.Where()}
	if len(given) > 0 {
		n.name, n.given = given[0].Name, true
	}
	if !b.onlyAggregates(y, sc, keys) {
		b.fail(x.Where(), syntax.CodeSemantic, "'summarize' operator: what stands before by must be an aggregate such as count() or max(x).")
		return nil, false
	}
	return []named{n}, true
}

// onlyAggregates reports whether a value reads nothing but aggregates.
func (b *binder) onlyAggregates(x plan.Expr, sc *scope, keys []plan.Item) bool {
	ok := true
	plan.Walk(x, func(e plan.Expr) {
		if c, is := e.(*plan.Col); is {
			if _, input := find(sc.cols, c.Name); input && slices.ContainsFunc(sc.cols, func(o plan.Column) bool { return o.ID == c.ID }) {
				ok = false
			}
		}
	})
	return ok
}

// aggName is how an unnamed aggregate is called: count_, sum_x, x for take_any(x).
func (b *binder) aggName(x syntax.Expr) string {
	c, ok := x.(*syntax.Call)
	if !ok {
		if p, isParen := x.(*syntax.Paren); isParen {
			return b.aggName(p.X)
		}
		return ""
	}
	forms := builtin.Aggregates().Forms(c.Name.Name)
	if len(forms) == 0 {
		if f := builtin.Functions().Forms(c.Name.Name); len(f) > 0 && f[0].Named == builtin.ByArgument && len(c.Args) > 0 {
			if _, isCall := c.Args[0].(*syntax.Call); isCall { // toint(count()) is called like count()
				return b.aggName(c.Args[0])
			}
		}
		return b.callName(c)
	}
	first := ""
	if len(c.Args) > 0 {
		first = b.nameOf(c.Args[0])
	}
	if forms[0].Named == builtin.ByArgument {
		return first
	}
	if strings.HasPrefix(c.Name.Name, "covariance") && len(c.Args) > 1 {
		first += "_" + b.nameOf(c.Args[1])
	}
	return aggPrefix(c.Name.Name) + "_" + first
}

// aggPrefix is what names of an aggregate's columns begin with.
func aggPrefix(name string) string {
	switch name {
	case "make_list", "makelist", "make_list_if", "make_list_with_nulls":
		return "list"
	case "make_set", "makeset", "make_set_if":
		return "set"
	case "make_bag", "make_bag_if":
		return "bag"
	case "make_dictionary":
		return "dictionary"
	case "buildschema":
		return "schema"
	case "tdigest_merge", "merge_tdigest":
		return "merge_tdigests"
	}
	return name
}

// aggregateCall binds an aggregate in an expression and returns the column
// that stands for it.
func (b *binder) aggregateCall(x *syntax.Call, sc *scope) plan.Expr {
	list, done := b.aggTuple(x, nil, sc, nil)
	if done {
		if len(list) == 0 {
			return nil
		}
		return list[0].x
	}
	inner := *sc
	inner.agg = &aggregates{closed: true}
	args, ok := b.args(x, &inner)
	if !ok {
		return nil
	}
	f, err := builtin.Aggregates().Resolve(x.Name.Name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "%s.", err)
		return nil
	}
	return b.aggregate(f, args, sc, x)
}

// aggregate adds an aggregate to the collection. Its condition, if the
// signature has one, becomes a filter.
func (b *binder) aggregate(f *builtin.Form, args []plan.Expr, sc *scope, x *syntax.Call) plan.Expr {
	a := &plan.Agg{F: f, T: f.ResultType(types(args))}
	for i, y := range args {
		p := f.Params[min(i, len(f.Params)-1)]
		to, _, _ := f.Target(i, y.Type())
		y = b.convert(y, to, x.Span)
		if y == nil {
			return nil
		}
		if p.Name == "condition" {
			a.Filter = y
			continue
		}
		if p.Name == "accuracy" {
			continue
		}
		if p.Name == "max" {
			if _, ok := y.(*plan.Const); !ok {
				b.fail(x.Args[i].Where(), syntax.CodeConstant, "The greatest number of elements must be a constant.")
				return nil
			}
		}
		a.Args = append(a.Args, y)
	}
	if f.Rule == "viareal" { // a dynamic value is aggregated as a number
		args[0] = b.convert(args[0], schema.Real, x.Span)
		g, err := builtin.Aggregates().Resolve(f.Names[0], types(args))
		if err != nil {
			panic("internal error: " + err.Error())
		}
		return b.aggregate(g, args, sc, x)
	}
	switch f.Rule {
	case "sketch":
		a.Args[0] = b.toJSON(a.Args[0])
	case "list", "list_nulls", "set", "bag", "buildschema": // these work on JSON; of a dynamic value a null counts
		dynamic := a.Args[0].Type() == schema.Dynamic
		a.Args[0] = b.toJSON(a.Args[0])
		a.Flat = dynamic && (f.Rule == "list" || f.Rule == "set" || f.Rule == "list_nulls")
		if dynamic && f.Rule == "list" {
			a.Args[0] = b.builtin("__nulltext", a.Args[0])
		}
		if sc.serial && f.Rule != "set" {
			a.Order = b.rowNumber(sc)
		}
	}
	c := b.column(f.Names[0], a.T)
	sc.agg.items = append(sc.agg.items, plan.Item{Col: c, Value: a})
	return &plan.Col{Column: c}
}

// aggTuple binds the aggregates that give several columns.
func (b *binder) aggTuple(c *syntax.Call, given []*syntax.Name, sc *scope, keys []plan.Item) ([]named, bool) {
	forms := builtin.Aggregates().Forms(c.Name.Name)
	if len(forms) == 0 {
		return nil, false
	}
	inner := *sc
	inner.agg = &aggregates{closed: true}
	switch forms[0].Rule {
	case "arg_max", "arg_min":
		return b.argExtreme(c, given, sc, &inner, keys), true
	case "take_any":
		return b.takeAny(c, given, sc, &inner, keys), true
	case "percentile", "percentiles", "percentiles_array", "percentilew", "percentilesw", "percentilesw_array":
		return b.percentiles(forms[0], c, given, sc, &inner), true
	}
	return nil, false
}

// rest lists what * means in arg_max(t, *): all columns but the keys and t.
func rest(sc *scope, keys []plan.Item, but plan.Expr) (out []plan.Column) {
	skip := map[plan.ID]bool{}
	for _, k := range keys {
		if c, ok := k.Value.(*plan.Col); ok {
			skip[c.ID] = true
		}
	}
	if c, ok := but.(*plan.Col); ok {
		skip[c.ID] = true
	}
	for _, c := range sc.cols {
		if !skip[c.ID] {
			out = append(out, c)
		}
	}
	return out
}

func (b *binder) argExtreme(c *syntax.Call, given []*syntax.Name, sc, inner *scope, keys []plan.Item) []named {
	if len(c.Args) < 1 {
		b.fail(c.Span, syntax.CodeCall, "%s() takes a value and what to answer beside it, or *.", c.Name.Name)
		return nil
	}
	by := b.expr(c.Args[0], inner)
	if by == nil {
		return nil
	}
	forms := builtin.Aggregates().Forms(c.Name.Name)
	key := by
	if by.Type() == schema.Dynamic {
		key = b.builtin("__sortkey", by)
	} else if by.Type() == schema.Decimal {
		key = b.convert(by, schema.Real, c.Span)
	}
	pick := func(x plan.Expr) plan.Expr {
		col := b.column(c.Name.Name, x.Type())
		sc.agg.items = append(sc.agg.items, plan.Item{Col: col, Value: &plan.Agg{F: forms[0], Args: []plan.Expr{x, key}, T: x.Type()}})
		return &plan.Col{Column: col}
	}
	name := b.nameOf(c.Args[0])
	if name == "" {
		name = c.Name.Name + "_"
	}
	old := c.Name.Name == "argmax" || c.Name.Name == "argmin"
	if old {
		name = map[string]string{"argmax": "max_", "argmin": "min_"}[c.Name.Name] + name
	}
	out := []named{{name: name, x: pick(by), at: c.Span}}
	prefix := ""
	if old {
		prefix = name + "_"
	}
	for _, a := range c.Args[1:] {
		if _, star := a.(*syntax.Star); star {
			for _, col := range rest(sc, keys, by) {
				out = append(out, named{name: prefix + col.Name, x: pick(&plan.Col{Column: col}), at: a.Where()})
			}
			continue
		}
		list, ok := b.item(a, inner)
		if !ok {
			return nil
		}
		for _, n := range list {
			out = append(out, named{name: prefix + n.name, x: pick(n.x), at: n.at})
		}
	}
	rename(out, given)
	return out
}

func rename(out []named, given []*syntax.Name) {
	for i, g := range given {
		if i < len(out) {
			out[i].name, out[i].given = g.Name, true
		}
	}
}

func (b *binder) takeAny(c *syntax.Call, given []*syntax.Name, sc, inner *scope, keys []plan.Item) []named {
	forms := builtin.Aggregates().Forms(c.Name.Name)
	var out []named
	pick := func(name string, x plan.Expr) {
		col := b.column("any", x.Type())
		sc.agg.items = append(sc.agg.items, plan.Item{Col: col, Value: &plan.Agg{F: forms[0], Args: []plan.Expr{x}, T: x.Type()}})
		if c.Name.Name == "any" {
			name = "any_" + name
		}
		out = append(out, named{name: name, x: &plan.Col{Column: col}, at: c.Span})
	}
	for _, a := range c.Args {
		if _, star := a.(*syntax.Star); star {
			for _, col := range rest(sc, keys, nil) {
				pick(col.Name, &plan.Col{Column: col})
			}
			continue
		}
		y := b.expr(a, inner)
		if y == nil {
			return nil
		}
		pick(b.nameOf(a), y)
	}
	if len(out) == 0 {
		b.fail(c.Span, syntax.CodeCall, "%s() takes columns or *.", c.Name.Name)
		return nil
	}
	rename(out, given)
	return out
}

func (b *binder) percentiles(f *builtin.Form, c *syntax.Call, given []*syntax.Name, sc, inner *scope) []named {
	weighted := 0
	if f.Rule[:min(len(f.Rule), 11)] == "percentilew" || f.Rule[:min(len(f.Rule), 12)] == "percentilesw" {
		weighted = 1
	}
	if len(c.Args) < 2+weighted {
		b.fail(c.Span, syntax.CodeCall, "%s() takes a value and percentiles; it is %s%s.", c.Name.Name, c.Name.Name, f.Sig)
		return nil
	}
	x := b.expr(c.Args[0], inner)
	if x == nil {
		return nil
	}
	if x.Type() == schema.Dynamic || x.Type() == schema.Decimal {
		x = b.convert(x, schema.Real, c.Span)
	}
	if _, _, ok := f.Target(0, x.Type()); !ok {
		b.fail(c.Args[0].Where(), syntax.CodeCall, "%s() needs numbers, datetimes or timespans, not a %s.", c.Name.Name, x.Type())
		return nil
	}
	t := x.Type()
	if t == schema.Int {
		t = schema.Long
	}
	args := []plan.Expr{b.convert(x, t, c.Span)}
	if weighted == 1 {
		w := b.convert(b.expr(c.Args[1], inner), schema.Long, c.Span)
		if w == nil {
			return nil
		}
		args = append(args, w)
	}
	var ps []plan.Expr
	for _, a := range c.Args[1+weighted:] {
		y := b.expr(a, inner)
		if y == nil {
			return nil
		}
		k, ok := y.(*plan.Const)
		if !ok {
			b.fail(a.Where(), syntax.CodeConstant, "A percentile must be a constant.")
			return nil
		}
		if k.T == schema.Dynamic {
			ps = append(ps, elements(k)...)
		} else {
			ps = append(ps, k)
		}
	}
	first := b.nameOf(c.Args[0])
	base := map[string]string{"percentile": "percentile", "percentiles": "percentile", "percentilew": "percentilew", "percentilesw": "percentilesw"}[f.Rule]
	array := base == ""
	var out []named
	for _, p := range ps {
		v, ok := b.convert(p, schema.Real, c.Span).(*plan.Const)
		if !ok {
			return nil
		}
		q, _ := v.Value.(float64)
		if q < 0 || q > 100 {
			b.fail(c.Span, syntax.CodeCall, "A percentile lies between 0 and 100.")
			return nil
		}
		col := b.column("percentile", t)
		sc.agg.items = append(sc.agg.items, plan.Item{Col: col, Value: &plan.Agg{F: f, Args: append(slices.Clone(args), &plan.Const{T: schema.Real, Value: q / 100}), T: t}})
		name := base + "_" + first + "_" + identifier(strconv.FormatFloat(q, 'f', -1, 64))
		out = append(out, named{name: name, x: &plan.Col{Column: col}, at: c.Span})
	}
	if array {
		var list []plan.Expr
		for _, n := range out {
			list = append(list, n.x)
		}
		out = []named{{name: "percentiles_" + first, x: b.builtin("pack_array", list...), at: c.Span}}
	}
	rename(out, given)
	return out
}
