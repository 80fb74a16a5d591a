package syntax

type (
	// A MacroExpand runs a query for each place of a group.
	MacroExpand struct {
		Span
		isOperator
		Params []Param
		Group  Expr
		As     *Name // what the place is called in the query
		Body   *Query
	}
	// An EntityGroup is entity_group [workspace("a"), workspace("b")].
	EntityGroup struct {
		Span
		isExpr
		Places []Expr
	}
)

func parseMacroExpand(p *parser, start Span) Operator {
	o := &MacroExpand{Params: p.params("kind", "isfuzzy")}
	o.Group = p.primary()
	p.expectWord("as")
	o.As = p.name()
	p.expect("(")
	if !p.stuck {
		o.Body = p.query(")")
	}
	p.expect(")")
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *MacroExpand) print(p *printer) {
	p.s("macro-expand")
	p.params(o.Params)
	p.s(" ", o.Group, " as ", o.As, " (")
	p.indent++
	p.line()
	p.s(o.Body)
	p.indent--
	p.line()
	p.s(")")
}

func (p *parser) entityGroup() Expr {
	start := p.advance().Span
	p.expect("[")
	g := &EntityGroup{Places: p.list("]", p.postfix)}
	g.Span = Span{start.Start, p.prevEnd(start.End)}
	return g
}

func (x *EntityGroup) print(p *printer) {
	p.s("entity_group [")
	printList(p, x.Places)
	p.s("]")
}
