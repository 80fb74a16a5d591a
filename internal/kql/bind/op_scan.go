package bind

import (
	"slices"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/machine"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// steps is what the expressions of scan see: step.column is what a step's state
// keeps, a declared name is the value of the row at hand.
type steps struct {
	names  []string
	cols   []plan.Column // of the input
	own    []plan.Column // declared
	places map[plan.ID]machine.Place
	state  map[[2]int]plan.Column // by step and slot
	kept   []plan.Column          // columns of the input that states keep
	b      *binder
}

// column is step.name as the machine's own column.
func (s *steps) column(step int, name string) (plan.Column, bool) {
	slot := -1
	c, ok := find(s.own, name)
	if ok {
		slot = slices.IndexFunc(s.own, func(o plan.Column) bool { return o.ID == c.ID })
	} else if c, ok = find(s.cols, name); ok {
		i := slices.IndexFunc(s.kept, func(o plan.Column) bool { return o.ID == c.ID })
		if i < 0 {
			i = len(s.kept)
			s.kept = append(s.kept, c)
		}
		slot = -2 - i // declared slots follow all kept ones, whose number is not known yet
	} else {
		return plan.Column{}, false
	}
	key := [2]int{step, slot}
	if col, has := s.state[key]; has {
		return col, true
	}
	col := s.b.column(s.names[step]+"."+name, c.Type)
	s.state[key] = col
	s.places[col.ID] = machine.Place{Step: step, Slot: slot}
	return col, true
}

// settle gives slots their numbers once all kept columns are known.
func (s *steps) settle() {
	for id, p := range s.places {
		switch {
		case p.Step == machine.Own:
		case p.Slot < 0:
			p.Slot = -2 - p.Slot
		default:
			p.Slot += len(s.kept)
		}
		s.places[id] = p
	}
}

// boundStep is a step with its expressions bound.
type boundStep struct {
	cond   plan.Expr
	assign []plan.Item // Col is the declared column
}

// scanSteps binds the operator scan. The rows of each partition are given to
// the machine as one value, which answers which of them belong to a sequence
// and with what declared values; they are then joined back by their number.
func (b *binder) scanSteps(op *syntax.Scan, t *table, e *env) *table {
	if len(op.Steps) == 0 {
		b.fail(op.Span, syntax.CodeSyntax, "scan needs steps.")
		return nil
	}
	if len(op.Order) > 0 {
		by, rel := b.orders(op.Order, t, e, "scan")
		if by == nil {
			return nil
		}
		out := *t
		out.rel, out.serial = &plan.Sort{In: rel, By: by}, true
		t = &out
	}
	t = b.exact(t)
	s := &steps{cols: t.cols, places: map[plan.ID]machine.Place{}, state: map[[2]int]plan.Column{}, b: b}
	var defaults []*machine.Node
	ok := true
	for _, d := range op.Declare {
		if _, taken := find(append(slices.Clone(t.cols), s.own...), d.Name.Name); taken {
			b.fail(d.Span, syntax.CodeDuplicate, "There is a column named '%s' already.", d.Name.Name)
			ok = false
			continue
		}
		def := plan.Expr(null(d.Type))
		if d.Default != nil {
			c := b.constant(d.Default, e, "The default of a declared column")
			if c == nil {
				ok = false
				continue
			}
			def = b.convert(c, d.Type, d.Span)
		}
		n, err := machine.Encode(def, nil, nil)
		if err != nil {
			b.fail(d.Span, syntax.CodeConstant, "The default of a declared column must be a constant.")
			ok = false
			continue
		}
		defaults = append(defaults, n)
		c := b.column(d.Name.Name, d.Type)
		s.places[c.ID] = machine.Place{Step: machine.Own, Slot: len(s.own)}
		s.own = append(s.own, c)
	}
	for _, st := range op.Steps {
		if slices.Contains(s.names, st.Name.Name) {
			b.fail(st.Name.Span, syntax.CodeDuplicate, "There are two steps named '%s'.", st.Name.Name)
			ok = false
		}
		s.names = append(s.names, st.Name.Name)
	}
	if !ok {
		return nil
	}
	sc := b.scope(t, e, "scan")
	sc.cols, sc.steps = append(slices.Clone(t.cols), s.own...), s
	var bound []boundStep
	for _, st := range op.Steps {
		if !slices.Contains([]string{"", "all", "last", "none"}, st.Output) {
			b.fail(st.Span, syntax.CodeSemantic, "The output of a step is all, last or none.")
			ok = false
		}
		x := boundStep{cond: b.condition(b.expr(st.Cond, sc), st.Cond.Where(), "scan")}
		ok = ok && x.cond != nil
		for _, a := range st.Assign {
			as, isAssign := a.(*syntax.Assign)
			if !isAssign || as.Tuple {
				b.fail(a.Where(), syntax.CodeSyntax, "A step gives values to declared columns: name = value.")
				ok = false
				continue
			}
			c, declared := find(s.own, as.Names[0].Name)
			if !declared {
				b.fail(as.Span, syntax.CodeSemantic, "'%s' is not declared: scan declare (%s:long) with (…).", as.Names[0].Name, as.Names[0].Name)
				ok = false
				continue
			}
			y := b.convert(b.expr(as.X, sc), c.Type, as.Span)
			if y == nil {
				ok = false
				continue
			}
			x.assign = append(x.assign, plan.Item{Col: c, Value: y})
		}
		bound = append(bound, x)
	}
	if !ok {
		return nil
	}
	return b.runScan(op, t, e, s, bound, defaults)
}

func (b *binder) runScan(op *syntax.Scan, t *table, e *env, s *steps, bound []boundStep, defaults []*machine.Node) *table {
	s.settle()
	row := b.column("row", schema.Long)
	input := &plan.Shared{Name: "scan", In: &plan.Number{In: t.rel, Col: row}, Once: true}
	uses := func() (*plan.Ref, map[plan.ID]plan.Column) {
		ref, mine := &plan.Ref{To: input}, map[plan.ID]plan.Column{}
		for _, c := range input.In.Columns() {
			n := b.column(c.Name, c.Type)
			ref.Cols, ref.From, mine[c.ID] = append(ref.Cols, n), append(ref.From, c.ID), n
		}
		return ref, mine
	}
	prog := &machine.Scan{Defaults: defaults}
	var cells []plan.Expr
	byText := map[string]int{}
	cell := func(x plan.Expr) int {
		key := plan.Show(x)
		if i, has := byText[key]; has {
			return i
		}
		byText[key] = len(cells)
		cells, prog.Cells = append(cells, x), append(prog.Cells, x.Type())
		return len(cells) - 1
	}
	for _, c := range s.kept {
		prog.Kept = append(prog.Kept, cell(&plan.Col{Column: c}))
	}
	for _, c := range s.own {
		prog.Declared = append(prog.Declared, c.Type)
	}
	encode := func(x plan.Expr, at syntax.Span) *machine.Node {
		n, err := machine.Encode(x, s.places, cell)
		if err != nil {
			b.fail(at, syntax.CodeUnsupported, "In scan, values of steps and declared values can't be used %s: compute what does not depend on them before, with extend.", err)
		}
		return n
	}
	for i, st := range op.Steps {
		ps := machine.Step{Optional: st.Optional, Output: st.Output, Cond: encode(bound[i].cond, st.Cond.Where())}
		for _, a := range bound[i].assign {
			ps.Assign = append(ps.Assign, machine.Assign{Slot: s.places[a.Col.ID].Slot, Value: encode(a.Value, st.Span)})
		}
		prog.Steps = append(prog.Steps, ps)
	}
	if len(b.errs) > 0 {
		return nil
	}
	text, err := prog.Text()
	if err != nil {
		panic("internal error: " + err.Error())
	}

	// Each row as [number, cell…], all rows of a partition as one array.
	ref, mine := uses()
	swap := func(x plan.Expr) plan.Expr { return renamed(x, mine) }
	values := []plan.Expr{b.builtin("__rawjson", &plan.Col{Column: mine[row.ID]})}
	for _, x := range cells {
		values = append(values, b.number(swap(x)))
	}
	packed := b.column("packed", schema.Dynamic)
	items := []plan.Item{{Col: packed, Value: b.builtin("pack_array", values...)}}
	sc := b.scope(t, e, "scan")
	var keys []plan.Item
	for _, x := range op.By {
		list, ok := b.item(x, sc)
		if !ok {
			return nil
		}
		for _, n := range list {
			k := b.column("key", n.x.Type())
			items = append(items, plan.Item{Col: k, Value: swap(n.x)})
			keys = append(keys, plan.Item{Col: b.column("key", k.Type), Value: &plan.Col{Column: k}})
		}
	}
	list, err := builtin.Aggregates().Resolve("make_list", []schema.Type{schema.Dynamic})
	if err != nil {
		panic("internal error: " + err.Error())
	}
	all := b.column("rows", schema.Dynamic)
	group := &plan.Aggregate{In: b.add(ref, []plan.Column{mine[row.ID]}, items), Keys: keys,
		Aggs: []plan.Item{{Col: all, Value: &plan.Agg{F: list, Args: []plan.Expr{&plan.Col{Column: packed}}, T: schema.Dynamic, Order: &plan.Col{Column: mine[row.ID]}}}}}
	found := plan.Unnested{Col: b.column("found", schema.Dynamic), Value: b.builtin("__scan", &plan.Col{Column: all}, &plan.Const{T: schema.String, Value: text})}
	at := b.column("position", schema.Long)
	matches := &plan.Unnest{In: group, Lists: []plan.Unnested{found}, Index: &at}
	elem := func(i int, t schema.Type) plan.Expr { return b.unpacked(stepInto(&plan.Col{Column: found.Col}, i), t) }
	number, id := b.column("number", schema.Long), b.column("match_id", schema.Long)
	got := []plan.Item{{Col: number, Value: elem(0, schema.Long)}, {Col: id, Value: elem(1, schema.Long)}}
	for i, c := range s.own {
		got = append(got, plan.Item{Col: c, Value: elem(2+i, c.Type)})
	}
	pass := []plan.Column{at}
	order := []plan.Order{}
	for _, k := range keys {
		pass = append(pass, k.Col)
		order = append(order, plan.Order{Value: &plan.Col{Column: k.Col}})
	}
	order = append(order, plan.Order{Value: &plan.Col{Column: at}})
	right := b.add(matches, pass, got)

	ref, mine = uses()
	join := &plan.Join{Kind: plan.Inner, Left: ref, Right: right, On: []plan.Expr{&plan.Compare{Op: "==", X: &plan.Col{Column: mine[row.ID]}, Y: &plan.Col{Column: number}}}}
	out := &table{rel: &plan.Sort{In: join, By: order}, serial: true, open: t.open, known: t.known}
	for _, c := range t.cols {
		out.cols = append(out.cols, mine[c.ID])
	}
	if t.bag != nil {
		c := mine[t.bag.ID]
		out.bag = &c
	}
	out.cols = append(out.cols, s.own...)
	if name, with := b.param(op.Params, "with_match_id", e); with {
		id.Name = unique(out.cols, name)
		out.cols = append(out.cols, id)
	}
	return out
}

// unpacked is a value that came as JSON, times as ticks.
func (b *binder) unpacked(x plan.Expr, t schema.Type) plan.Expr {
	switch t {
	case schema.DateTime, schema.TimeSpan:
		return b.convert(b.convert(x, schema.Long, syntax.Span{}), t, syntax.Span{})
	}
	return b.convert(x, t, syntax.Span{})
}

// renamed is a copy of a value that reads other columns.
func renamed(x plan.Expr, to map[plan.ID]plan.Column) plan.Expr {
	return plan.Rewrite(x, func(y plan.Expr) plan.Expr {
		if c, ok := y.(*plan.Col); ok {
			if n, has := to[c.ID]; has {
				return &plan.Col{Column: n}
			}
		}
		return y
	})
}
