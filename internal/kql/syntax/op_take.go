package syntax

// The operators that bound the number of rows.
type (
	// A Take answers N rows, any.
	Take struct {
		Span
		isOperator
		N Expr
	}
	// A Top answers the first N rows of an order.
	Top struct {
		Span
		isOperator
		Params []Param
		N      Expr
		By     []*Ordered
	}
	// A Sample answers N random rows.
	Sample struct {
		Span
		isOperator
		N Expr
	}
	// A SampleDistinct answers up to N different values.
	SampleDistinct struct {
		Span
		isOperator
		N, Of Expr
	}
	// A TopHitters answers the N values with the greatest weight.
	TopHitters struct {
		Span
		isOperator
		N, Of, By Expr
	}
)

func parseTake(p *parser, start Span) Operator {
	o := &Take{N: p.expr()}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Take) print(p *printer) { p.s("take ", o.N) }

func parseTop(p *parser, start Span) Operator {
	o := &Top{Params: p.params(), N: p.expr()}
	p.expectWord("by")
	o.By = p.orderedList()
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Top) print(p *printer) {
	p.s("top")
	p.params(o.Params)
	p.s(" ", o.N, " by ")
	printList(p, o.By)
}

func parseSample(p *parser, start Span) Operator {
	o := &Sample{N: p.expr()}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Sample) print(p *printer) { p.s("sample ", o.N) }

func parseSampleDistinct(p *parser, start Span) Operator {
	o := &SampleDistinct{N: p.expr()}
	p.expectWord("of")
	o.Of = p.item()
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *SampleDistinct) print(p *printer) { p.s("sample-distinct ", o.N, " of ", o.Of) }

func parseTopHitters(p *parser, start Span) Operator {
	o := &TopHitters{N: p.expr()}
	p.expectWord("of")
	o.Of = p.item()
	if p.takeWord("by") {
		o.By = p.item()
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *TopHitters) print(p *printer) {
	p.s("top-hitters ", o.N, " of ", o.Of)
	if o.By != nil {
		p.s(" by ", o.By)
	}
}
