package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
)

// ruleBinAuto is bin_auto(): the size of the steps is what the query has set.
func ruleBinAuto(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	v := b.expr(x.Args[0], sc)
	size, at := b.sets["query_bin_auto_size"], b.sets["query_bin_auto_at"]
	if v == nil {
		return nil
	}
	if size == nil {
		b.fail(x.Span, syntax.CodeCall, "bin_auto() needs the size of its steps: set query_bin_auto_size = 1h; before the query.")
		return nil
	}
	name, args := "bin", []plan.Expr{v, size}
	if at != nil {
		name, args = "bin_at", append(args, at)
	}
	f, err := builtin.Functions().Resolve(name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "bin_auto(): %s.", err)
		return nil
	}
	return b.apply(f, args, x.Span)
}
