package syntax

type (
	// A MakeSeries makes arrays of values over a regular axis.
	MakeSeries struct {
		Span
		isOperator
		Params         []Param
		Aggs           []SeriesAgg
		On             Expr
		From, To, Step Expr
		By             []Expr
	}
	// A SeriesAgg is a = agg(x) default = 0.
	SeriesAgg struct {
		Span
		X, Default Expr
	}
)

func parseMakeSeries(p *parser, start Span) Operator {
	o := &MakeSeries{Params: p.params("kind")}
	for !p.stuck {
		x := p.item()
		a := SeriesAgg{Span: x.Where(), X: x}
		if p.takeWord("default") {
			p.expect("=")
			a.Default = p.expr()
			a.End = p.prevEnd(a.End)
		}
		o.Aggs = append(o.Aggs, a)
		if !p.take(",") {
			break
		}
	}
	p.expectWord("on")
	if p.tok().kind == kName && p.peek(1).text == "=" {
		o.On = p.item()
	} else {
		o.On = p.additive() // on t in range(…): in is no operator here
	}
	if p.takeWord("from") {
		o.From = p.expr()
	}
	if p.takeWord("to") {
		o.To = p.expr()
	}
	if p.takeWord("step") {
		o.Step = p.expr()
	} else {
		p.expectWord("in")
		if p.word("range") {
			p.advance()
			p.expect("(")
			args := p.list(")", p.expr)
			if len(args) == 3 {
				o.From, o.To, o.Step = args[0], args[1], args[2]
				o.Params = append(o.Params, Param{Name: "in_range", Value: &Literal{Type: 1, Value: true}})
			} else {
				p.expected("range(from, to, step)")
			}
		} else {
			p.expected("step or in range(…)")
		}
	}
	if p.takeWord("by") {
		o.By = p.items(p.item)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *MakeSeries) print(p *printer) {
	p.s("make-series")
	inRange := false
	for _, x := range o.Params {
		if x.Name == "in_range" {
			inRange = true
		} else {
			p.params([]Param{x})
		}
	}
	p.s(" ")
	for i, a := range o.Aggs {
		if i > 0 {
			p.s(", ")
		}
		p.s(a.X)
		if a.Default != nil {
			p.s(" default = ", a.Default)
		}
	}
	p.s(" on ", o.On)
	if inRange {
		p.s(" in range(", o.From, ", ", o.To, ", ", o.Step, ")")
	} else {
		if o.From != nil {
			p.s(" from ", o.From)
		}
		if o.To != nil {
			p.s(" to ", o.To)
		}
		p.s(" step ", o.Step)
	}
	if len(o.By) > 0 {
		p.s(" by ")
		printList(p, o.By)
	}
}
