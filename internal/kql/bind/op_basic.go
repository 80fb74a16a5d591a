package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// operator binds one operator; t is nil for those that begin a query.
func (b *binder) operator(op syntax.Operator, t *table, e *env) *table {
	switch op := op.(type) {
	case *syntax.Filter:
		return b.where(op, t, e)
	case *syntax.Extend:
		return b.extend(op.Items, t, e, "extend")
	case *syntax.Serialize:
		return b.serialize(op, t, e)
	case *syntax.Project:
		return b.project(op, t, e)
	case *syntax.ProjectAway:
		return b.projectAway(op, t, e)
	case *syntax.ProjectByNames:
		return b.projectByNames(op, t, e)
	case *syntax.ProjectKeep:
		return b.projectKeep(op, t, e)
	case *syntax.ProjectRename:
		return b.projectRename(op, t, e)
	case *syntax.ProjectReorder:
		return b.projectReorder(op, t, e)
	case *syntax.Distinct:
		return b.distinct(op, t, e)
	case *syntax.Sort:
		return b.sort(op, t, e)
	case *syntax.Take:
		return b.take(op, t, e)
	case *syntax.Top:
		return b.top(op, t, e)
	case *syntax.Sample:
		return b.sample(op, t, e)
	case *syntax.SampleDistinct:
		return b.sampleDistinct(op, t, e)
	case *syntax.Count:
		return b.countRows(op, t)
	case *syntax.Summarize:
		return b.summarize(op, t, e)
	case *syntax.Join:
		return b.join(op, t, e)
	case *syntax.Union:
		return b.union(op, t, e)
	case *syntax.Print:
		return b.print(op, e)
	case *syntax.Range:
		return b.rangeOf(op, e)
	case *syntax.GetSchema:
		return b.getSchema(t)
	case *syntax.Consume:
		return &table{rel: &plan.Limit{In: t.rel, N: &plan.Const{T: schema.Long, Value: int64(0)}}, cols: t.cols}
	case *syntax.Invoke:
		return b.invoke(op, t, e)
	}
	return b.operatorMore(op, t, e)
}

func (b *binder) where(op *syntax.Filter, t *table, e *env) *table {
	sc := b.scope(t, e, "where")
	sc.win = &windows{}
	pred := b.condition(b.expr(op.Pred, sc), op.Pred.Where(), "where")
	if pred == nil {
		return nil
	}
	rel := b.withWindows(t, sc, op.Span)
	return &table{rel: &plan.Filter{In: rel, Pred: pred}, cols: t.cols, serial: t.serial, open: t.open, bag: t.bag, known: t.known}
}

// named is one computed column with the name that it asks for.
type named struct {
	name  string // "" if it has none of its own
	given bool   // the query named it
	x     plan.Expr
	at    syntax.Span
	refer bool // a plain column
}

// item binds name = x, or (a, b) = x which gives several.
func (b *binder) item(x syntax.Expr, sc *scope) (out []named, ok bool) {
	a, isAssign := x.(*syntax.Assign)
	if !isAssign {
		if c, isCall := x.(*syntax.Call); isCall {
			if list, done := b.tuple(c, nil, sc); done {
				return list, list != nil
			}
		}
		y := b.expr(x, sc)
		n := named{name: b.nameOf(x), x: y, at: x.Where()}
		if name, isName := x.(*syntax.Name); isName {
			if _, n.refer = find(sc.cols, name.Name); !n.refer {
				if f := sc.env.find(name.Name); f != nil && !isNamed(f) {
					n.name = "" // the value of a let has no name of its own
				}
			}
		}
		return []named{n}, y != nil
	}
	if a.Tuple {
		if c, isCall := a.X.(*syntax.Call); isCall {
			if list, done := b.tuple(c, a.Names, sc); done {
				return list, list != nil
			}
		}
		y := b.expr(a.X, sc)
		if y == nil {
			return nil, false
		}
		if y.Type() != schema.Dynamic {
			b.fail(a.Span, syntax.CodeType, "Several names are given to one value; only a function with several results or an array can have them.")
			return nil, false
		}
		for i, n := range a.Names {
			out = append(out, named{name: n.Name, given: true, x: step(y, plan.Step{Kind: plan.Element, Index: int64(i)}), at: n.Span})
		}
		return out, true
	}
	y := b.expr(a.X, sc)
	return []named{{name: a.Names[0].Name, given: true, x: y, at: a.Span}}, y != nil
}

// isNamed reports whether a value that a name stands for gives its name to a
// column: a column of the row around does, and a value that a query gives.
func isNamed(f *binding) bool {
	switch f.scalar.(type) {
	case *plan.Col, *plan.Scalar:
		return true
	}
	return false
}

