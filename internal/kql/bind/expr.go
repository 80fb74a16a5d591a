package bind

import (
	"slices"

	"strconv"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// expr binds a value; nil after a mistake.
func (b *binder) expr(x syntax.Expr, sc *scope) plan.Expr {
	if !b.grow(x.Where()) {
		return nil
	}
	switch x := x.(type) {
	case *syntax.Literal:
		return &plan.Const{T: x.Type, Value: x.Value}
	case *syntax.Dynamic:
		if x.JSON == "" {
			return &plan.Const{T: schema.Dynamic}
		}
		return &plan.Const{T: schema.Dynamic, Value: x.JSON}
	case *syntax.Paren:
		return b.expr(x.X, sc)
	case *syntax.Name:
		return b.name(x, sc)
	case *syntax.Unary:
		y := b.expr(x.X, sc)
		if y == nil || x.Op == "+" {
			return y
		}
		return b.arithmetic("neg", x.Span, y)
	case *syntax.Binary:
		return b.binary(x, sc)
	case *syntax.List:
		return b.list(x, sc)
	case *syntax.Between:
		return b.between(x, sc)
	case *syntax.Call:
		return b.scalarCall(x, sc)
	case *syntax.Member:
		return b.member(x, sc)
	case *syntax.Index:
		return b.index(x, sc)
	case *syntax.Assign:
		return b.expr(x.X, sc)
	case *syntax.TypeOf:
		return &plan.Const{T: schema.String, Value: x.Type.String()}
	}
	b.fail(x.Where(), syntax.CodeTabular, "%s", needsScalar)
	return nil
}

const needsScalar = "A value is expected here, not a table; toscalar() makes one of the first column of the first row."

// isColumn reports whether a name means a column here.
func (b *binder) isColumn(x syntax.Expr, sc *scope) bool {
	n, ok := x.(*syntax.Name)
	if !ok {
		return false
	}
	_, ok = find(sc.cols, n.Name)
	return ok || sc.open
}

// tableValue is toscalar of a table.
func (b *binder) tableValue(x syntax.Expr, sc *scope) plan.Expr {
	t := b.table(x, sc.env)
	if t == nil || len(t.cols) == 0 {
		return nil
	}
	return b.firstValue(t)
}

// member binds x.name.
func (b *binder) member(x *syntax.Member, sc *scope) plan.Expr {
	if n, ok := x.X.(*syntax.Name); ok && sc.sides && (n.Name == "$left" || n.Name == "$right") {
		cols := sc.left
		if n.Name == "$right" {
			cols = sc.right
		}
		return b.name(x.Name, &scope{env: (*env)(nil).child(), cols: cols, where: sc.where})
	}
	if n, ok := x.X.(*syntax.Name); ok && sc.steps != nil {
		if i := slices.Index(sc.steps.names, n.Name); i >= 0 {
			if c, has := sc.steps.column(i, x.Name.Name); has {
				return &plan.Col{Column: c}
			}
			b.fail(x.Name.Span, syntax.CodeSemantic, "'scan' operator: the step %s has no column '%s'.", n.Name, x.Name.Name)
			return nil
		}
	}
	if isAboutPlace(x) && isPlace(x.X, sc.env) {
		return b.aboutPlace(x, sc.env)
	}
	y := b.expr(x.X, sc)
	if y == nil {
		return nil
	}
	if y.Type() != schema.Dynamic {
		b.fail(x.Name.Span, syntax.CodeType, "Only a dynamic value has members; this is of type %s. Use parse_json() on text.", y.Type())
		return nil
	}
	return step(y, plan.Step{Name: x.Name.Name})
}

// index binds x[i].
func (b *binder) index(x *syntax.Index, sc *scope) plan.Expr {
	y := b.expr(x.X, sc)
	i := b.expr(x.I, sc)
	if y == nil || i == nil {
		return nil
	}
	if y.Type() != schema.Dynamic {
		b.fail(x.Span, syntax.CodeType, "Only a dynamic value has elements; this is of type %s.", y.Type())
		return nil
	}
	if c, ok := i.(*plan.Const); ok {
		switch v := c.Value.(type) {
		case string:
			if c.T == schema.String {
				return step(y, plan.Step{Name: v})
			}
		case int64:
			return step(y, plan.Step{Kind: plan.Element, Index: v})
		}
	}
	switch i.Type() {
	case schema.String, schema.Long, schema.Int, schema.Dynamic:
		return step(y, plan.Step{Kind: plan.Computed, X: b.toJSON(i)})
	}
	b.fail(x.I.Where(), syntax.CodeType, "An element is found by a number or by a name, not by a %s.", i.Type())
	return nil
}

// step goes one step further into a dynamic value.
func step(x plan.Expr, s plan.Step) plan.Expr {
	if p, ok := x.(*plan.Path); ok && s.Kind != plan.Computed {
		steps := make([]plan.Step, 0, len(p.Steps)+1)
		return &plan.Path{X: p.X, Steps: append(append(steps, p.Steps...), s)}
	}
	return &plan.Path{X: x, Steps: []plan.Step{s}}
}

// toJSON turns any value into a dynamic one with the same content.
func (b *binder) toJSON(x plan.Expr) plan.Expr {
	if x.Type() == schema.Dynamic {
		return x
	}
	if c, ok := x.(*plan.Const); ok {
		j := syntax.LiteralJSON(&syntax.Literal{Type: c.T, Value: c.Value}, false)
		if j == "null" {
			return &plan.Const{T: schema.Dynamic}
		}
		return &plan.Const{T: schema.Dynamic, Value: j}
	}
	return b.builtin("__json", x)
}

// builtin calls a function of the table whose arguments are known to fit.
func (b *binder) builtin(name string, args ...plan.Expr) plan.Expr {
	f, err := builtin.Functions().Resolve(name, types(args))
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return b.apply(f, args, syntax.Span{})
}

func types(args []plan.Expr) []schema.Type {
	out := make([]schema.Type, len(args))
	for i, a := range args {
		out[i] = a.Type()
	}
	return out
}

var conversions = map[schema.Type]string{
	schema.Bool: "tobool", schema.Int: "toint", schema.Long: "tolong", schema.Real: "todouble", schema.Decimal: "todecimal",
	schema.String: "tostring", schema.DateTime: "todatetime", schema.TimeSpan: "totimespan", schema.GUID: "toguid",
}

// convert makes a value of type t. It is silent: what can't be converted is
// null when the query runs, as the language has it.
func (b *binder) convert(x plan.Expr, t schema.Type, at syntax.Span) plan.Expr {
	if x == nil || x.Type() == t || t == schema.Invalid {
		return x
	}
	if c, ok := x.(*plan.Const); ok && c.Value == nil && t != schema.String {
		return &plan.Const{T: t}
	}
	if t == schema.Dynamic {
		return b.toJSON(x)
	}
	if c, ok := x.(*plan.Const); ok {
		if k := convertNumber(c, t); k != nil {
			return k
		}
	}
	f, err := builtin.Functions().Resolve(conversions[t], []schema.Type{x.Type()})
	if err != nil {
		b.fail(at, syntax.CodeType, "A %s can't be used as a %s here.", x.Type(), t)
		return nil
	}
	return b.apply(f, []plan.Expr{x}, at)
}

// convertNumber converts constants among numbers, datetimes and timespans.
func convertNumber(c *plan.Const, t schema.Type) *plan.Const {
	switch v := physical(c).(type) {
	case int64:
		switch t {
		case schema.Real:
			return &plan.Const{T: t, Value: float64(v)}
		case schema.Int:
			return &plan.Const{T: t, Value: int64(int32(v))}
		case schema.Long, schema.DateTime, schema.TimeSpan:
			return logical(t, v)
		case schema.Bool:
			return &plan.Const{T: t, Value: v != 0}
		case schema.String:
			if c.T == schema.Int || c.T == schema.Long {
				return &plan.Const{T: t, Value: strconv.FormatInt(v, 10)}
			}
		case schema.Decimal:
			return &plan.Const{T: t, Value: strconv.FormatInt(v, 10)}
		}
	case float64:
		if t == schema.Long || t == schema.Int {
			if n, ok := native.Truncate(v).(int64); ok {
				return convertNumber(&plan.Const{T: schema.Long, Value: n}, t)
			}
			return &plan.Const{T: t}
		}
	case bool:
		n := int64(0)
		if v {
			n = 1
		}
		switch t {
		case schema.Int, schema.Long, schema.Real:
			return convertNumber(&plan.Const{T: schema.Long, Value: n}, t)
		case schema.String:
			return &plan.Const{T: t, Value: map[bool]string{true: "True", false: "False"}[v]}
		}
	}
	return nil
}

// apply makes a call of a form: it converts the arguments, fills in those left
// out, and computes the result if all are constant.
func (b *binder) apply(f *builtin.Form, args []plan.Expr, at syntax.Span) plan.Expr {
	given := types(args)
	result := f.ResultType(given)
	goOnly := f.SQL == "" && f.Go != nil
	conv := make([]plan.Expr, 0, len(args))
	for i, a := range args {
		t, _, _ := f.Target(i, a.Type())
		x := b.convert(a, t, at)
		if f.Go != nil && goOnly {
			p := f.Params[min(i, len(f.Params)-1)]
			x = b.convert(x, p.Carrier(), at)
		}
		if x == nil {
			return nil
		}
		conv = append(conv, x)
	}
	if goOnly {
		for i := len(conv); i < len(f.Params); i++ {
			if f.Params[i].Rest {
				break
			}
			conv = append(conv, &plan.Const{T: f.Params[i].Carrier()})
		}
	}
	call := &plan.Call{F: f, Args: conv, T: result}
	if c := fold(call); c != nil {
		return c
	}
	return call
}

// fold computes a call of constants; nil if that can't be done here.
func fold(call *plan.Call) *plan.Const {
	f := call.F
	if f.Note&builtin.Volatile != 0 || f.Go == nil && f.SQL != "{0}" {
		return nil
	}
	args := make([]any, len(call.Args))
	for i, a := range call.Args {
		c, ok := a.(*plan.Const)
		if !ok {
			return nil
		}
		args[i] = physical(c)
		if args[i] == nil && f.Note&builtin.NullSafe == 0 && (i >= len(f.Params) || !f.Params[i].Optional) {
			if call.T == schema.String {
				return &plan.Const{T: call.T, Value: ""}
			}
			return &plan.Const{T: call.T}
		}
	}
	if f.Go == nil {
		return logical(call.T, args[0])
	}
	for len(args) < len(f.Params) && !f.Params[len(args)].Rest {
		args = append(args, nil)
	}
	v, err := f.Go(args)
	if err != nil {
		return nil
	}
	return logical(call.T, v)
}

// physical is a constant as the engine carries it.
func physical(c *plan.Const) any {
	switch v := c.Value.(type) {
	case schema.Ticks:
		return int64(v)
	case schema.Span:
		return int64(v)
	}
	return c.Value
}

// logical is what the engine carries as a constant of type t.
func logical(t schema.Type, v any) *plan.Const {
	switch x := v.(type) {
	case int32:
		v = int64(x)
	case nil:
		if t == schema.String {
			v = ""
		}
	}
	if n, ok := v.(int64); ok {
		switch t {
		case schema.DateTime:
			if n < 0 || schema.Ticks(n) > schema.MaxTicks {
				return &plan.Const{T: t}
			}
			v = schema.Ticks(n)
		case schema.TimeSpan:
			v = schema.Span(n)
		case schema.Real:
			v = float64(n)
		}
	}
	return &plan.Const{T: t, Value: v}
}

// arithmetic binds + - * / % and negation.
func (b *binder) arithmetic(op string, at syntax.Span, args ...plan.Expr) plan.Expr {
	ts := types(args)
	if len(args) == 2 { // a dynamic operand takes the type of the other
		for i := range args {
			other := ts[1-i]
			if ts[i] == schema.Dynamic && other != schema.Dynamic {
				to := other
				switch {
				case other == schema.Int:
					to = schema.Long
				case other == schema.DateTime && op == "+" || other == schema.TimeSpan && (op == "*"):
					to = map[string]schema.Type{"+": schema.TimeSpan, "*": schema.Real}[op]
				case other == schema.DateTime:
					to = schema.DateTime
				}
				args[i] = b.convert(args[i], to, at)
				if args[i] == nil {
					return nil
				}
				ts[i] = args[i].Type()
			}
		}
	}
	f, err := builtin.Operators().Resolve(op, ts)
	if err != nil {
		if len(ts) == 1 {
			b.fail(at, syntax.CodeType, "The sign - can't be used on a %s.", ts[0])
			return nil
		}
		b.fail(at, syntax.CodeType, "Arithmetic expression cannot be carried-out between %s and %s using operator '%s'.", ts[0], ts[1], op)
		return nil
	}
	x := b.apply(f, args, at)
	if call, ok := x.(*plan.Call); ok {
		if c := foldArithmetic(op, call); c != nil {
			return c
		}
	}
	return x
}

// foldArithmetic computes on constants what SQL would compute later.
func foldArithmetic(op string, call *plan.Call) *plan.Const {
	var v [2]any
	for i, a := range call.Args {
		c, ok := a.(*plan.Const)
		if !ok {
			return nil
		}
		if v[i] = physical(c); v[i] == nil {
			return &plan.Const{T: call.T}
		}
	}
	if op == "neg" {
		op, v[1] = "-", v[0]
		v[0] = int64(0)
		if _, real := v[1].(float64); real {
			return &plan.Const{T: call.T, Value: -v[1].(float64)}
		}
	}
	x, isInt := v[0].(int64)
	y, alsoInt := v[1].(int64)
	if !isInt || !alsoInt {
		p, isReal := v[0].(float64)
		q, alsoReal := v[1].(float64)
		if isInt {
			p, isReal = float64(x), true
		}
		if alsoInt {
			q, alsoReal = float64(y), true
		}
		if !isReal || !alsoReal {
			return nil
		}
		var r float64
		switch op {
		case "+":
			r = p + q
		case "-":
			r = p - q
		case "*":
			r = p * q
		case "/":
			r = p / q
		default:
			return nil
		}
		if call.T != schema.Real {
			return logical(call.T, int64(r))
		}
		return &plan.Const{T: schema.Real, Value: r}
	}
	if call.T == schema.Real {
		return &plan.Const{T: schema.Real, Value: float64(x) / float64(y)}
	}
	switch op {
	case "+", "-", "*":
		r, _ := native.WrapLong(op)([]any{x, y})
		return logical(call.T, r)
	case "/":
		if y != 0 && y != -1 {
			return logical(call.T, x/y)
		}
	}
	return nil
}
