package syntax

// A Sort puts rows in order.
type Sort struct {
	Span
	isOperator
	Params []Param
	By     []*Ordered
}

// ordered reads x asc nulls first.
func (p *parser) ordered() *Ordered {
	x := p.item()
	o := &Ordered{Span: x.Where(), X: x}
	if p.word("asc") || p.word("desc") {
		o.Dir = p.advance().text
	}
	if p.takeWord("nulls") {
		if !p.word("first") && !p.word("last") {
			p.expected("first or last")
		}
		o.Nulls = p.advance().text
	}
	o.End = p.prevEnd(o.End)
	return o
}

func (p *parser) orderedList() (out []*Ordered) {
	for !p.stuck {
		out = append(out, p.ordered())
		if !p.take(",") {
			break
		}
	}
	return out
}

func parseSort(p *parser, start Span) Operator {
	o := &Sort{Params: p.params()}
	p.expectWord("by")
	o.By = p.orderedList()
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Sort) print(p *printer) { p.s("sort"); p.params(o.Params); p.s(" by "); printList(p, o.By) }
