package syntax

// The operators that choose columns.
type (
	// A Project answers exactly the given columns.
	Project struct {
		Span
		isOperator
		Items []Expr
	}
	// A ProjectAway leaves columns out; names may have wildcards.
	ProjectAway struct {
		Span
		isOperator
		Items []Expr
	}
	// A ProjectKeep keeps columns in their order; names may have wildcards.
	ProjectKeep struct {
		Span
		isOperator
		Items []Expr
	}
	// A ProjectByNames keeps the columns whose names are values: texts, arrays
	// of texts, and column_names_of(table).
	ProjectByNames struct {
		Span
		isOperator
		Items []Expr
	}
	// A ProjectRename gives columns other names.
	ProjectRename struct {
		Span
		isOperator
		Items []Expr
	}
	// A ProjectReorder moves columns to the front.
	ProjectReorder struct {
		Span
		isOperator
		Items []*Ordered
	}
	// A Distinct answers every combination of values once.
	Distinct struct {
		Span
		isOperator
		Params []Param
		Items  []Expr
	}
)

func parseProject(p *parser, start Span) Operator {
	o := &Project{}
	if t := p.tok(); t.kind != kEOF && !p.is("|") && !p.is(")") && !p.is(";") && !p.is("}") {
		o.Items = p.items(p.item)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Project) print(p *printer) {
	p.s("project")
	if len(o.Items) > 0 {
		p.s(" ")
		printList(p, o.Items)
	}
}

// wildItem reads a column name that may have wildcards, or *.
func (p *parser) wildItem() Expr {
	t := p.tok()
	if p.is("*") {
		if n := p.peek(1); n.Start != t.End || n.kind != kName && n.kind != kInt {
			p.advance()
			return &Star{Span: t.Span}
		}
	}
	return p.wildName()
}

func parseProjectAway(p *parser, start Span) Operator {
	o := &ProjectAway{Items: p.items(p.wildItem)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ProjectAway) print(p *printer) { p.s("project-away "); printList(p, o.Items) }

func parseProjectKeep(p *parser, start Span) Operator {
	o := &ProjectKeep{Items: p.items(p.wildItem)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ProjectKeep) print(p *printer) { p.s("project-keep "); printList(p, o.Items) }

func parseProjectByNames(p *parser, start Span) Operator {
	o := &ProjectByNames{Items: p.items(p.expr)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ProjectByNames) print(p *printer) { p.s("project-by-names "); printList(p, o.Items) }

func parseProjectRename(p *parser, start Span) Operator {
	o := &ProjectRename{Items: p.items(p.item)}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ProjectRename) print(p *printer) { p.s("project-rename "); printList(p, o.Items) }

func parseProjectReorder(p *parser, start Span) Operator {
	o := &ProjectReorder{}
	for !p.stuck {
		x := p.wildItem()
		r := &Ordered{Span: x.Where(), X: x}
		if t := p.tok(); t.kind == kName {
			switch t.text {
			case "asc", "desc":
				r.Dir = p.advance().text
			case "granny":
				p.advance()
				p.expect("-")
				r.Dir = "granny-" + p.advance().text
			}
		}
		o.Items = append(o.Items, r)
		if !p.take(",") {
			break
		}
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *ProjectReorder) print(p *printer) { p.s("project-reorder "); printList(p, o.Items) }

func parseDistinct(p *parser, start Span) Operator {
	o := &Distinct{Params: p.params()}
	o.Items = p.items(func() Expr {
		if p.is("*") {
			return p.wildItem()
		}
		return p.item()
	})
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Distinct) print(p *printer) {
	p.s("distinct")
	p.params(o.Params)
	p.s(" ")
	printList(p, o.Items)
}
