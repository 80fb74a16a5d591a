package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// operatorMore binds the operators that are used more rarely.
func (b *binder) operatorMore(op syntax.Operator, t *table, e *env) *table {
	switch op := op.(type) {
	case *syntax.MvExpand:
		return b.mvExpand(op, t, e)
	case *syntax.MvApply:
		return b.mvApply(op, t, e)
	case *syntax.ParseWith:
		return b.parse(op, t, e)
	case *syntax.ParseKv:
		return b.parseKv(op, t, e)
	case *syntax.MakeSeries:
		return b.makeSeries(op, t, e)
	case *syntax.Partition:
		return b.partition(op, t, e)
	case *syntax.Search:
		return b.search(op, t, e)
	case *syntax.MacroExpand:
		return b.macroExpand(op, e)
	case *syntax.AssertSchema:
		return b.assertSchema(op, t)
	case *syntax.ExecuteAndCache:
		return b.use(b.share("cache", t, true))
	case *syntax.Find:
		return b.find(op, e)
	case *syntax.TopHitters:
		return b.topHitters(op, t, e)
	case *syntax.TopNested:
		return b.topNested(op, t, e)
	case *syntax.Evaluate:
		return b.evaluate(op, t, e)
	case *syntax.Reduce:
		return b.reduce(op, t, e)
	case *syntax.Scan:
		return b.scanSteps(op, t, e)
	case *syntax.Fork, *syntax.Facet:
		b.fail(op.Where(), syntax.CodeUnsupported, "'%s' has several results and can only stand at the end of a query.", keyword(op))
		return nil
	}
	b.fail(op.Where(), syntax.CodeUnsupported, "The operator '%s' is not supported.", keyword(op))
	return nil
}

// keyword is the word with which an operator begins.
func keyword(op syntax.Operator) string {
	text := syntax.Text(op)
	for i, r := range text {
		if r == ' ' || r == '\n' {
			return text[:i]
		}
	}
	return text
}

// topHitters is summarize count() or sum(by) and top.
func (b *binder) topHitters(op *syntax.TopHitters, t *table, e *env) *table {
	n := b.rows(op.N, e, "top-hitters")
	name := "count_"
	agg := &syntax.Call{Span: op.Span, Name: &syntax.Name{Span: op.Span, Name: "count"}}
	if op.By != nil {
		name = "sum_" + b.nameOf(op.By)
		agg = &syntax.Call{Span: op.Span, Name: &syntax.Name{Span: op.Span, Name: "sum"}, Args: []syntax.Expr{op.By}}
	}
	item := &syntax.Assign{Span: op.Span, Names: []*syntax.Name{{Span: op.Span, Name: "approximate_" + name}}, X: agg}
	s := b.summarize(&syntax.Summarize{Span: op.Span, Aggs: []syntax.Expr{item}, By: []syntax.Expr{op.Of}}, t, e)
	if s == nil || n == nil {
		return nil
	}
	by := plan.Order{Value: &plan.Col{Column: s.cols[len(s.cols)-1]}, Desc: true}
	return &table{rel: &plan.Limit{In: &plan.Sort{In: s.rel, By: []plan.Order{by}}, N: n}, cols: s.cols, serial: true}
}

// partition runs a query for each value of a column.
func (b *binder) partition(op *syntax.Partition, t *table, e *env) *table {
	n, isName := op.By.(*syntax.Name)
	if !isName {
		b.fail(op.Span, syntax.CodeSemantic, "'partition' operator: the column is given by its name.")
		return nil
	}
	shared := b.share("partition", t, false)
	keys := b.use(shared)
	key, ok := b.name(n, b.scope(keys, e, "partition")).(*plan.Col)
	if !ok {
		return nil
	}
	c := b.column("key", key.Column.Type)
	outer := &plan.Aggregate{In: keys.rel, Keys: []plan.Item{{Col: c, Value: key}}}
	if op.Legacy { // the query has a source of its own and sees the value as a constant
		inner := e.child()
		inner.names[n.Name] = &binding{scalar: &plan.Col{Column: c}}
		sub := b.apart(func() *table { return b.table(op.Sub, inner) })
		if sub == nil {
			return nil
		}
		sub = b.exact(sub)
		return &table{rel: &plan.Apply{In: outer, Sub: sub.rel}, cols: sub.cols, open: sub.open}
	}
	rows := b.use(shared)
	mine, _ := find(rows.cols, n.Name)
	in := &table{rel: &plan.Filter{In: rows.rel, Pred: &plan.Compare{Op: "is", X: &plan.Col{Column: mine}, Y: &plan.Col{Column: c}}}, cols: rows.cols, serial: t.serial}
	pipe, isPipe := op.Sub.(*syntax.Pipe)
	if !isPipe || pipe.Source != nil {
		b.fail(op.Span, syntax.CodeUnsupported, "partition needs operators that work on its rows.")
		return nil
	}
	sub := b.apart(func() *table { return b.ops(pipe.Ops, in, e) })
	if sub == nil {
		return nil
	}
	sub = b.exact(sub)
	return &table{rel: &plan.Apply{In: outer, Sub: sub.rel}, cols: sub.cols, open: sub.open}
}

