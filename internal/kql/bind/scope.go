package bind

import (
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// A scope is what an expression can see.
type scope struct {
	env         *env
	cols        []plan.Column
	open        bool // there may be columns that are not known
	bag         *plan.Column
	left, right []plan.Column
	sides       bool // $left and $right have a meaning
	agg         *aggregates
	win         *windows
	steps       *steps // of scan
	serial      bool   // rows are in order; aggregates that list them keep it
	where       string // the operator, for messages
}

// scalarScope is for a value in a let or an argument: it sees the columns
// around, if there are any.
func (b *binder) scalarScope(e *env, sc *scope) *scope {
	if sc == nil {
		return &scope{env: e}
	}
	out := *sc
	out.env = e
	return &out
}

// scope is what an operator's expressions see of its input.
func (b *binder) scope(t *table, e *env, where string) *scope {
	return &scope{env: e, cols: t.cols, open: t.open, bag: t.bag, where: where}
}

func find(cols []plan.Column, name string) (plan.Column, bool) {
	i := slices.IndexFunc(cols, func(c plan.Column) bool { return c.Name == name })
	if i < 0 {
		return plan.Column{}, false
	}
	return cols[i], true
}

func names(cols []plan.Column) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

// unique returns name, or name1, name2, … if columns have it already.
func unique(cols []plan.Column, name string) string {
	if _, taken := find(cols, name); !taken {
		return name
	}
	for i := 1; ; i++ {
		n := name + strconv.Itoa(i)
		if _, taken := find(cols, n); !taken {
			return n
		}
	}
}

// name resolves a name in an expression.
func (b *binder) name(x *syntax.Name, sc *scope) plan.Expr {
	if c, ok := find(sc.cols, x.Name); ok {
		return &plan.Col{Column: c}
	}
	if f := sc.env.find(x.Name); f != nil {
		switch {
		case f.broken:
			return nil
		case f.scalar != nil:
			return f.scalar
		case f.fn != nil:
			return b.callScalar(f, nil, x.Span, sc)
		case f.table != nil:
			b.fail(x.Span, syntax.CodeTabular, "%s", needsScalar)
			return nil
		}
	}
	if sc.bag != nil {
		return step(&plan.Col{Column: *sc.bag}, plan.Step{Name: x.Name})
	}
	if c, ok := find(b.absent, x.Name); ok && (sc.where == "search" || sc.where == "find") {
		return null(c.Type)
	}
	if y := b.split(x, sc.cols); y != nil {
		return y
	}
	if strings.HasPrefix(x.Name, "$") {
		b.fail(x.Span, syntax.CodeSemantic, "%s has no meaning here; it belongs into the condition of a join.", x.Name)
		return nil
	}
	msg := "Failed to resolve column or scalar expression named '" + x.Name + "'."
	if sc.where != "" {
		msg = "'" + sc.where + "' operator: " + msg
	}
	if s := syntax.Suggest(x.Name, names(sc.cols)); s != "" {
		msg += " Did you mean '" + s + "'?"
	}
	b.fail(x.Span, syntax.CodeSemantic, "%s", msg)
	return nil
}

// split resolves a name that a union has split by type into name_type: it is
// the value of whichever column has one, as the first of those types.
func (b *binder) split(x *syntax.Name, cols []plan.Column) plan.Expr {
	c := &plan.Case{}
	for _, col := range cols {
		if b.splits[col.ID] != x.Name {
			continue
		}
		y := plan.Expr(&plan.Col{Column: col})
		if c.T == schema.Invalid {
			c.T = col.Type
		}
		if y = b.convert(y, c.T, x.Span); y == nil {
			return nil
		}
		if c.Else != nil {
			c.Whens = append(c.Whens, plan.When{If: b.builtin("isnotempty", c.Else), Then: c.Else})
		}
		c.Else = y
	}
	if len(c.Whens) == 0 {
		return nil
	}
	return c
}

// nameOf is how the column of an unnamed expression is called, "" if it has no
// name of its own.
func (b *binder) nameOf(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Name:
		return x.Name
	case *syntax.Paren:
		return b.nameOf(x.X)
	case *syntax.Assign:
		return x.Names[0].Name
	case *syntax.Member:
		if n := b.nameOf(x.X); n != "" && n[0] != '$' {
			return n + "_" + x.Name.Name
		}
		return x.Name.Name
	case *syntax.Index:
		n := b.nameOf(x.X)
		l, ok := x.I.(*syntax.Literal)
		if n == "" || !ok {
			return n
		}
		switch v := l.Value.(type) {
		case string:
			return n + "_" + identifier(v)
		case int64:
			return n + "_" + strconv.FormatInt(v, 10)
		}
		return n
	case *syntax.Call:
		return b.callName(x)
	}
	return ""
}

// identifier makes what can stand in a name of v.
func identifier(v string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return '_'
	}, v)
}

// wild matches a name against a pattern with stars.
func wild(pattern, name string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == name
	}
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

// constant binds an expression that must be constant.
func (b *binder) constant(x syntax.Expr, e *env, what string) *plan.Const {
	y := b.expr(x, &scope{env: e})
	if y == nil {
		return nil
	}
	c, ok := y.(*plan.Const)
	if !ok {
		b.fail(x.Where(), syntax.CodeConstant, "%s must be a constant.", what)
		return nil
	}
	return c
}

// text is the string of a parameter's value: a word or a literal.
func (b *binder) text(x syntax.Expr, e *env) string {
	switch x := x.(type) {
	case *syntax.Name:
		return x.Name
	case *syntax.Literal:
		switch v := x.Value.(type) {
		case string:
			return v
		case bool:
			return strconv.FormatBool(v)
		case int64:
			return strconv.FormatInt(v, 10)
		}
	}
	return ""
}

// param returns the value of an operator's parameter.
func (b *binder) param(list []syntax.Param, name string, e *env) (string, bool) {
	for _, p := range list {
		if p.Name == name {
			return b.text(p.Value, e), true
		}
	}
	return "", false
}
