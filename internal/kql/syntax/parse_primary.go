package syntax

import (
	"strings"

	"logkeep/internal/schema"
)

// primary reads a literal, a name, a call, something in brackets.
func (p *parser) primary() Expr {
	defer p.deeper()()
	t := p.tok()
	switch t.kind {
	case kInt:
		p.advance()
		v, ok := parseInt(t.text)
		if !ok {
			p.fail(t.Span, "The number "+clip(t.text)+" does not fit a long; write real("+clip(t.text)+").")
		}
		return &Literal{Span: t.Span, Type: schema.Long, Value: v}
	case kReal:
		p.advance()
		v, ok := parseReal(t.text)
		if !ok {
			p.fail(t.Span, "The number "+clip(t.text)+" can't be read.")
		}
		return &Literal{Span: t.Span, Type: schema.Real, Value: v}
	case kTime:
		p.advance()
		v, ok := parseTime(t.text)
		if !ok {
			p.fail(t.Span, "The timespan "+clip(t.text)+" is out of range.")
		}
		return &Literal{Span: t.Span, Type: schema.TimeSpan, Value: v}
	case kQuote:
		p.advance()
		l := &Literal{Span: t.Span, Type: schema.String, Value: t.raw}
		for p.tok().kind == kQuote { // "a" "b" is "ab"
			n := p.advance()
			l.Value = l.Value.(string) + n.raw
			l.End = n.End
		}
		return l
	case kTyped:
		p.advance()
		return p.typed(t)
	case kName:
		return p.named(t)
	case kPunct:
		switch t.text {
		case "(":
			return p.paren()
		case "[":
			if p.peek(1).kind == kQuote {
				n := p.name()
				if p.is("(") {
					return p.call(n)
				}
				return n
			}
		case "*":
			p.advance()
			return &Star{Span: t.Span}
		case "$":
			if n := p.peek(1); n.kind == kName && n.Start == t.End {
				p.advance()
				p.advance()
				return &Name{Span: t.Span.To(n.Span), Name: "$" + n.text}
			}
		}
	}
	p.expected("a value")
	return &Literal{Span: t.Span, Type: schema.Bool}
}

func (p *parser) paren() Expr {
	start := p.advance().Span
	x := p.pipe()
	p.expect(")")
	return &Paren{Span: Span{start.Start, p.prevEnd(start.End)}, X: x}
}

// named reads what begins with a word.
func (p *parser) named(t token) Expr {
	next := p.peek(1)
	open := next.kind == kPunct && next.text == "("
	switch t.text {
	case "true", "True", "TRUE", "false", "False", "FALSE":
		if !open {
			p.advance()
			return &Literal{Span: t.Span, Type: schema.Bool, Value: strings.EqualFold(t.text, "true")}
		}
	case "dynamic":
		if open {
			return p.dynamic()
		}
	case "datatable":
		if open {
			return p.datatable()
		}
	case "externaldata", "external_data":
		if open || next.text == "with" {
			return p.external()
		}
	case "entity_group":
		if next.kind == kPunct && next.text == "[" && p.peek(2).kind == kName {
			return p.entityGroup()
		}
	case "typeof":
		if open {
			return p.typeOf()
		}
	}
	if open {
		p.advance()
		name := t.text
		if typ, err := schema.ParseType(name); err == nil && typedWords[name] { // long(a + 1) converts
			name = "to" + typ.String()
		}
		c := p.call(&Name{Span: t.Span, Name: name})
		if call, ok := c.(*Call); ok && name == "todatetime" && len(call.Args) > 1 { // datetime(2025, 6, 14)
			call.Name.Name = "make_datetime"
		}
		return c
	}
	return p.name()
}

func (p *parser) call(n *Name) Expr {
	p.expect("(")
	c := &Call{Name: n, Args: p.list(")", p.argument)}
	c.Span = Span{n.Start, p.prevEnd(n.End)}
	return c
}

func (p *parser) typeOf() Expr {
	start := p.advance().Span
	t := &TypeOf{}
	switch n := p.peek(1); {
	case p.peek(2).text == ":" || p.peek(1).text == "*":
		t.Schema = p.rowSchema()
	case n.kind == kTyped:
		p.expected("a type")
	default:
		p.expect("(")
		t.Type = p.typeName()
		p.expect(")")
	}
	t.Span = Span{start.Start, p.prevEnd(start.End)}
	return t
}

func (p *parser) datatable() Expr {
	start := p.advance().Span
	d := &Datatable{Schema: p.rowSchema()}
	if p.is("[") {
		p.expect("[")
		d.Values = p.list("]", p.expr)
	} else {
		p.expected("[")
	}
	d.Span = Span{start.Start, p.prevEnd(start.End)}
	return d
}

func (p *parser) external() Expr {
	start := p.advance().Span
	d := &External{Schema: p.rowSchema()}
	p.expect("[")
	d.URIs = p.list("]", p.expr)
	if p.takeWord("with") {
		p.expect("(")
		for !p.stuck && !p.is(")") {
			d.Params = append(d.Params, p.param())
			if !p.take(",") {
				break
			}
		}
		p.expect(")")
	}
	d.Span = Span{start.Start, p.prevEnd(start.End)}
	return d
}

// param reads name=value.
func (p *parser) param() Param {
	t := p.advance()
	r := Param{Span: t.Span, Name: t.text}
	if t.kind != kName {
		p.expected("a parameter")
	}
	for p.is(".") && p.peek(1).kind == kName {
		p.advance()
		r.Name += "." + p.advance().text
	}
	p.expect("=")
	if n := p.tok(); n.kind == kName && (n.text == "true" || n.text == "false") {
		p.advance()
		r.Value = &Literal{Span: n.Span, Type: schema.Bool, Value: n.text == "true"}
	} else if n.kind == kName && n.text != "dynamic" && n.text != "typeof" {
		r.Value = p.anyWord() // never a call: join kind=inner (T)
	} else {
		r.Value = p.unary()
	}
	r.End = p.prevEnd(t.End)
	return r
}

// params reads the parameters of an operator: those named and all hints.
func (p *parser) params(names ...string) (out []Param) {
	for !p.stuck && p.tok().kind == kName {
		t := p.tok()
		known := t.text == "hint" && p.peek(1).text == "."
		for _, n := range names {
			known = known || n == t.text && p.peek(1).kind == kPunct && p.peek(1).text == "="
		}
		if !known {
			return out
		}
		out = append(out, p.param())
	}
	return out
}
