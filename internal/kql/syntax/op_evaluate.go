package syntax

// An Evaluate calls a plugin.
type Evaluate struct {
	Span
	isOperator
	Params []Param
	Call   *Call
	Schema *RowSchema
}

func parseEvaluate(p *parser, start Span) Operator {
	o := &Evaluate{Params: p.params()}
	n := p.name()
	if !p.is("(") {
		p.expected("(")
	}
	if c, ok := p.call(n).(*Call); ok {
		o.Call = c
	}
	if p.take(":") {
		o.Schema = p.rowSchema()
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Evaluate) print(p *printer) {
	p.s("evaluate")
	p.params(o.Params)
	p.s(" ", o.Call)
	if o.Schema != nil {
		p.s(" : ", o.Schema)
	}
}
