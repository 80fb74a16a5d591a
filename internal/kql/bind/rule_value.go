package bind

import (
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// ruleDateTimeDiff makes a real of differences in weeks, as the engine of the
// language does.
func ruleDateTimeDiff(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	f, err := builtin.Functions().Resolve(x.Name.Name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "%s.", err)
		return nil
	}
	y := b.apply(f, args, x.Span)
	if c, isConst := args[0].(*plan.Const); isConst && y != nil {
		if s, _ := c.Value.(string); strings.EqualFold(s, "week") {
			return b.convert(y, schema.Real, x.Span)
		}
	}
	return y
}

// ruleDataSize adds up the sizes of values: those of a type that has one are
// known when the query is bound.
func ruleDataSize(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	fixed := int64(0)
	var sum plan.Expr
	for _, y := range args {
		switch y.Type() {
		case schema.Bool:
			fixed++
		case schema.Int:
			fixed += 4
		case schema.Long, schema.Real, schema.DateTime, schema.TimeSpan:
			fixed += 8
		case schema.GUID, schema.Decimal:
			fixed += 16
		default:
			size := b.builtin("string_size", b.convert(y, schema.String, x.Span))
			if sum != nil {
				size = b.arithmetic("+", x.Span, sum, size)
			}
			sum = size
		}
	}
	all := plan.Expr(&plan.Const{T: schema.Long, Value: fixed})
	if sum != nil {
		all = b.arithmetic("+", x.Span, sum, all)
	}
	return all
}