// search looks for text in all columns, in one table or in several.
func (b *binder) search(op *syntax.Search, t *table, e *env) *table {
	kind, _ := b.param(op.Params, "kind", e)
	word := "has"
	if kind == "case_sensitive" {
		word = "has_cs"
	}
	one := func(t *table) *table {
		pred := b.searchPred(op.Pred, t, e, word)
		if pred == nil {
			return nil
		}
		return &table{rel: &plan.Filter{In: t.rel, Pred: pred}, cols: t.cols, open: t.open, bag: t.bag, known: t.known}
	}
	if t != nil {
		if t = one(t); t == nil {
			return nil
		}
		c := b.column("$table", schema.String)
		rel := b.add(t.rel, t.carried(), []plan.Item{{Col: c, Value: &plan.Const{T: schema.String, Value: "search_arg0"}}})
		return &table{rel: rel, cols: append([]plan.Column{c}, t.cols...), open: t.open, bag: t.bag, known: t.known}
	}
	var in []*table
	var sources []string
	add := func(name string, src *table) bool {
		if src != nil {
			in, sources = append(in, src), append(sources, name)
		}
		return src != nil
	}
	tables := op.In
	if len(tables) == 0 {
		tables = []syntax.Expr{&syntax.Star{Span: op.Span}}
	}
	for _, x := range tables {
		if !b.eachTable(x, e, add) {
			return nil
		}
	}
	if len(in) == 0 {
		b.fail(op.Span, syntax.CodeSemantic, "'search' operator: there is no table to search.")
		return nil
	}
	outer := b.absent
	for _, t := range in {
		b.absent = append(b.absent[:len(b.absent):len(b.absent)], t.cols...)
	}
	defer func() { b.absent = outer }()
	for i := range in {
		if in[i] = one(in[i]); in[i] == nil {
			return nil
		}
	}
	return b.unite(in, sources, "$table", false)
}

// eachTable calls f for every table that an item of a list of tables means.
func (b *binder) eachTable(x syntax.Expr, e *env, f func(string, *table) bool) bool {
	pattern := ""
	switch n := x.(type) {
	case *syntax.Star:
		pattern = "*"
	case *syntax.Name:
		if !n.Quoted && containsStar(n.Name) {
			pattern = n.Name
		}
	}
	if pattern == "" {
		name := "query"
		if n, ok := x.(*syntax.Name); ok {
			name = n.Name
		}
		return f(name, b.table(x, e))
	}
	for _, name := range b.cat.Tables() {
		if wild(pattern, name) {
			t, _ := b.cat.Table(name)
			if !f(name, b.scan(t)) {
				return false
			}
		}
	}
	return true
}

// searchPred binds the predicate of search: a string alone is looked for in
// all columns, with stars as wildcards.
func (b *binder) searchPred(x syntax.Expr, t *table, e *env, word string) plan.Expr {
	sc := b.scope(t, e, "search")
	switch y := x.(type) {
	case *syntax.Star:
		return &plan.Const{T: schema.Bool, Value: true}
	case *syntax.Paren:
		return b.searchPred(y.X, t, e, word)
	case *syntax.Binary:
		if y.Op == "and" || y.Op == "or" {
			l, r := b.searchPred(y.X, t, e, word), b.searchPred(y.Y, t, e, word)
			if l == nil || r == nil {
				return nil
			}
			return &plan.Logic{Op: y.Op, X: l, Y: r}
		}
	case *syntax.Call:
		if y.Name.Name == "not" && len(y.Args) == 1 {
			if inner := b.searchPred(y.Args[0], t, e, word); inner != nil {
				return &plan.Not{X: inner}
			}
			return nil
		}
	case *syntax.Literal:
		switch v := y.Value.(type) {
		case string:
			if y.Type == schema.String {
				return b.searchText(v, y, sc, word)
			}
		case int64, float64:
			return b.searchText(syntax.LiteralJSON(y, false), y, sc, word)
		}
	}
	return b.condition(b.expr(x, sc), x.Where(), "search")
}

func (b *binder) searchText(s string, at *syntax.Literal, sc *scope, word string) plan.Expr {
	if s == "*" {
		return &plan.Const{T: schema.Bool, Value: true}
	}
	op := word
	front, back := len(s) > 1 && s[0] == '*', len(s) > 1 && s[len(s)-1] == '*'
	switch {
	case front && back:
		op, s = "contains", s[1:len(s)-1]
	case front:
		op, s = "hassuffix", s[1:]
	case back:
		op, s = "hasprefix", s[:len(s)-1]
	}
	searched := *sc
	searched.cols = slices.DeleteFunc(slices.Clone(sc.cols), func(c plan.Column) bool { return c.Type == schema.Real || c.Type == schema.Decimal })
	return b.anyColumn(&syntax.Binary{Span: at.Span, Op: op, X: &syntax.Star{Span: at.Span}, Y: &syntax.Literal{Span: at.Span, Type: schema.String, Value: s}}, &searched)
}
