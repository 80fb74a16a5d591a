package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// find binds find: the rows of several tables for which a predicate is true,
// with the table's name. Columns that a table lacks are null in the predicate.
func (b *binder) find(op *syntax.Find, e *env) *table {
	with, has := b.param(op.Params, "withsource", e)
	if !has {
		with = "source_"
	}
	tables := op.In
	if len(tables) == 0 {
		tables = []syntax.Expr{&syntax.Star{Span: op.Span}}
	}
	var in []*table
	var sources []string
	ok := true
	for _, x := range tables {
		ok = b.eachTable(x, e, func(name string, t *table) bool {
			if t != nil {
				in, sources = append(in, t), append(sources, name)
			}
			return t != nil
		}) && ok
	}
	if !ok {
		return nil
	}
	if len(in) == 0 {
		b.fail(op.Span, syntax.CodeSemantic, "'find' operator: there is no table to look into.")
		return nil
	}
	outer := b.absent
	b.absent = nil
	for _, t := range in {
		b.absent = append(b.absent, t.cols...)
	}
	defer func() { b.absent = outer }()
	first := b.findFirst(op, in)
	for i, t := range in {
		if op.Pred != nil {
			pred := b.condition(b.expr(op.Pred, b.scope(t, e, "find")), op.Pred.Where(), "find")
			if pred == nil {
				return nil
			}
			t = &table{rel: &plan.Filter{In: t.rel, Pred: pred}, cols: t.cols}
		}
		in[i] = b.findColumns(op, t, first)
	}
	return b.unite(in, sources, with, false)
}

// findFirst are the columns that find answers as such if none are asked for:
// those that all tables have, then those of the predicate.
func (b *binder) findFirst(op *syntax.Find, in []*table) (out []plan.Column) {
	for _, c := range in[0].cols {
		if !slices.ContainsFunc(in, func(t *table) bool {
			o, ok := find(t.cols, c.Name)
			return !ok || o.Type != c.Type
		}) {
			out = append(out, c)
		}
	}
	if op.Pred != nil {
		b.namesIn(op.Pred, func(n string) {
			if _, listed := find(out, n); listed {
				return
			}
			if c, ok := find(b.absent, n); ok {
				out = append(out, c)
			}
		})
	}
	return out
}

// findColumns are what find answers of one table: the columns asked for, or
// the first ones with all others in a bag.
func (b *binder) findColumns(op *syntax.Find, t *table, first []plan.Column) *table {
	p := &plan.Project{In: t.rel}
	add := func(name string, x plan.Expr) {
		p.Items = append(p.Items, plan.Item{Col: b.column(name, x.Type()), Value: x})
	}
	for _, c := range op.Project {
		if call, ok := c.X.(*syntax.Call); ok && (call.Name.Name == "pack" || call.Name.Name == "pack_all") {
			add("pack_", b.pack(t.cols, false))
			continue
		}
		name := b.nameOf(c.X)
		col, ok := find(t.cols, name)
		switch {
		case ok && c.Type == schema.Invalid:
			add(name, &plan.Col{Column: col})
		case ok:
			add(name, b.convert(&plan.Col{Column: col}, c.Type, c.Span))
		case c.Type != schema.Invalid:
			add(name, null(c.Type))
		default:
			if o, known := find(b.absent, name); known {
				add(name, null(o.Type))
			} else {
				add(name, null(schema.Dynamic))
			}
		}
	}
	if len(op.Project) > 0 {
		return &table{rel: p, cols: p.Columns()}
	}
	for _, c := range first {
		if o, ok := find(t.cols, c.Name); ok {
			add(c.Name, &plan.Col{Column: o})
		} else {
			add(c.Name, null(c.Type))
		}
	}
	var rest []plan.Column
	for _, c := range t.cols {
		if _, listed := find(first, c.Name); !listed {
			rest = append(rest, c)
		}
	}
	if len(rest) > 0 {
		add("pack_", b.pack(rest, false))
	}
	return &table{rel: p, cols: p.Columns()}
}

// namesIn calls f for the names in an expression.
func (b *binder) namesIn(x syntax.Expr, f func(string)) {
	switch x := x.(type) {
	case *syntax.Name:
		f(x.Name)
	case *syntax.Paren:
		b.namesIn(x.X, f)
	case *syntax.Binary:
		b.namesIn(x.X, f)
		b.namesIn(x.Y, f)
	case *syntax.List:
		b.namesIn(x.X, f)
	case *syntax.Between:
		b.namesIn(x.X, f)
	case *syntax.Member:
		b.namesIn(x.X, f)
	case *syntax.Call:
		for _, a := range x.Args {
			b.namesIn(a, f)
		}
	}
}
