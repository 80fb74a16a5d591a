package syntax

// An Extend adds columns or replaces their values.
type Extend struct {
	Span
	isOperator
	Items []Expr
}

// items reads values with or without names up to the end of the operator.
func (p *parser) items(item func() Expr) (out []Expr) {
	for !p.stuck {
		out = append(out, item())
		if !p.take(",") {
			break
		}
	}
	return out
}

func parseExtend(p *parser, start Span) Operator {
	o := &Extend{Items: p.items(p.item)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Extend) print(p *printer) { p.s("extend "); printList(p, o.Items) }

// A Serialize fixes the order of rows and adds columns.
type Serialize struct {
	Span
	isOperator
	Items []Expr
}

func parseSerialize(p *parser, start Span) Operator {
	o := &Serialize{}
	if t := p.tok(); t.kind == kName || p.is("[") || p.is("(") {
		o.Items = p.items(p.item)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Serialize) print(p *printer) {
	p.s("serialize")
	if len(o.Items) > 0 {
		p.s(" ")
		printList(p, o.Items)
	}
}
