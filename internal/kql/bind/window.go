package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// windows collects what an operator's expressions want to know of other rows.
// Each may build on those before it, so each is a layer of its own.
type windows struct {
	layers []plan.Item
	by     plan.ID // numbers the rows; 0 until one is needed
}

// withWindows puts the windows that sc collected over the input.
func (b *binder) withWindows(t *table, sc *scope, at syntax.Span) plan.Rel {
	if sc.win == nil || sc.win.by == 0 {
		return t.rel
	}
	rel := t.rel
	rel = &plan.Number{In: rel, Col: plan.Column{ID: sc.win.by, Name: "row", Type: schema.Long}}
	for _, it := range sc.win.layers {
		rel = &plan.Window{In: rel, Items: []plan.Item{it}}
	}
	return rel
}

// window binds a function that looks at other rows.
func (b *binder) window(name string, x *syntax.Call, sc *scope) plan.Expr {
	if sc.win == nil {
		b.fail(x.Span, syntax.CodeCall, "%s() can be used only where rows have an order: in extend, project, serialize or where behind sort or serialize.", name)
		return nil
	}
	if sc.win.by == 0 {
		sc.win.by = b.id()
	}
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	f := builtin.Functions().Forms(name)[0]
	if len(args) > len(f.Params) || len(f.Params) > 0 && !f.Params[0].Optional && len(args) == 0 {
		b.count(x, 1, len(f.Params))
		return nil
	}
	restart := func(i int) plan.Expr {
		if i < len(args) {
			return b.condition(args[i], x.Args[i].Where(), name)
		}
		return nil
	}
	w := &plan.WindowCall{F: name, By: sc.win.by}
	switch name {
	case "prev", "next":
		w.T = args[0].Type()
		offset := int64(1)
		if len(args) > 1 {
			c, isConst := b.convert(args[1], schema.Long, x.Span).(*plan.Const)
			if !isConst {
				b.fail(x.Args[1].Where(), syntax.CodeConstant, "The offset of %s() must be a constant.", name)
				return nil
			}
			offset, _ = c.Value.(int64)
		}
		w.Args = []plan.Expr{args[0], &plan.Const{T: schema.Long, Value: offset}}
		if len(args) > 2 {
			def := b.convert(args[2], w.T, x.Span)
			if def == nil {
				return nil
			}
			w.Args = append(w.Args, def)
		}
	case "row_number":
		w.T = schema.Long
		start := plan.Expr(&plan.Const{T: schema.Long, Value: int64(1)})
		if len(args) > 0 {
			start = b.convert(args[0], schema.Long, x.Span)
		}
		w.Args, w.Restart = []plan.Expr{start}, restart(1)
	case "row_cumsum":
		w.T = args[0].Type()
		if w.T == schema.Dynamic {
			w.T = schema.Real
		}
		w.Args, w.Restart = []plan.Expr{b.convert(args[0], w.T, x.Span)}, restart(1)
	case "row_rank":
		w.F, w.T, w.Args = "row_rank_dense", schema.Long, args[:1]
	case "row_rank_dense", "row_rank_min":
		w.T, w.Args, w.Restart = schema.Long, args[:1], restart(1)
	case "row_window_session":
		if !b.count(x, 3, 4) {
			return nil
		}
		w.T = schema.DateTime
		for i, t := range []schema.Type{schema.DateTime, schema.TimeSpan, schema.TimeSpan} {
			y := b.convert(args[i], t, x.Span)
			if y == nil {
				return nil
			}
			w.Args = append(w.Args, y)
		}
		w.Restart = restart(3)
	}
	c := b.column(name, w.T)
	sc.win.layers = append(sc.win.layers, plan.Item{Col: c, Value: w})
	return &plan.Col{Column: c}
}

// rowNumber is the position of a row of an ordered input.
func (b *binder) rowNumber(sc *scope) plan.Expr {
	if sc.win.by == 0 {
		sc.win.by = b.id()
	}
	return &plan.Col{Column: plan.Column{ID: sc.win.by, Name: "row", Type: schema.Long}}
}
