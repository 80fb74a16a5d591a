package bind

import (
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// count checks the number of arguments of a function with a rule.
func (b *binder) count(x *syntax.Call, least, most int) bool {
	if n := len(x.Args); n < least || n > most {
		f := builtin.Functions().Forms(x.Name.Name)[0]
		b.fail(x.Span, syntax.CodeCall, "%s() does not take %d arguments; it is %s%s.", x.Name.Name, n, x.Name.Name, f.Sig)
		return false
	}
	return true
}

// common converts values to the type that holds them all.
func (b *binder) common(values []plan.Expr, at syntax.Span) (schema.Type, bool) {
	var ts []schema.Type
	for _, v := range values {
		if c, ok := v.(*plan.Const); ok && c.Value == nil && c.T == schema.Dynamic && len(values) > 1 {
			continue // dynamic(null) is a null of any type
		}
		ts = append(ts, v.Type())
	}
	if ts == nil {
		ts = types(values)
	}
	t, ok := builtin.Common(ts...)
	if !ok {
		t = schema.Dynamic
		for _, x := range ts {
			if x == schema.String {
				t = schema.String
			}
		}
	}
	for i := range values {
		if values[i] = b.convert(values[i], t, at); values[i] == nil {
			return t, false
		}
	}
	return t, true
}

func ruleIff(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 3, 3) {
		return nil
	}
	return b.cases(x, sc)
}

func ruleCase(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if len(x.Args) < 3 || len(x.Args)%2 == 0 {
		b.fail(x.Span, syntax.CodeCall, "case() takes conditions with their values and one more value for all else.")
		return nil
	}
	return b.cases(x, sc)
}

func (b *binder) cases(x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	c := &plan.Case{}
	var values []plan.Expr
	for i := 0; i+1 < len(args); i += 2 {
		cond := b.condition(args[i], x.Args[i].Where(), x.Name.Name)
		if cond == nil {
			return nil
		}
		c.Whens = append(c.Whens, plan.When{If: cond})
		values = append(values, args[i+1])
	}
	values = append(values, args[len(args)-1])
	if c.T, ok = b.common(values, x.Span); !ok {
		return nil
	}
	for i := range c.Whens {
		c.Whens[i].Then = values[i]
	}
	c.Else = values[len(values)-1]
	if cond, isConst := c.Whens[0].If.(*plan.Const); isConst && len(c.Whens) == 1 {
		if cond.Value == true {
			return c.Whens[0].Then
		}
		return c.Else
	}
	return c
}

func ruleCoalesce(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 64) {
		return nil
	}
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	t, ok := b.common(args, x.Span)
	if !ok {
		return nil
	}
	c := &plan.Case{T: t, Else: args[len(args)-1]}
	for _, a := range args[:len(args)-1] {
		if k, isConst := a.(*plan.Const); isConst && (k.Value == nil || k.Value == "") {
			continue
		}
		c.Whens = append(c.Whens, plan.When{If: b.builtin("isnotempty", a), Then: a})
	}
	if len(c.Whens) == 0 {
		return c.Else
	}
	return c
}

func ruleNot(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	y := b.condition(b.expr(x.Args[0], sc), x.Args[0].Where(), "not")
	if y == nil {
		return nil
	}
	return &plan.Not{X: y}
}

func (b *binder) now() *plan.Const { return &plan.Const{T: schema.DateTime, Value: b.opt.Now} }

func ruleNow(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 0, 1) {
		return nil
	}
	if len(x.Args) == 0 {
		return b.now()
	}
	y := b.convert(b.expr(x.Args[0], sc), schema.TimeSpan, x.Span)
	if y == nil {
		return nil
	}
	return b.arithmetic("+", x.Span, b.now(), y)
}

func ruleAgo(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	y := b.expr(x.Args[0], sc)
	if y == nil {
		return nil
	}
	if y.Type() != schema.TimeSpan && y.Type() != schema.Dynamic {
		b.fail(x.Args[0].Where(), syntax.CodeCall, "ago() takes a timespan such as 1d, not a %s.", y.Type())
		return nil
	}
	return b.arithmetic("-", x.Span, b.now(), b.convert(y, schema.TimeSpan, x.Span))
}

func ruleToScalar(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	if b.isTable(x.Args[0], sc.env) && !b.isColumn(x.Args[0], sc) {
		return b.tableValue(x.Args[0], sc)
	}
	return b.expr(x.Args[0], sc)
}

func ruleColumnIfExists(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 2, 2) {
		return nil
	}
	name := ""
	switch n := x.Args[0].(type) {
	case *syntax.Name:
		name = n.Name
	default:
		if c := b.constant(x.Args[0], sc.env, "The name of the column"); c != nil {
			name, _ = c.Value.(string)
		}
	}
	if name == "" {
		return nil
	}
	if c, ok := find(sc.cols, name); ok {
		return &plan.Col{Column: c}
	}
	return b.expr(x.Args[1], sc)
}

