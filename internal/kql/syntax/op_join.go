package syntax

// A Join combines rows of two tables. Lookup is a join with a small right side.
type Join struct {
	Span
	isOperator
	Lookup bool
	Params []Param
	Right  Expr
	On     []Expr
}

func parseJoin(p *parser, start Span) Operator   { return p.join(start, false) }
func parseLookup(p *parser, start Span) Operator { return p.join(start, true) }

func (p *parser) join(start Span, lookup bool) Operator {
	names := []string{"kind", "withsource", "isfuzzy"}
	o := &Join{Lookup: lookup, Params: p.params(names...)}
	o.Right = p.tableOperand()
	o.Params = append(o.Params, p.params(names...)...)
	if p.takeWord("on") {
		o.On = p.items(p.expr)
	} else if p.takeWord("where") {
		o.On = []Expr{p.expr()}
	}
	if p.word("hint") {
		o.Params = append(o.Params, p.params()...)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

// tableOperand reads a table beside an operator: a name, a call or (query).
func (p *parser) tableOperand() Expr {
	if n := p.tok(); n.kind == kName && p.rules[n.text].source && p.sourceAhead() {
		p.expected("a table name or a query in brackets")
	}
	if t, n := p.tok(), p.peek(1); t.kind == kName && n.text == "*" && n.Start == t.End {
		return p.wildName() // union T*
	}
	return p.postfix()
}

func (o *Join) print(p *printer) {
	word := "join"
	if o.Lookup {
		word = "lookup"
	}
	p.s(word)
	p.params(o.Params)
	p.s(" ", o.Right)
	if len(o.On) > 0 {
		p.s(" on ")
		printList(p, o.On)
	}
}
