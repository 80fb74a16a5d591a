package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// tuple binds scalar functions that give several columns where columns are
// made: their names are the function's, the argument's and the part's, as
// series_stats_x_min. Names that the query gives come first.
func (b *binder) tuple(x *syntax.Call, given []*syntax.Name, sc *scope) ([]named, bool) {
	forms := builtin.Functions().Forms(x.Name.Name)
	if len(forms) == 0 || forms[0].Rule != "tuple" || b.function(x.Name.Name, sc.env) != nil {
		return nil, false
	}
	call, parts := b.tupleCall(x, sc)
	if call == nil {
		return nil, true
	}
	first := ""
	if len(x.Args) > 0 {
		first = b.nameOf(x.Args[0])
	}
	var out []named
	for i, p := range parts {
		n := named{name: p.Name, x: b.part(call, i, p.Type, x.Span), at: x.Span}
		if len(forms[0].Parts) > 0 {
			n.name = x.Name.Name + "_" + first + "_" + p.Name
		}
		out = append(out, n)
	}
	rename(out, given)
	if len(given) > 0 {
		out = out[:min(len(given), len(out))]
	}
	return out, true
}

// tupleCall binds the call itself, which gives an array of the parts.
func (b *binder) tupleCall(x *syntax.Call, sc *scope) (plan.Expr, []builtin.Part) {
	args, ok := b.args(x, sc)
	if !ok {
		return nil, nil
	}
	f, err := builtin.Functions().Resolve(x.Name.Name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "%s.", err)
		return nil, nil
	}
	parts := f.Parts
	if len(parts) == 0 { // one for each array
		for i, a := range args {
			if a.Type() == schema.Dynamic {
				name := b.nameOf(x.Args[min(i, len(x.Args)-1)])
				if name != "" {
					name += "_sorted"
				}
				parts = append(parts, builtin.Part{Name: name, Type: schema.Dynamic})
			}
		}
	}
	return b.apply(f, args, x.Span), parts
}

func (b *binder) part(call plan.Expr, i int, t schema.Type, at syntax.Span) plan.Expr {
	return b.convert(step(call, plan.Step{Kind: plan.Element, Index: int64(i)}), t, at)
}

// ruleTuple is such a function inside of an expression: its first part.
func ruleTuple(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	call, parts := b.tupleCall(x, sc)
	if call == nil || len(parts) == 0 {
		return nil
	}
	return b.part(call, 0, parts[0].Type, x.Span)
}