// ruleIngestionTime takes the time of the row: when it came in is not stored
// apart, and rows that no filter on their arrival keeps would be missed.
func ruleIngestionTime(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 0, 0) {
		return nil
	}
	if c, ok := find(sc.cols, "TimeGenerated"); ok && c.Type == schema.DateTime {
		return &plan.Col{Column: c}
	}
	return &plan.Const{T: schema.DateTime}
}

func ruleIsColumnExists(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	c := b.constant(x.Args[0], sc.env, "The name of the column")
	if c == nil {
		return nil
	}
	name, _ := c.Value.(string)
	_, ok := find(sc.cols, name)
	return &plan.Const{T: schema.Bool, Value: ok}
}

// pack makes a bag of columns.
func (b *binder) pack(cols []plan.Column, skip bool) plan.Expr {
	var args []plan.Expr
	for _, c := range cols {
		args = append(args, &plan.Const{T: schema.String, Value: c.Name}, &plan.Col{Column: c})
	}
	if skip {
		return b.builtin("__pack_skip", args...)
	}
	return b.builtin("bag_pack", args...)
}

func rulePackAll(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 0, 1) {
		return nil
	}
	skip := false
	if len(x.Args) == 1 {
		c := b.constant(x.Args[0], sc.env, "The argument of pack_all()")
		if c == nil {
			return nil
		}
		skip = c.Value == true
	}
	if len(sc.cols) == 0 {
		return &plan.Const{T: schema.Dynamic, Value: "{}"}
	}
	return b.pack(sc.cols, skip)
}

func rulePackColumns(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	var args []plan.Expr
	for _, a := range x.Args {
		y := b.expr(a, sc)
		if y == nil {
			return nil
		}
		args = append(args, &plan.Const{T: schema.String, Value: b.nameOf(a)}, y)
	}
	return b.builtin("bag_pack", args...)
}

func ruleStrcat(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	folded := ""
	constant := x.Name.Name == "strcat"
	for i := range args {
		if args[i] = b.convert(args[i], schema.String, x.Args[min(i, len(x.Args)-1)].Where()); args[i] == nil {
			return nil
		}
		if c, isConst := args[i].(*plan.Const); isConst {
			s, _ := c.Value.(string)
			folded += s
		} else {
			constant = false
		}
	}
	if constant {
		return &plan.Const{T: schema.String, Value: folded}
	}
	f, err := builtin.Functions().Resolve(x.Name.Name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "%s.", err)
		return nil
	}
	return &plan.Call{F: f, Args: args, T: schema.String}
}

func ruleGetType(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	if !b.count(x, 1, 1) {
		return nil
	}
	y := b.expr(x.Args[0], sc)
	if y == nil {
		return nil
	}
	return &plan.Const{T: schema.String, Value: y.Type().String()}
}

// ruleToDynamic keeps the content of what is not text.
func ruleToDynamic(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	y := b.expr(x.Args[0], sc)
	if y == nil {
		return nil
	}
	return b.toJSON(y)
}

func ruleExtractTyped(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	to, ok := x.Args[3].(*syntax.TypeOf)
	if !ok {
		b.fail(x.Args[3].Where(), syntax.CodeCall, "The last argument of extract() names a type: typeof(long).")
		return nil
	}
	y := ruleless(b, &syntax.Call{Span: x.Span, Name: x.Name, Args: x.Args[:3]}, sc)
	return b.convert(y, to.Type, x.Span)
}

func ruleless(b *binder, x *syntax.Call, sc *scope) plan.Expr { return b.scalarCall(x, sc) }

func ruleAssert(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok || !b.count(x, 2, 2) {
		return nil
	}
	cond := b.condition(args[0], x.Args[0].Where(), "assert")
	if cond == nil {
		return nil
	}
	c, isConst := plan.Fold(cond).(*plan.Const)
	if !isConst {
		b.fail(x.Args[0].Where(), syntax.CodeConstant, "The condition of assert() must be known before the query runs.")
		return nil
	}
	if c.Value != true {
		text := "The assertion failed."
		if m, isText := args[1].(*plan.Const); isText && m.T == schema.String {
			text = m.Value.(string)
		}
		b.fail(x.Span, syntax.CodeCall, "assert() failed with message: %s", text)
		return nil
	}
	return &plan.Const{T: schema.Bool, Value: true}
}

// ruleExtremeOf is max_of and min_of: nulls do not count.
func ruleExtremeOf(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok || !b.count(x, 1, 64) {
		return nil
	}
	t, ok := b.common(args, x.Span)
	if !ok {
		return nil
	}
	return &plan.Call{F: builtin.Functions().Forms(x.Name.Name)[0], Args: args, T: t}
}

func ruleRand(b *binder, x *syntax.Call, sc *scope) plan.Expr {
	args, ok := b.args(x, sc)
	if !ok || !b.count(x, 0, 1) {
		return nil
	}
	r := &plan.Call{F: builtin.Functions().Forms("rand")[0], T: schema.Real}
	if len(args) == 0 {
		return r
	}
	n := b.convert(args[0], schema.Real, x.Span)
	if n == nil {
		return nil
	}
	return b.builtin("floor", b.arithmetic("*", x.Span, r, n), &plan.Const{T: schema.Real, Value: 1.0})
}