// extend adds columns or replaces those of the same name.
func (b *binder) extend(items []syntax.Expr, t *table, e *env, where string) *table {
	sc := b.scope(t, e, where)
	sc.win = &windows{}
	cols := slices.Clone(t.cols)
	var added []plan.Item
	ok := true
	given := map[string]bool{}
	for _, x := range items {
		list, fine := b.item(x, sc)
		ok = ok && fine
		for _, n := range list {
			if n.given && given[n.name] {
				b.fail(n.at, syntax.CodeDuplicate, "A column named '%s' is there already.", n.name)
				ok = false
				continue
			}
			given[n.name] = given[n.name] || n.given
			typ := schema.Dynamic
			if n.x != nil {
				typ = n.x.Type()
			}
			if n.name == "" {
				n.name = unique(cols, "Column1")
				if n.name != "Column1" {
					n.name = numbered(cols)
				}
			}
			c := b.column(n.name, typ)
			if i := slices.IndexFunc(cols, func(o plan.Column) bool { return o.Name == n.name }); i >= 0 {
				cols[i] = c
			} else {
				cols = append(cols, c)
			}
			if n.x != nil {
				added = append(added, plan.Item{Col: c, Value: n.x})
			}
		}
	}
	if !ok {
		return nil
	}
	return &table{rel: b.add(b.withWindows(t, sc, syntax.Span{}), t.carried(), added), cols: cols, serial: t.serial, open: t.open, bag: t.bag, known: t.known}
}

// numbered is the first free name of Column1, Column2, ….
func numbered(cols []plan.Column) string {
	for i := 1; ; i++ {
		n := "Column" + itoa(i)
		if _, taken := find(cols, n); !taken {
			return n
		}
	}
}

// add is a projection that passes columns on and computes more.
func (b *binder) add(in plan.Rel, pass []plan.Column, items []plan.Item) plan.Rel {
	p := &plan.Project{In: in}
	seen := map[plan.ID]bool{}
	for _, c := range pass {
		if !seen[c.ID] {
			seen[c.ID] = true
			p.Items = append(p.Items, plan.Item{Col: c, Value: &plan.Col{Column: c}})
		}
	}
	p.Items = append(p.Items, items...)
	return p
}

func (b *binder) print(op *syntax.Print, e *env) *table {
	sc := &scope{env: e, where: "print"}
	var items []plan.Item
	var cols []plan.Column
	ok := true
	for i, x := range op.Items {
		list, fine := b.item(x, sc)
		ok = ok && fine
		for _, n := range list {
			if n.x == nil {
				continue
			}
			if !n.given && (n.name == "" || !n.refer) {
				if _, isCall := x.(*syntax.Call); !isCall || len(list) == 1 || n.name == "" {
					n.name = "print_" + itoa(i)
				}
			}
			c := b.column(unique(cols, n.name), n.x.Type())
			cols = append(cols, c)
			items = append(items, plan.Item{Col: c, Value: n.x})
		}
	}
	if !ok {
		return nil
	}
	return b.one(items)
}

func (b *binder) countRows(op *syntax.Count, t *table) *table {
	name := "Count"
	if op.As != nil {
		name = op.As.Name
	}
	item := plan.Item{Col: b.column(name, schema.Long), Value: b.countAll()}
	rel := &plan.Aggregate{In: t.rel, Aggs: []plan.Item{item}}
	return &table{rel: rel, cols: rel.Columns(), serial: true}
}

func (b *binder) take(op *syntax.Take, t *table, e *env) *table {
	n := b.rows(op.N, e, "take")
	if n == nil {
		return nil
	}
	return &table{rel: &plan.Limit{In: t.rel, N: n}, cols: t.cols, serial: t.serial, open: t.open, bag: t.bag, known: t.known}
}

// rows binds a number of rows.
func (b *binder) rows(x syntax.Expr, e *env, what string) plan.Expr {
	y := b.expr(x, &scope{env: e, where: what})
	if y == nil {
		return nil
	}
	switch y.Type() {
	case schema.Int, schema.Long, schema.Real, schema.Dynamic:
	default:
		b.fail(x.Where(), syntax.CodeType, "'%s' needs a number of rows, not a %s.", what, y.Type())
		return nil
	}
	if y = b.convert(y, schema.Long, x.Where()); y == nil {
		return nil
	}
	if c, ok := y.(*plan.Const); ok {
		if n, ok := c.Value.(int64); !ok || n < 0 {
			b.fail(x.Where(), syntax.CodeCall, "'%s' needs a number of rows that is not negative.", what)
			return nil
		}
	}
	return y
}

func (b *binder) sort(op *syntax.Sort, t *table, e *env) *table {
	by, pass := b.orders(op.By, t, e, "sort")
	if by == nil {
		return nil
	}
	return &table{rel: &plan.Sort{In: pass, By: by}, cols: t.cols, serial: true, open: t.open, bag: t.bag, known: t.known}
}

// orders binds sort keys. Without a word keys descend, and nulls stand where
// the least value does.
func (b *binder) orders(list []*syntax.Ordered, t *table, e *env, where string) ([]plan.Order, plan.Rel) {
	sc := b.scope(t, e, where)
	sc.win = &windows{}
	var by []plan.Order
	ok := true
	for _, o := range list {
		x := b.expr(o.X, sc)
		if x == nil {
			ok = false
			continue
		}
		if x.Type() == schema.Dynamic {
			b.fail(o.X.Where(), syntax.CodeType, "'%s' operator: rows can't be ordered by a dynamic value; convert it, as in tostring(x) or tolong(x).", where)
			ok = false
			continue
		} else if x.Type() == schema.Decimal {
			x = b.convert(x, schema.Real, o.Span)
		}
		desc := o.Dir != "asc"
		first := !desc
		if o.Nulls != "" {
			first = o.Nulls == "first"
		}
		by = append(by, plan.Order{Value: x, Desc: desc, NullsFirst: first})
	}
	if !ok {
		return nil, nil
	}
	return by, b.withWindows(t, sc, syntax.Span{})
}

