package syntax

type (
	// A Render says how the answer wants to be drawn.
	Render struct {
		Span
		isOperator
		Kind  *Name
		Props []Param
	}
	// A Reduce groups strings that look alike.
	Reduce struct {
		Span
		isOperator
		Params []Param
		By     Expr
		With   []Param
	}
)

func parseRender(p *parser, start Span) Operator {
	o := &Render{Kind: p.name()}
	if p.takeWord("with") {
		p.expect("(")
		for !p.stuck && !p.is(")") {
			o.Props = append(o.Props, p.renderProp())
			if !p.take(",") {
				break
			}
		}
		p.expect(")")
	} else {
		for p.tok().kind == kName && p.peek(1).text == "=" {
			o.Props = append(o.Props, p.renderProp())
			p.take(",")
		}
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

// renderProp reads title="…" or ycolumns=a, b, c.
func (p *parser) renderProp() Param {
	r := p.param()
	for p.is(",") && p.peek(1).kind == kName && p.peek(2).text != "=" && p.peek(1).kind != kEOF {
		p.advance()
		n := p.name()
		if prev, ok := r.Value.(*Name); ok {
			r.Value = &Name{Span: prev.Span.To(n.Span), Name: prev.Name + "," + n.Name, Quoted: true}
		}
	}
	return r
}

func (o *Render) print(p *printer) {
	p.s("render ", o.Kind)
	for i, x := range o.Props {
		if i == 0 {
			p.s(" with (")
		} else {
			p.s(", ")
		}
		p.s(x.Name, "=", x.Value)
	}
	if len(o.Props) > 0 {
		p.s(")")
	}
}

func parseReduce(p *parser, start Span) Operator {
	o := &Reduce{Params: p.params("kind")}
	p.expectWord("by")
	o.By = p.item()
	if p.takeWord("with") {
		for !p.stuck {
			o.With = append(o.With, p.param())
			if !p.take(",") {
				break
			}
		}
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Reduce) print(p *printer) {
	p.s("reduce")
	p.params(o.Params)
	p.s(" by ", o.By)
	for i, x := range o.With {
		if i == 0 {
			p.s(" with ")
		} else {
			p.s(", ")
		}
		p.s(x.Name, "=", x.Value)
	}
}
