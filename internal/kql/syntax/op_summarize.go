package syntax

// A Summarize groups rows.
type Summarize struct {
	Span
	isOperator
	Params []Param
	Aggs   []Expr
	By     []Expr
}

func parseSummarize(p *parser, start Span) Operator {
	o := &Summarize{Params: p.params()}
	if t := p.tok(); !p.word("by") && t.kind != kEOF && !p.is("|") && !p.is(")") {
		o.Aggs = p.items(p.item)
	}
	if p.takeWord("by") {
		o.By = p.items(p.item)
	}
	if p.word("hint") {
		o.Params = append(o.Params, p.params()...)
	}
	if len(o.Aggs) == 0 && len(o.By) == 0 {
		p.expected("an aggregate or by")
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Summarize) print(p *printer) {
	p.s("summarize")
	p.params(o.Params)
	if len(o.Aggs) > 0 {
		p.s(" ")
		printList(p, o.Aggs)
	}
	if len(o.By) > 0 {
		p.s(" by ")
		printList(p, o.By)
	}
}
