package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
)

// ruleTyped binds a call whose last argument names the type of the result. The
// function without it gives a value that is converted.
func ruleTyped(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	last := x.Args[len(x.Args)-1]
	to, ok := last.(*syntax.TypeOf)
	if !ok {
		b.fail(last.Where(), syntax.CodeCall, "The last argument of %s() names a type: typeof(long).", x.Name.Name)
		return nil
	}
	y := b.scalarCall(&syntax.Call{Span: x.Span, Name: x.Name, Args: x.Args[:len(x.Args)-1]}, sc)
	return b.convert(y, to.Type, x.Span)
}
