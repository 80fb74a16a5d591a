package syntax

import (
	"strings"

	"logkeep/internal/schema"
)

func (p *parser) statement() Statement {
	t := p.tok()
	next := p.peek(1)
	if t.kind == kName && (next.kind == kName || next.kind == kPunct && next.text == "[") {
		switch t.text {
		case "let":
			return p.let()
		case "set":
			return p.set()
		case "declare":
			return p.declare()
		case "alias":
			return p.alias()
		case "restrict":
			return p.restrict()
		}
	}
	x := p.pipe()
	if x == nil {
		return nil
	}
	return &Tabular{Span: x.Where(), X: x}
}

func (p *parser) let() Statement {
	start := p.advance().Span
	s := &Let{Name: p.name()}
	p.expect("=")
	s.X = p.letValue()
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

func (p *parser) letValue() Expr {
	if p.word("view") && p.peek(1).text == "(" {
		p.advance()
		f := p.function()
		if f != nil {
			f.View = true
		}
		return f
	}
	if p.is("(") && p.functionAhead() {
		return p.function()
	}
	return p.pipe()
}

// functionAhead reports whether the bracket here closes before a brace.
func (p *parser) functionAhead() bool {
	d := p.depth[p.i]
	for j := p.i + 1; j < len(p.toks); j++ {
		if p.depth[j] == d && p.toks[j].text == ")" && p.toks[j].kind == kPunct {
			return j+1 < len(p.toks) && p.toks[j+1].kind == kPunct && p.toks[j+1].text == "{"
		}
	}
	return false
}

func (p *parser) function() *Func {
	defer p.deeper()()
	f := &Func{Span: p.tok().Span}
	f.Params = p.funcParams()
	p.expect("{")
	if p.stuck {
		return f
	}
	f.Body = p.query("}")
	p.expect("}")
	f.End = p.prevEnd(f.Start)
	return f
}

func (p *parser) funcParams() (out []FuncParam) {
	p.expect("(")
	for !p.stuck && !p.is(")") {
		out = append(out, p.funcParam())
		if !p.take(",") {
			break
		}
	}
	p.expect(")")
	return out
}

func (p *parser) funcParam() FuncParam {
	f := FuncParam{Span: p.tok().Span, Name: p.name()}
	p.expect(":")
	if p.is("(") {
		f.Schema = p.rowSchema()
	} else {
		f.Type = p.typeName()
	}
	if p.take("=") {
		f.Default = p.unary()
	}
	f.End = p.prevEnd(f.Start)
	return f
}

// rowSchema reads (a:long, b:string, *).
func (p *parser) rowSchema() *RowSchema {
	s := &RowSchema{Span: p.tok().Span}
	p.expect("(")
	for !p.stuck && !p.is(")") {
		if p.take("*") {
			s.Star = true
			s.Lead = len(s.Columns) == 0
		} else {
			c := ColumnDecl{Span: p.tok().Span, Name: p.name()}
			p.expect(":")
			c.Type = p.typeName()
			c.End = p.prevEnd(c.Start)
			s.Columns = append(s.Columns, c)
		}
		if !p.take(",") {
			break
		}
	}
	p.expect(")")
	if len(s.Columns) == 0 {
		s.Lead = false
	}
	s.End = p.prevEnd(s.Start)
	return s
}

func (p *parser) typeName() schema.Type {
	t := p.tok()
	if t.kind != kName {
		p.expected("a type")
		return schema.Invalid
	}
	v, err := schema.ParseType(t.text)
	if err != nil || t.text != strings.ToLower(t.text) {
		p.fail(t.Span, "There is no type "+t.text+"; use bool, int, long, real, decimal, string, datetime, timespan, guid or dynamic.")
		return schema.Invalid
	}
	p.advance()
	return v
}

func (p *parser) set() Statement {
	start := p.advance().Span
	s := &Set{Name: p.name()}
	if p.take("=") {
		s.Value = p.unary()
	}
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

func (p *parser) declare() Statement {
	start := p.advance().Span
	if p.word("pattern") {
		return p.pattern(start)
	}
	p.expectWord("query_parameters")
	s := &Declare{Params: p.funcParams()}
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

func (p *parser) pattern(start Span) Statement {
	p.advance()
	s := &Pattern{Name: p.name()}
	if p.take("=") {
		s.Args = p.funcParams()
		if p.take("[") {
			f := p.funcParam()
			s.Path = &f
			p.expect("]")
		}
		p.expect("{")
		for !p.stuck && !p.is("}") {
			s.Cases = append(s.Cases, p.patternCase())
			p.take(";")
		}
		p.expect("}")
	}
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

func (p *parser) patternCase() PatternCase {
	c := PatternCase{Span: p.tok().Span}
	p.expect("(")
	c.Values = p.list(")", p.expr)
	if p.take(".") {
		p.expect("[")
		c.Path = p.expr()
		p.expect("]")
	}
	p.expect("=")
	p.expect("{")
	if !p.stuck {
		c.Body = p.query("}")
	}
	p.expect("}")
	c.End = p.prevEnd(c.Start)
	return c
}

func (p *parser) alias() Statement {
	start := p.advance().Span
	p.expectWord("database")
	s := &Alias{Name: p.name()}
	p.expect("=")
	s.X = p.unary()
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

func (p *parser) restrict() Statement {
	start := p.advance().Span
	p.expectWord("access")
	p.expectWord("to")
	p.expect("(")
	s := &Restrict{To: p.list(")", p.expr)}
	s.Span = Span{start.Start, p.prevEnd(start.End)}
	return s
}

// list reads items with commas between them up to and with the closing token.
// A trailing comma is allowed, as Microsoft's parser allows it.
func (p *parser) list(closing string, item func() Expr) (out []Expr) {
	for !p.stuck && !p.is(closing) {
		out = append(out, item())
		if !p.take(",") {
			break
		}
	}
	p.expect(closing)
	return out
}

// name reads an identifier, plain or as ['…'].
func (p *parser) name() *Name {
	t := p.tok()
	switch {
	case t.kind == kName:
		switch t.text {
		case "asc", "desc", "first", "has", "last":
			p.fail(t.Span, "The name "+t.text+" is a word of the language; write ['"+t.text+"'].")
		}
		return p.anyWord()
	case t.kind == kTyped:
		p.fail(t.Span, "Expected a name instead of "+t.text+"(…).")
		return &Name{Span: t.Span}
	case p.is("[") && p.peek(1).kind == kQuote && p.peek(2).text == "]":
		p.advance()
		q := p.advance()
		end := p.advance()
		return &Name{Span: t.Span.To(end.Span), Name: q.raw, Quoted: true}
	}
	p.expected("a name")
	return &Name{Span: t.Span}
}

// anyWord reads a word as a name, also one that names nothing elsewhere.
func (p *parser) anyWord() *Name {
	t := p.advance()
	return &Name{Span: t.Span, Name: t.text}
}

// wildName reads a name that may hold wildcards: Dev*, *Id, a*b.
func (p *parser) wildName() *Name {
	t := p.tok()
	if t.kind != kName && !p.is("*") {
		return p.name()
	}
	p.advance()
	n := &Name{Span: t.Span, Name: t.text}
	for {
		t := p.tok()
		if t.Start != n.End || t.kind != kName && t.kind != kInt && !(t.kind == kPunct && t.text == "*") {
			return n
		}
		p.advance()
		n.Name += t.text
		n.End = t.End
	}
}
