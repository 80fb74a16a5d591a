package bind

import (
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// patternOf finds the pattern that p("a") or p("a").b calls.
func patternOf(x syntax.Expr, e *env) (f *binding, call *syntax.Call, path syntax.Expr) {
	switch x := x.(type) {
	case *syntax.Call:
		if f := e.find(x.Name.Name); f != nil && f.pattern != nil {
			return f, x, nil
		}
	case *syntax.Member:
		if f, call, _ := patternOf(x.X, e); f != nil {
			return f, call, &syntax.Literal{Span: x.Name.Span, Type: schema.String, Value: x.Name.Name}
		}
	case *syntax.Index:
		if f, call, _ := patternOf(x.X, e); f != nil {
			return f, call, x.I
		}
	}
	return nil, nil, nil
}

// pattern answers the query of the case whose values are those of the call.
func (b *binder) pattern(f *binding, call *syntax.Call, path syntax.Expr, e *env) *table {
	p := f.pattern
	at := call.Span
	constants := func(list []syntax.Expr, e *env) (out []*plan.Const, ok bool) {
		for _, x := range list {
			c := b.constant(x, e, "An argument of a pattern")
			if c == nil {
				return nil, false
			}
			out = append(out, c)
		}
		return out, true
	}
	given, ok := constants(call.Args, e)
	if !ok {
		return nil
	}
	if len(p.Cases) == 0 {
		var words []string
		for _, c := range given {
			words = append(words, plan.Show(c))
		}
		b.fail(at, syntax.CodeSemantic, "One or more pattern references were not declared. Detected pattern references: [\"%s(%s)\"]; the pattern has no cases.", p.Name.Name, strings.Join(words, ","))
		return nil
	}
	if len(given) != len(p.Args) {
		b.fail(at, syntax.CodeCall, "The pattern %s() takes %d arguments.", p.Name.Name, len(p.Args))
		return nil
	}
	same := func(x *plan.Const, y syntax.Expr) bool {
		c := b.constant(y, f.fnEnv, "A value of a pattern")
		return c != nil && c.T == x.T && c.Value == x.Value
	}
	var want *plan.Const
	if path != nil {
		if want = b.constant(path, e, "The path of a pattern"); want == nil {
			return nil
		}
	}
	for _, c := range p.Cases {
		fits := len(c.Values) == len(given) && (c.Path == nil) == (want == nil) && (want == nil || same(want, c.Path))
		for i := range given {
			fits = fits && same(given[i], c.Values[i])
		}
		if !fits {
			continue
		}
		inner := f.fnEnv.child()
		for i, a := range p.Args {
			inner.names[a.Name.Name] = &binding{scalar: given[i]}
		}
		if p.Path != nil && want != nil {
			inner.names[p.Path.Name.Name] = &binding{scalar: want}
		}
		t, _ := b.query(c.Body, inner, nil)
		if t == nil && len(b.errs) == 0 {
			b.fail(at, syntax.CodeTabular, "The case of the pattern gives no table.")
		}
		return t
	}
	b.fail(at, syntax.CodeSemantic, "The pattern %s() has no case for these values.", p.Name.Name)
	return nil
}
