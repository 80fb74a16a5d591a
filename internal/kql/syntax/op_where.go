package syntax

// A Filter keeps the rows for which Pred is true.
type Filter struct {
	Span
	isOperator
	Params []Param
	Pred   Expr
}

func parseWhere(p *parser, start Span) Operator {
	o := &Filter{Params: p.params(), Pred: p.expr()}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Filter) print(p *printer) { p.s("where"); p.params(o.Params); p.s(" ", o.Pred) }
