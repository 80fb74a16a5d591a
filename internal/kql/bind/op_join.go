package bind

import (
	"slices"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// joinKinds maps the words of the language; innerunique is treated apart.
var joinKinds = map[string]plan.JoinKind{
	"inner": plan.Inner, "innerunique": plan.Inner, "leftouter": plan.LeftOuter, "rightouter": plan.RightOuter, "fullouter": plan.FullOuter,
	"leftsemi": plan.LeftSemi, "rightsemi": plan.RightSemi, "leftanti": plan.LeftAnti, "anti": plan.LeftAnti, "leftantisemi": plan.LeftAnti,
	"rightanti": plan.RightAnti, "rightantisemi": plan.RightAnti,
}

func (b *binder) join(op *syntax.Join, t *table, e *env) *table {
	right := b.table(op.Right, e)
	if right == nil {
		return nil
	}
	word, given := b.param(op.Params, "kind", e)
	if !given {
		word = "innerunique"
		if op.Lookup {
			word = "leftouter"
		}
	}
	kind, ok := joinKinds[word]
	if !ok || op.Lookup && kind != plan.Inner && kind != plan.LeftOuter {
		b.fail(op.Span, syntax.CodeJoin, "There is no join kind '%s' here.", word)
		return nil
	}
	left := b.exact(t)
	right = b.exact(right)
	j := &plan.Join{Kind: kind, Left: left.rel, Right: right.rel}
	var keys []plan.Column // of the left side
	var dropped []plan.Column
	sc := &scope{env: e, cols: nil, left: left.cols, right: right.cols, sides: true, where: "join"}
	if len(op.On) == 0 {
		b.fail(op.Span, syntax.CodeJoin, "join needs on and the columns to join by.")
		return nil
	}
	conds := flatten(op.On)
	for _, on := range conds {
		if n, isName := on.(*syntax.Name); isName {
			l := b.name(n, &scope{env: (*env)(nil).child(), cols: left.cols, where: "join"})
			r := b.name(n, &scope{env: (*env)(nil).child(), cols: right.cols, where: "join"})
			if l == nil || r == nil {
				ok = false
				continue
			}
			keys = append(keys, l.(*plan.Col).Column)
			dropped = append(dropped, r.(*plan.Col).Column)
			ok = b.joinKey(j, l, r, on.Where()) && ok
			continue
		}
		bin, isEq := on.(*syntax.Binary)
		if !isEq || bin.Op != "==" {
			b.fail(on.Where(), syntax.CodeJoin, "join: only column names and $left.a == $right.b are allowed as conditions.")
			ok = false
			continue
		}
		l, r := b.expr(bin.X, sc), b.expr(bin.Y, sc)
		if l == nil || r == nil {
			ok = false
			continue
		}
		if side(l, right.cols) && side(r, left.cols) {
			l, r = r, l
		}
		if !side(l, left.cols) || !side(r, right.cols) || !reads(l) || !reads(r) { // a constant side would join every row with every other
			b.fail(on.Where(), syntax.CodeJoin, "join: each side of == must read one side only: $left.a == $right.b.")
			ok = false
			continue
		}
		if c, isCol := l.(*plan.Col); isCol {
			keys = append(keys, c.Column)
		}
		if c, isCol := r.(*plan.Col); isCol && op.Lookup {
			dropped = append(dropped, c.Column)
		}
		ok = b.joinKey(j, l, r, on.Where()) && ok
	}
	if !ok {
		return nil
	}
	if word == "innerunique" && len(keys) > 0 {
		j.Left = b.uniqueOn(left, keys)
	}
	return b.joined(op, j, left, right, dropped)
}

// flatten takes a and b apart.
func flatten(on []syntax.Expr) (out []syntax.Expr) {
	for _, x := range on {
		switch y := x.(type) {
		case *syntax.Binary:
			if y.Op == "and" {
				out = append(out, flatten([]syntax.Expr{y.X, y.Y})...)
				continue
			}
		case *syntax.Paren:
			out = append(out, flatten([]syntax.Expr{y.X})...)
			continue
		}
		out = append(out, x)
	}
	return out
}

// side reports whether x reads only the given columns.
func side(x plan.Expr, cols []plan.Column) bool {
	ok := true
	plan.Walk(x, func(e plan.Expr) {
		if c, is := e.(*plan.Col); is && !slices.ContainsFunc(cols, func(o plan.Column) bool { return o.ID == c.ID }) {
			ok = false
		}
	})
	return ok
}

// reads reports whether x reads a column at all.
func reads(x plan.Expr) (does bool) {
	plan.Walk(x, func(e plan.Expr) {
		_, is := e.(*plan.Col)
		does = does || is
	})
	return does
}

// joinKey adds l == r, by which nulls meet nulls.
func (b *binder) joinKey(j *plan.Join, l, r plan.Expr, at syntax.Span) bool {
	lt, rt := l.Type(), r.Type()
	to := lt
	switch {
	case lt == rt:
	case builtin.IsNumber(lt) && builtin.IsNumber(rt):
		to, _ = builtin.Common(lt, rt)
	case lt == schema.Dynamic:
		to = rt
	case rt == schema.Dynamic:
		to = lt
	default:
		b.fail(at, syntax.CodeJoin, "join: the columns have different types, %s and %s; convert one of them.", lt, rt)
		return false
	}
	l, r = b.convert(l, to, at), b.convert(r, to, at)
	if l == nil || r == nil {
		return false
	}
	j.On = append(j.On, &plan.Compare{Op: "is", X: l, Y: r})
	return true
}

// uniqueOn keeps one row for each combination of keys, as innerunique does.
func (b *binder) uniqueOn(t *table, keys []plan.Column) plan.Rel {
	agg := &plan.Aggregate{In: t.rel}
	isKey := map[plan.ID]bool{}
	for _, k := range keys {
		if !isKey[k.ID] {
			isKey[k.ID] = true
			agg.Keys = append(agg.Keys, plan.Item{Col: k, Value: &plan.Col{Column: k}})
		}
	}
	f := builtin.Aggregates().Forms("take_any")[0]
	cols := t.cols
	if t.bag != nil {
		cols = append(slices.Clone(cols), *t.bag)
	}
	for _, c := range cols {
		if !isKey[c.ID] {
			agg.Aggs = append(agg.Aggs, plan.Item{Col: c, Value: &plan.Agg{F: f, Args: []plan.Expr{&plan.Col{Column: c}}, T: c.Type}})
		}
	}
	return agg
}

// joined names the columns of the answer: those of the right side that are
// named like one of the left get a number.
func (b *binder) joined(op *syntax.Join, j *plan.Join, left, right *table, dropped []plan.Column) *table {
	out := &table{rel: j, open: left.open || right.open, known: left.known || right.known, bag: left.bag}
	if out.bag == nil {
		out.bag = right.bag
	}
	switch j.Kind {
	case plan.LeftSemi, plan.LeftAnti:
		out.cols, out.bag = left.cols, left.bag
		return out
	case plan.RightSemi, plan.RightAnti:
		out.cols, out.bag = right.cols, right.bag
		return out
	}
	out.cols = slices.Clone(left.cols)
	for _, c := range right.cols {
		if op.Lookup && slices.ContainsFunc(dropped, func(d plan.Column) bool { return d.ID == c.ID }) {
			continue
		}
		if _, taken := find(out.cols, c.Name); taken { // the number must be free on both sides
			c.Name = unique(slices.Concat(out.cols, right.cols), c.Name)
		}
		out.cols = append(out.cols, c)
	}
	return out
}
