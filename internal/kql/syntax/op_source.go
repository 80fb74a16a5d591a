package syntax

type (
	// A Print answers one row.
	Print struct {
		Span
		isOperator
		Items []Expr
	}
	// A Range answers a column of numbers or times.
	Range struct {
		Span
		isOperator
		Name           *Name
		From, To, Step Expr
	}
)

func parsePrint(p *parser, start Span) Operator {
	o := &Print{Items: p.items(p.item)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Print) print(p *printer) { p.s("print "); printList(p, o.Items) }

func parseRange(p *parser, start Span) Operator {
	o := &Range{Name: p.name()}
	p.expectWord("from")
	o.From = p.expr()
	p.expectWord("to")
	o.To = p.expr()
	p.expectWord("step")
	o.Step = p.expr()
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Range) print(p *printer) {
	p.s("range ", o.Name, " from ", o.From, " to ", o.To, " step ", o.Step)
}
