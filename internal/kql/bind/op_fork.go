package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// forks binds a table expression that may end in an operator with several
// results, if it stands at the top of the query.
func (b *binder) forks(x syntax.Expr, e *env, top bool) *table {
	b.resultName = ""
	pipe, ok := x.(*syntax.Pipe)
	if !ok || !top {
		return b.table(x, e)
	}
	i := slices.IndexFunc(pipe.Ops, func(op syntax.Operator) bool {
		switch op := op.(type) {
		case *syntax.Fork, *syntax.Facet:
			return true
		case *syntax.Evaluate:
			return op.Call.Name.Name == "preview"
		}
		return false
	})
	if last, isAs := pipe.Ops[len(pipe.Ops)-1].(*syntax.As); isAs {
		b.resultName = last.Name.Name
	}
	if i < 0 {
		return b.table(x, e)
	}
	for _, op := range pipe.Ops[i+1:] {
		r, isRender := op.(*syntax.Render)
		if !isRender {
			b.fail(op.Where(), syntax.CodeUnsupported, "'%s' has several results; only render may follow it.", keyword(pipe.Ops[i]))
			return nil
		}
		b.render = r
	}
	in := b.ops(pipe.Ops[:i], b.table(pipe.Source, e), e)
	if in == nil {
		return nil
	}
	input := b.share("input", in, false)
	switch op := pipe.Ops[i].(type) {
	case *syntax.Fork:
		return b.fork(op, input, e)
	case *syntax.Facet:
		return b.facet(op, input, e)
	}
	return b.preview(pipe.Ops[i].(*syntax.Evaluate), input, e)
}

// fork answers the result of each branch.
func (b *binder) fork(op *syntax.Fork, input *binding, e *env) *table {
	out := &table{}
	for _, br := range op.Branches {
		pipe, ok := br.Sub.(*syntax.Pipe)
		if !ok || pipe.Source != nil {
			b.fail(br.Span, syntax.CodeSyntax, "A branch of fork is operators that work on its rows.")
			continue
		}
		r := result{table: b.ops(pipe.Ops, b.use(input), e)}
		if br.Name != nil {
			r.name = br.Name.Name
		}
		if r.table != nil {
			out.more = append(out.more, r)
		}
	}
	if len(b.errs) > 0 {
		return nil
	}
	return out
}

// facet counts the values of each column, and answers what its query says of
// the rows beside that.
func (b *binder) facet(op *syntax.Facet, input *binding, e *env) *table {
	out := &table{}
	for _, x := range op.By {
		in := b.use(input)
		n, ok := x.(*syntax.Name)
		if !ok {
			b.fail(x.Where(), syntax.CodeSemantic, "'facet' operator: the columns are given by their names.")
			continue
		}
		key, ok := b.name(n, b.scope(in, e, "facet")).(*plan.Col)
		if !ok {
			continue
		}
		agg := &plan.Aggregate{In: in.rel, Keys: []plan.Item{{Col: b.column(n.Name, key.Column.Type), Value: key}}}
		agg.Aggs = []plan.Item{{Col: b.column("count_"+n.Name, schema.Long), Value: b.countAll()}}
		out.more = append(out.more, result{"", &table{rel: agg, cols: agg.Columns()}})
	}
	if op.With != nil {
		pipe, ok := op.With.(*syntax.Pipe)
		if !ok || pipe.Source != nil {
			b.fail(op.With.Where(), syntax.CodeSyntax, "The query of facet is operators that work on its rows.")
			return nil
		}
		if t := b.ops(pipe.Ops, b.use(input), e); t != nil {
			out.more = append(out.more, result{"", t})
		}
	}
	if len(b.errs) > 0 {
		return nil
	}
	return out
}

// preview answers some rows and how many there are.
func (b *binder) preview(op *syntax.Evaluate, input *binding, e *env) *table {
	if len(op.Call.Args) != 1 {
		b.fail(op.Span, syntax.CodeCall, "preview() takes a number of rows.")
		return nil
	}
	n := b.rows(op.Call.Args[0], e, "preview")
	if n == nil {
		return nil
	}
	some := b.use(input)
	count := &plan.Aggregate{In: b.use(input).rel, Aggs: []plan.Item{{Col: b.column("Count", schema.Long), Value: b.countAll()}}}
	return &table{more: []result{
		{"", &table{rel: &plan.Limit{In: some.rel, N: n}, cols: some.cols, serial: some.serial}},
		{"", &table{rel: count, cols: count.Columns(), serial: true}},
	}}
}