func (b *binder) top(op *syntax.Top, t *table, e *env) *table {
	n := b.rows(op.N, e, "top")
	by, rel := b.orders(op.By, t, e, "top")
	if n == nil || by == nil {
		return nil
	}
	return &table{rel: &plan.Limit{In: &plan.Sort{In: rel, By: by}, N: n}, cols: t.cols, serial: true, open: t.open, bag: t.bag, known: t.known}
}

func (b *binder) sample(op *syntax.Sample, t *table, e *env) *table {
	n := b.rows(op.N, e, "sample")
	if n == nil {
		return nil
	}
	return &table{rel: &plan.Sample{In: t.rel, N: n}, cols: t.cols, open: t.open, bag: t.bag, known: t.known}
}

func (b *binder) serialize(op *syntax.Serialize, t *table, e *env) *table {
	out := *t
	out.serial = true
	if len(op.Items) == 0 {
		return &out
	}
	return b.extend(op.Items, &out, e, "serialize")
}

func (b *binder) getSchema(t *table) *table {
	v := &plan.Values{}
	for _, n := range []string{"ColumnName", "ColumnOrdinal", "DataType", "ColumnType"} {
		typ := schema.String
		if n == "ColumnOrdinal" {
			typ = schema.Int
		}
		v.Cols = append(v.Cols, b.column(n, typ))
	}
	systems := map[schema.Type]string{schema.Bool: "System.SByte", schema.Int: "System.Int32", schema.Long: "System.Int64", schema.Real: "System.Double",
		schema.Decimal: "System.Data.SqlTypes.SqlDecimal", schema.String: "System.String", schema.DateTime: "System.DateTime",
		schema.TimeSpan: "System.TimeSpan", schema.GUID: "System.Guid", schema.Dynamic: "System.Object"}
	for i, c := range t.cols {
		text := func(s string) plan.Expr { return &plan.Const{T: schema.String, Value: s} }
		v.Rows = append(v.Rows, []plan.Expr{text(c.Name), &plan.Const{T: schema.Int, Value: int64(i)}, text(systems[c.Type]), text(c.Type.String())})
	}
	return &table{rel: v, cols: v.Cols, serial: true}
}

func (b *binder) rangeOf(op *syntax.Range, e *env) *table {
	sc := &scope{env: e, where: "range"}
	from, to, step := b.expr(op.From, sc), b.expr(op.To, sc), b.expr(op.Step, sc)
	if from == nil || to == nil || step == nil {
		return nil
	}
	t, narrow := from.Type(), false
	switch {
	case t == schema.DateTime:
		to, step = b.convert(to, schema.DateTime, op.Span), b.convert(step, schema.TimeSpan, op.Span)
	case t == schema.TimeSpan:
		to, step = b.convert(to, schema.TimeSpan, op.Span), b.convert(step, schema.TimeSpan, op.Span)
	default:
		vals := []plan.Expr{from, to, step}
		var ok bool
		if t, ok = b.common(vals, op.Span); !ok {
			return nil
		}
		narrow = t == schema.Int
		if narrow || t == schema.Dynamic {
			t = schema.Long
		}
		if t != schema.Long && t != schema.Real {
			b.fail(op.Span, syntax.CodeType, "range needs numbers, datetimes or timespans.")
			return nil
		}
		from, to, step = b.convert(vals[0], t, op.Span), b.convert(vals[1], t, op.Span), b.convert(vals[2], t, op.Span)
	}
	if to == nil || step == nil {
		return nil
	}
	s := &plan.Sequence{Col: b.column(op.Name.Name, t), From: from, To: to, Step: step}
	if narrow {
		p := &plan.Project{In: s, Items: []plan.Item{{Col: b.column(op.Name.Name, schema.Int), Value: b.convert(&plan.Col{Column: s.Col}, schema.Int, op.Span)}}}
		return &table{rel: p, cols: p.Columns(), serial: true}
	}
	return &table{rel: s, cols: []plan.Column{s.Col}, serial: true}
}

// invoke calls a function with the rows so far as its first argument.
func (b *binder) invoke(op *syntax.Invoke, t *table, e *env) *table {
	c, ok := op.Call.(*syntax.Call)
	if !ok {
		b.fail(op.Span, syntax.CodeSyntax, "invoke needs a call of a function.")
		return nil
	}
	inner := e.child()
	inner.names["$input"] = b.share("invoke", t, false)
	call := &syntax.Call{Span: c.Span, Name: c.Name, Args: append([]syntax.Expr{&syntax.Name{Span: op.Span, Name: "$input"}}, c.Args...)}
	return b.tableCall(call, inner)
}
