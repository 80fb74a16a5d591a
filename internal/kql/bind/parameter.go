package bind

import (
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// declare binds a query parameter to the value that the request gives it, or
// to its default.
func (b *binder) declare(p syntax.FuncParam, e *env) {
	name := p.Name.Name
	if text, given := b.opt.Parameters[name]; given {
		e.names[name] = b.scalarBinding(b.parameter(p, text))
		return
	}
	if p.Default == nil {
		b.fail(p.Span, syntax.CodeSemantic, "The query parameter %s has no value; send one with the query, or give it a default.", name)
		e.names[name] = &binding{broken: true}
		return
	}
	x := b.expr(p.Default, &scope{env: e})
	e.names[name] = b.scalarBinding(b.convert(x, p.Type, p.Span))
}

// parameter reads the value of a query parameter: a literal of the language,
// or else the text of a value of the type. It is a value and never becomes
// part of the query.
func (b *binder) parameter(p syntax.FuncParam, text string) plan.Expr {
	x := &plan.Const{T: schema.String, Value: text}
	if k := b.literalOf(text); k != nil && (p.Type != schema.String || k.T == schema.String) {
		x = k
	}
	var y plan.Expr = x
	if p.Type == schema.Dynamic && x.T == schema.String {
		y = b.builtin("parse_json", x)
	}
	k, ok := b.convert(y, p.Type, p.Span).(*plan.Const)
	if !ok || k.Value == nil && x.Value != nil && x.Value != "" {
		b.fail(p.Span, syntax.CodeSemantic, "The value of the query parameter %s can't be read as a %s.", p.Name.Name, p.Type)
		return nil
	}
	return k
}

// literalOf reads a literal, with a sign perhaps; nil if the text is none.
func (b *binder) literalOf(text string) *plan.Const {
	q, errs := syntax.Parse("print " + strings.TrimSpace(text))
	if len(errs) > 0 || len(q.Statements) != 1 {
		return nil
	}
	t, ok := q.Statements[0].(*syntax.Tabular)
	if !ok {
		return nil
	}
	source, ok := t.X.(*syntax.Source)
	if !ok {
		return nil
	}
	op, ok := source.Op.(*syntax.Print)
	if !ok || len(op.Items) != 1 {
		return nil
	}
	inner := op.Items[0]
	if sign, ok := inner.(*syntax.Unary); ok {
		inner = sign.X
	}
	switch inner.(type) {
	case *syntax.Literal, *syntax.Dynamic:
		k, _ := b.expr(op.Items[0], &scope{env: (*env)(nil).child()}).(*plan.Const)
		return k
	}
	return nil
}
