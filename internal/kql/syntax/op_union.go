package syntax

// A Union puts tables below each other.
type Union struct {
	Span
	isOperator
	Params []Param
	Tables []Expr
}

func parseUnion(p *parser, start Span) Operator {
	names := []string{"kind", "withsource", "with_source", "isfuzzy"}
	o := &Union{Params: p.params(names...)}
	o.Tables = p.items(func() Expr {
		o.Params = append(o.Params, p.params(names...)...)
		if p.is("*") {
			t := p.tok()
			if n := p.peek(1); n.kind != kName || n.Start != t.End {
				p.advance()
				return &Star{Span: t.Span}
			}
			return p.wildName()
		}
		return p.tableOperand()
	})
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Union) print(p *printer) {
	p.s("union")
	p.params(o.Params)
	p.s(" ")
	printList(p, o.Tables)
}
