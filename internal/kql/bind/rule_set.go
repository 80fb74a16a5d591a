package bind

import (
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// set takes what a set statement says: the steps of bin_auto(), the time that
// now() tells, and how many rows a result may have. What else can be set tunes
// the service's engine, and changes no answer.
func (b *binder) set(s *syntax.Set, e *env) {
	if s.Value == nil {
		return
	}
	switch name := strings.ToLower(s.Name.Name); name {
	case "query_bin_auto_size", "query_bin_auto_at":
		b.sets[name] = b.expr(s.Value, &scope{env: e})
	case "query_now":
		if v := b.constant(s.Value, e, "query_now"); v != nil {
			if c, ok := b.convert(v, schema.DateTime, s.Value.Where()).(*plan.Const); ok && c.Value != nil {
				b.opt.Now = c.Value.(schema.Ticks)
			}
		}
	case "query_take_max_records":
		if n := b.rows(s.Value, e, name); n != nil {
			b.sets[name] = n
		}
	case "query_datetimescope_column", "query_datetimescope_from", "query_datetimescope_to":
		b.fail(s.Span, syntax.CodeUnsupported, "set %s is not supported; say where of the column of time.", name)
	}
}

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
