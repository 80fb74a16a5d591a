package bind

import (
	"encoding/json"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

func (b *binder) binary(x *syntax.Binary, sc *scope) plan.Expr {
	if _, star := x.X.(*syntax.Star); star {
		return b.anyColumn(x, sc)
	}
	l, r := b.expr(x.X, sc), b.expr(x.Y, sc)
	if l == nil || r == nil {
		return nil
	}
	switch x.Op {
	case "and", "or":
		return b.logic(x.Op, l, r, x)
	case "+", "-", "*", "/", "%":
		return b.arithmetic(x.Op, x.Span, l, r)
	case "==", "!=", "<", "<=", ">", ">=":
		return b.compare(x.Op, l, r, x.Span)
	}
	return b.match(x.Op, l, r, x.Span)
}

func (b *binder) logic(op string, l, r plan.Expr, x *syntax.Binary) plan.Expr {
	l, r = b.condition(l, x.X.Where(), op), b.condition(r, x.Y.Where(), op)
	if l == nil || r == nil {
		return nil
	}
	return &plan.Logic{Op: op, X: l, Y: r}
}

// condition makes a bool of a value that should be one.
func (b *binder) condition(x plan.Expr, at syntax.Span, what string) plan.Expr {
	switch {
	case x == nil || x.Type() == schema.Bool:
		return x
	case x.Type() == schema.Dynamic || builtin.IsNumber(x.Type()) && what == "where":
		return b.convert(x, schema.Bool, at)
	}
	b.fail(at, syntax.CodeType, "'%s' needs a condition; this is a %s.", what, x.Type())
	return nil
}

// compare makes operands of one type and compares them.
func (b *binder) compare(op string, l, r plan.Expr, at syntax.Span) plan.Expr {
	lt, rt := l.Type(), r.Type()
	to := schema.Invalid
	order := op != "==" && op != "!="
	switch {
	case lt == rt && lt != schema.Dynamic:
		to = lt
	case lt == schema.Dynamic && rt == schema.Dynamic:
		if order {
			to = schema.Real
		} else {
			to = schema.String
		}
	case lt == schema.Dynamic || rt == schema.Dynamic:
		if to = rt; lt != schema.Dynamic {
			to = lt
		}
		if to == schema.Int || to == schema.Long {
			to = schema.Real // 5.5 in a bag is not 5
		}
	case builtin.IsNumber(lt) && builtin.IsNumber(rt):
		to, _ = builtin.Common(lt, rt)
	case lt == schema.Bool && builtin.IsNumber(rt), rt == schema.Bool && builtin.IsNumber(lt):
		to = schema.Long
	case !order && (lt == schema.String || rt == schema.String):
		return b.looseEqual(op, l, r, at)
	}
	if to == schema.Invalid {
		b.fail(at, syntax.CodeCompare, "Cannot compare values of types %s and %s. Try adding explicit casts.", lt, rt)
		return nil
	}
	l, r = b.convert(l, to, at), b.convert(r, to, at)
	if l == nil || r == nil {
		return nil
	}
	if to == schema.Decimal {
		l, r = b.builtin("__deccmp", l, r), &plan.Const{T: schema.Long, Value: int64(0)}
	}
	return &plan.Compare{Op: op, X: l, Y: r}
}

// looseEqual compares text with a value of another type by turning the text
// into that type, which a constant must allow.
func (b *binder) looseEqual(op string, l, r plan.Expr, at syntax.Span) plan.Expr {
	text, other := l, r
	if r.Type() == schema.String {
		text, other = r, l
	}
	if c, ok := text.(*plan.Const); ok {
		if v, ok := b.convert(c, other.Type(), at).(*plan.Const); ok && v.Value != nil {
			return &plan.Compare{Op: op, X: other, Y: v}
		}
	}
	return &plan.Compare{Op: op, X: b.convert(other, schema.String, at), Y: text}
}

// matchOps says what each operator on strings does.
var matchOps = map[string]plan.Match{
	"=~": {Op: plan.Equals, Fold: true}, "!~": {Op: plan.Equals, Fold: true},
	"contains": {Op: plan.Contains, Fold: true}, "contains_cs": {Op: plan.Contains}, "containscs": {Op: plan.Contains}, "notcontains": {Op: plan.Contains, Fold: true}, "notcontainscs": {Op: plan.Contains},
	"startswith": {Op: plan.StartsWith, Fold: true}, "startswith_cs": {Op: plan.StartsWith},
	"endswith": {Op: plan.EndsWith, Fold: true}, "endswith_cs": {Op: plan.EndsWith},
	"has": {Op: plan.Has, Fold: true}, "has_cs": {Op: plan.Has}, ":": {Op: plan.Has, Fold: true},
	"hasprefix": {Op: plan.HasPrefix, Fold: true}, "hasprefix_cs": {Op: plan.HasPrefix},
	"hassuffix": {Op: plan.HasSuffix, Fold: true}, "hassuffix_cs": {Op: plan.HasSuffix},
	"matches regex": {Op: plan.Regex},
}

// match binds an operator on strings.
func (b *binder) match(op string, l, r plan.Expr, at syntax.Span) plan.Expr {
	word := strings.TrimPrefix(op, "!")
	if op == "!~" {
		word = op
	}
	m, ok := matchOps[word]
	if !ok {
		b.fail(at, syntax.CodeUnsupported, "The operator %s is not supported.", op)
		return nil
	}
	for _, x := range []plan.Expr{l, r} {
		if t := x.Type(); t != schema.String && t != schema.Dynamic {
			b.fail(at, syntax.CodeType, "The operator '%s' needs strings; this is a %s. Use tostring().", op, t)
			return nil
		}
	}
	l, r = b.convert(l, schema.String, at), b.convert(r, schema.String, at)
	if l == nil || r == nil {
		return nil
	}
	if c, isConst := r.(*plan.Const); isConst && m.Op == plan.Regex && !b.checkRegex(c.Value.(string), at) {
		return nil
	}
	m.X, m.Y = l, []plan.Expr{r}
	if word != op || op == "!~" || strings.HasPrefix(op, "not") {
		return &plan.Not{X: &m}
	}
	return &m
}

// anyColumn is * op y: at least one column matches.
func (b *binder) anyColumn(x *syntax.Binary, sc *scope) plan.Expr {
	if strings.HasPrefix(x.Op, "!") && x.Op != "!=" && x.Op != "!~" { // no column does
		positive := *x
		positive.Op = x.Op[1:]
		if one := b.anyColumn(&positive, sc); one != nil {
			return &plan.Not{X: one}
		}
		return nil
	}
	var out plan.Expr
	y := b.expr(x.Y, sc)
	if y == nil {
		return nil
	}
	for _, c := range sc.cols {
		var one plan.Expr
		switch x.Op {
		case "==", "!=", "<", "<=", ">", ">=":
			if c.Type != y.Type() && !(builtin.IsNumber(c.Type) && builtin.IsNumber(y.Type())) {
				continue
			}
			one = b.compare(x.Op, &plan.Col{Column: c}, y, x.Span)
		default:
			one = b.match(x.Op, b.convert(&plan.Col{Column: c}, schema.String, x.Span), y, x.Span)
		}
		if one == nil {
			return nil
		}
		if out == nil {
			out = one
		} else {
			out = &plan.Logic{Op: "or", X: out, Y: one}
		}
	}
	if out == nil {
		return &plan.Const{T: schema.Bool, Value: false}
	}
	return out
}

// list binds in, has_any and their like.
func (b *binder) list(x *syntax.List, sc *scope) plan.Expr {
	not := strings.HasPrefix(x.Op, "!")
	op := strings.TrimPrefix(x.Op, "!")
	if _, star := x.X.(*syntax.Star); star {
		return b.anyInList(x, sc)
	}
	l := b.expr(x.X, sc)
	if l == nil {
		return nil
	}
	var out plan.Expr
	if len(x.Items) == 1 && b.isTable(x.Items[0], sc.env) && !b.isColumn(x.Items[0], sc) {
		out = b.inTable(op, l, x, sc)
	} else {
		items, array := b.items(x, sc)
		switch {
		case array != nil:
			out = b.inArray(op, l, array, x.Span)
		case items == nil && len(x.Items) > 0 && len(b.errs) > 0:
			return nil
		default:
			out = b.inItems(op, l, items, x.Span)
		}
	}
	if out == nil || !not {
		return out
	}
	return &plan.Not{X: out}
}

// anyInList is * in (…) or * has_any (…).
func (b *binder) anyInList(x *syntax.List, sc *scope) plan.Expr {
	var out plan.Expr
	for _, c := range sc.cols {
		if c.Type != schema.String && c.Type != schema.Dynamic {
			continue
		}
		one := b.list(&syntax.List{Span: x.Span, Op: x.Op, X: &syntax.Name{Span: x.Span, Name: c.Name, Quoted: true}, Items: x.Items}, sc)
		if one == nil {
			return nil
		}
		if out == nil {
			out = one
		} else {
			out = &plan.Logic{Op: "or", X: out, Y: one}
		}
	}
	if out == nil {
		return &plan.Const{T: schema.Bool, Value: false}
	}
	return out
}

// items binds the items of a list; constant arrays stand for their elements.
// A single array that is not constant is returned apart.
func (b *binder) items(x *syntax.List, sc *scope) (out []plan.Expr, array plan.Expr) {
	for _, it := range x.Items {
		y := b.expr(it, sc)
		if y == nil {
			return nil, nil
		}
		c, isConst := y.(*plan.Const)
		switch {
		case y.Type() != schema.Dynamic:
			out = append(out, y)
		case isConst:
			out = append(out, elements(c)...)
		case len(x.Items) == 1:
			return nil, y
		default:
			out = append(out, b.convert(y, schema.String, it.Where()))
		}
	}
	if out == nil {
		out = []plan.Expr{}
	}
	return out, nil
}

// elements lists the elements of a constant array as constants.
func elements(c *plan.Const) []plan.Expr {
	s, _ := c.Value.(string)
	var raw []json.RawMessage
	if json.Unmarshal([]byte(s), &raw) != nil {
		raw = []json.RawMessage{[]byte(s)}
	}
	var out []plan.Expr
	for _, r := range raw {
		var text string
		var n int64
		switch {
		case json.Unmarshal(r, &text) == nil && r[0] == '"':
			out = append(out, &plan.Const{T: schema.String, Value: text})
		case json.Unmarshal(r, &n) == nil && string(r) != "null":
			out = append(out, &plan.Const{T: schema.Long, Value: n})
		case string(r) != "null" && len(r) > 0:
			var f float64
			if json.Unmarshal(r, &f) == nil {
				out = append(out, &plan.Const{T: schema.Real, Value: f})
			} else {
				out = append(out, &plan.Const{T: schema.String, Value: string(r)})
			}
		}
	}
	return out
}

// inItems is membership in a list of values.
func (b *binder) inItems(op string, l plan.Expr, items []plan.Expr, at syntax.Span) plan.Expr {
	switch op {
	case "has_any", "has_all":
		return b.hasItems(op, l, items, at)
	}
	if len(items) == 0 {
		return &plan.Const{T: schema.Bool, Value: false}
	}
	in := &plan.In{Fold: op == "in~"}
	t := l.Type()
	for _, it := range items {
		if t == schema.Dynamic || in.Fold {
			t = schema.String
			break
		}
		if builtin.IsNumber(t) && builtin.IsNumber(it.Type()) {
			t, _ = builtin.Common(t, it.Type())
		}
	}
	if t == schema.Decimal {
		t = schema.Real
	}
	in.X = b.convert(l, t, at)
	for _, it := range items {
		y := it
		if c, isConst := it.(*plan.Const); isConst && t != schema.String && it.Type() == schema.String {
			if v, ok := b.convert(c, t, at).(*plan.Const); ok && v.Value == nil {
				continue // never equal
			}
		} else if it.Type() != t && t != schema.String && !builtin.IsNumber(t) && it.Type() != schema.String && it.Type() != schema.Dynamic {
			b.fail(at, syntax.CodeCompare, "Cannot compare values of types %s and %s. Try adding explicit casts.", t, it.Type())
			return nil
		}
		in.Items = append(in.Items, b.convert(y, t, at))
	}
	if in.X == nil {
		return nil
	}
	return in
}

func (b *binder) hasItems(op string, l plan.Expr, items []plan.Expr, at syntax.Span) plan.Expr {
	l = b.convert(l, schema.String, at)
	if l == nil {
		return nil
	}
	m := &plan.Match{Op: plan.Has, Fold: true, X: l}
	var all plan.Expr
	for _, it := range items {
		y := b.convert(it, schema.String, at)
		if y == nil {
			return nil
		}
		m.Y = append(m.Y, y)
		one := &plan.Match{Op: plan.Has, Fold: true, X: l, Y: []plan.Expr{y}}
		if all == nil {
			all = one
		} else {
			all = &plan.Logic{Op: "and", X: all, Y: one}
		}
	}
	switch {
	case len(items) == 0:
		return &plan.Const{T: schema.Bool, Value: op == "has_all"}
	case op == "has_all":
		return all
	}
	return m
}

// inArray is membership in an array that is known only when the query runs.
func (b *binder) inArray(op string, l, array plan.Expr, at syntax.Span) plan.Expr {
	switch op {
	case "has_any", "has_all":
		l = b.convert(l, schema.String, at)
		if l == nil {
			return nil
		}
		return b.builtin("__"+op, l, array)
	case "in~":
		return b.builtin("__in_fold", b.toJSON(l), array)
	}
	return b.builtin("__in", b.toJSON(l), array)
}

// inTable is membership in the first column of a table.
func (b *binder) inTable(op string, l plan.Expr, x *syntax.List, sc *scope) plan.Expr {
	t := b.table(x.Items[0], sc.env)
	if t == nil || len(t.cols) == 0 {
		return nil
	}
	t = b.exact(&table{rel: t.rel, cols: t.cols[:1]})
	if op == "has_any" || op == "has_all" || t.cols[0].Type == schema.Dynamic {
		f, err := builtin.Aggregates().Resolve("make_set", []schema.Type{t.cols[0].Type})
		if err != nil {
			panic("internal error: " + err.Error())
		}
		c := b.column("set", schema.Dynamic)
		name := "make_set"
		if t.cols[0].Type == schema.Dynamic { // arrays in rows: all their elements
			name = "__flatten"
		}
		agg := &plan.Agg{F: f, Args: []plan.Expr{&plan.Col{Column: t.cols[0]}}, T: schema.Dynamic}
		rel := &plan.Aggregate{In: t.rel, Aggs: []plan.Item{{Col: c, Value: agg}}}
		var set plan.Expr = &plan.Scalar{Rel: rel, T: schema.Dynamic}
		if name == "__flatten" {
			set = b.builtin("__flatten", set)
		}
		return b.inArray(op, l, set, x.Span)
	}
	to := t.cols[0].Type
	if l.Type() == schema.Dynamic {
		l = b.convert(l, to, x.Span)
	} else if builtin.IsNumber(l.Type()) && builtin.IsNumber(to) {
		to, _ = builtin.Common(l.Type(), to)
		l = b.convert(l, to, x.Span)
	} else if l.Type() != to {
		l, to = b.convert(l, schema.String, x.Span), schema.String
	}
	if to != t.cols[0].Type {
		p := &plan.Project{In: t.rel, Items: []plan.Item{{Col: b.column("value", to), Value: b.convert(&plan.Col{Column: t.cols[0]}, to, x.Span)}}}
		t = &table{rel: p, cols: p.Columns()}
	}
	return &plan.In{X: l, Rel: t.rel, Fold: op == "in~"}
}

// between binds x between (lo .. hi).
func (b *binder) between(x *syntax.Between, sc *scope) plan.Expr {
	v, lo, hi := b.expr(x.X, sc), b.expr(x.Lo, sc), b.expr(x.Hi, sc)
	if v == nil || lo == nil || hi == nil {
		return nil
	}
	if hi.Type() == schema.TimeSpan && lo.Type() == schema.DateTime {
		if hi = b.arithmetic("+", x.Span, lo, hi); hi == nil {
			return nil
		}
	}
	l, h := b.compare(">=", v, lo, x.Span), b.compare("<=", v, hi, x.Span)
	if l == nil || h == nil {
		return nil
	}
	var out plan.Expr = &plan.Logic{Op: "and", X: l, Y: h}
	if x.Not {
		out = &plan.Not{X: out}
	}
	return out
}
