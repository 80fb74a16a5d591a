package syntax

import "logkeep/internal/schema"

type (
	// A ParseWith takes strings apart by a pattern.
	ParseWith struct {
		Span
		isOperator
		Only    bool // parse-where: rows that do not match are left out
		Params  []Param
		X       Expr
		Pattern []ParsePart
	}
	// A ParsePart is a constant, a column or a star.
	ParsePart struct {
		Span
		Text   *Literal
		Name   *Name
		Type   schema.Type // of Name, Invalid if not given
		Star   bool
		Column bool
	}
	// A ParseKv takes strings of keys and values apart.
	ParseKv struct {
		Span
		isOperator
		X      Expr
		Schema *RowSchema
		With   []Param
	}
)

func parseParse(p *parser, start Span) Operator      { return p.parse(start, false) }
func parseParseWhere(p *parser, start Span) Operator { return p.parse(start, true) }

func (p *parser) parse(start Span, only bool) Operator {
	o := &ParseWith{Only: only, Params: p.params("kind", "flags"), X: p.expr()}
	p.expectWord("with")
	for !p.stuck {
		t := p.tok()
		part := ParsePart{Span: t.Span}
		switch {
		case t.kind == kQuote:
			part.Text = p.primary().(*Literal)
		case p.is("*"):
			p.advance()
			part.Star = true
		case t.kind == kName, p.is("["):
			part.Name, part.Column = p.name(), true
			if p.take(":") {
				part.Type = p.typeName()
			}
		default:
			if len(o.Pattern) == 0 {
				p.expected("a pattern")
			}
			o.Span = Span{start.Start, p.prevEnd(start.End)}
			return o
		}
		part.End = p.prevEnd(part.End)
		o.Pattern = append(o.Pattern, part)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ParseWith) print(p *printer) {
	word := "parse"
	if o.Only {
		word = "parse-where"
	}
	p.s(word)
	p.params(o.Params)
	p.s(" ", o.X, " with")
	for _, x := range o.Pattern {
		switch {
		case x.Star:
			p.s(" *")
		case x.Text != nil:
			p.s(" ", x.Text)
		default:
			p.s(" ", x.Name)
			if x.Type != schema.Invalid {
				p.s(":", x.Type.String())
			}
		}
	}
}

func parseParseKv(p *parser, start Span) Operator {
	o := &ParseKv{X: p.expr()}
	p.expectWord("as")
	o.Schema = p.rowSchema()
	if p.takeWord("with") {
		p.expect("(")
		for !p.stuck && !p.is(")") {
			o.With = append(o.With, p.param())
			if !p.take(",") {
				break
			}
		}
		p.expect(")")
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ParseKv) print(p *printer) {
	p.s("parse-kv ", o.X, " as ", o.Schema)
	if len(o.With) > 0 {
		p.s(" with (")
		for i, x := range o.With {
			if i > 0 {
				p.s(", ")
			}
			p.s(x.Name, "=", x.Value)
		}
		p.s(")")
	}
}
