package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// maxCalls bounds how deep functions call each other.
const maxCalls = 60

// enter binds the arguments of a call to the parameters of a function.
func (b *binder) enter(f *binding, call *syntax.Call, at syntax.Span, e *env, sc *scope) *env {
	var args []syntax.Expr
	name := "function"
	if call != nil {
		args, name = call.Args, call.Name.Name
	}
	inner := f.fnEnv.child()
	given := map[string]syntax.Expr{}
	for _, a := range args {
		if n, ok := a.(*syntax.Assign); ok && !n.Tuple {
			given[n.Names[0].Name] = n.X
		}
	}
	for i, a := range args {
		if n, ok := a.(*syntax.Assign); ok && !n.Tuple {
			continue
		}
		// What has no name goes by its place, or to the first that is free.
		free := func(p syntax.FuncParam) bool { return given[p.Name.Name] == nil }
		if i >= len(f.fn.Params) || !free(f.fn.Params[i]) {
			i = slices.IndexFunc(f.fn.Params, free)
		}
		if i < 0 {
			b.fail(a.Where(), syntax.CodeCall, "%s() takes %d arguments.", name, len(f.fn.Params))
			return nil
		}
		given[f.fn.Params[i].Name.Name] = a
	}
	ok := true
	for _, p := range f.fn.Params {
		a, has := given[p.Name.Name]
		where := e
		if !has {
			if p.Default == nil {
				b.fail(at, syntax.CodeCall, "%s() needs a value for %s.", name, p.Name.Name)
				ok = false
				continue
			}
			a, where = p.Default, f.fnEnv
		}
		if p.Schema != nil {
			t := b.table(a, where)
			if t == nil {
				ok = false
				continue
			}
			if t = b.fit(t, p.Schema, a.Where()); t == nil {
				ok = false
				continue
			}
			inner.names[p.Name.Name] = b.share(p.Name.Name, t, false)
			continue
		}
		x := b.expr(a, b.scalarScope(where, sc))
		if x = b.convert(x, p.Type, a.Where()); x == nil {
			ok = false
			continue
		}
		inner.names[p.Name.Name] = b.scalarBinding(x)
	}
	if !ok {
		return nil
	}
	return inner
}

// fit checks that a table has the columns that a parameter asks for. Others
// that it has go through the function.
func (b *binder) fit(t *table, s *syntax.RowSchema, at syntax.Span) *table {
	for _, c := range s.Columns {
		if _, ok := find(t.cols, c.Name.Name); !ok && t.bag == nil {
			b.fail(at, syntax.CodeCall, "The table has no column '%s' of type %s, which the function needs.", c.Name.Name, c.Type)
			return nil
		}
	}
	return t
}

// call runs body in the environment of a call.
func (b *binder) call(f *binding, call *syntax.Call, at syntax.Span, e *env, sc *scope) (*table, plan.Expr) {
	if b.depth++; b.depth > maxCalls {
		b.fail(at, syntax.CodeTooDeep, "Functions call each other too deeply.")
		b.depth--
		return nil, nil
	}
	defer func() { b.depth-- }()
	inner := b.enter(f, call, at, e, sc)
	if inner == nil {
		return nil, nil
	}
	if f.fnEnv.up == nil && len(f.fnEnv.names) == 0 && b.at == nil && f.fn.Body != nil && b.isSaved(f) {
		b.at = &at
		defer func() { b.at = nil }()
	}
	return b.query(f.fn.Body, inner, sc)
}

func (b *binder) isSaved(f *binding) bool {
	for _, s := range b.saved {
		if s == f {
			return true
		}
	}
	return false
}

func (b *binder) callTable(f *binding, call *syntax.Call, at syntax.Span, e *env) *table {
	n := len(b.errs)
	t, x := b.call(f, call, at, e, nil)
	if t == nil && x != nil {
		b.fail(at, syntax.CodeTabular, "The function gives a value, not a table.")
	} else if t == nil && len(b.errs) == n {
		b.fail(at, syntax.CodeTabular, "The function gives no table.")
	}
	return t
}

func (b *binder) callScalar(f *binding, call *syntax.Call, at syntax.Span, sc *scope) plan.Expr {
	n := len(b.errs)
	t, x := b.call(f, call, at, sc.env, sc)
	if t != nil {
		b.fail(at, syntax.CodeTabular, "%s", needsScalar)
		return nil
	}
	if x == nil && len(b.errs) == n {
		b.fail(at, syntax.CodeTabular, "The function gives no value.")
	}
	return x
}

// firstValue is toscalar(t).
func (b *binder) firstValue(t *table) plan.Expr {
	t = b.exact(&table{rel: t.rel, cols: t.cols[:1]})
	return &plan.Scalar{Rel: &plan.Limit{In: t.rel, N: &plan.Const{T: schema.Long, Value: int64(1)}}, T: t.cols[0].Type}
}
