package syntax

import "logkeep/internal/schema"

type (
	// A Search looks for text in all columns.
	Search struct {
		Span
		isOperator
		Params []Param
		In     []Expr
		Pred   Expr
	}
	// A Find looks for rows in several tables.
	Find struct {
		Span
		isOperator
		Params  []Param
		In      []Expr
		Pred    Expr
		Project []FindColumn
		Away    []Expr
		Smart   bool
	}
	// A FindColumn is a column of find's project, possibly typed, or pack(*).
	FindColumn struct {
		Span
		X    Expr
		Type schema.Type
	}
)

func (p *parser) tablesIn() []Expr {
	if !p.word("in") || p.peek(1).text != "(" {
		return nil
	}
	p.advance()
	p.expect("(")
	return p.list(")", func() Expr {
		if p.is("*") && (p.peek(1).text == ")" || p.peek(1).text == ",") {
			return &Star{Span: p.advance().Span}
		}
		return p.pipe()
	})
}

func parseSearch(p *parser, start Span) Operator {
	o := &Search{Params: p.params("kind")}
	o.In = p.tablesIn()
	o.Params = append(o.Params, p.params("kind")...)
	p.search = true
	o.Pred = p.expr()
	p.search = false
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Search) print(p *printer) {
	p.s("search")
	p.params(o.Params)
	p.tablesIn(o.In)
	p.s(" ", o.Pred)
}

func (p *printer) tablesIn(in []Expr) {
	if len(in) > 0 {
		p.s(" in (")
		printList(p, in)
		p.s(")")
	}
}

func parseFind(p *parser, start Span) Operator {
	o := &Find{Params: p.params("withsource", "datascope")}
	o.In = p.tablesIn()
	o.Params = append(o.Params, p.params("withsource", "datascope")...)
	if p.takeWord("where") || !p.word("project") && !p.word("project-smart") {
		o.Pred = p.expr()
	}
	if p.word("project-smart") || p.word("project") && p.peek(1).text == "-" && p.peek(2).text == "smart" {
		p.advance()
		if p.take("-") {
			p.advance()
		}
		o.Smart = true
	}
	if p.takeWord("project") {
		for !p.stuck {
			x := p.item()
			c := FindColumn{Span: x.Where(), X: x}
			if p.take(":") {
				c.Type = p.typeName()
			}
			o.Project = append(o.Project, c)
			if !p.take(",") {
				break
			}
		}
	}
	if p.takeWord("project-away") {
		o.Away = p.items(p.wildItem)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Find) print(p *printer) {
	p.s("find")
	p.params(o.Params)
	p.tablesIn(o.In)
	if o.Pred != nil {
		p.s(" where ", o.Pred)
	}
	if o.Smart {
		p.s(" project-smart")
	}
	for i, c := range o.Project {
		if i == 0 {
			p.s(" project ")
		} else {
			p.s(", ")
		}
		p.s(c.X)
		if c.Type != schema.Invalid {
			p.s(":", c.Type.String())
		}
	}
	if len(o.Away) > 0 {
		p.s(" project-away ")
		printList(p, o.Away)
	}
}
