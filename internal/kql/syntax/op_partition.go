package syntax

type (
	// A Partition runs a query for each value of a column.
	Partition struct {
		Span
		isOperator
		Params []Param
		By     Expr
		Sub    Expr
		Legacy bool // { … }: the query begins with a source of its own
		Word   bool // it is written as __partitionby
		ID     Expr // of __partitionby; it says nothing about rows
	}
	// A Fork runs several queries on the same rows.
	Fork struct {
		Span
		isOperator
		Branches []ForkBranch
	}
	// A ForkBranch is name=(operators).
	ForkBranch struct {
		Span
		Name *Name
		Sub  Expr
	}
	// A Facet counts the values of columns.
	Facet struct {
		Span
		isOperator
		By   []Expr
		With Expr
	}
)

func parsePartition(p *parser, start Span) Operator {
	o := &Partition{Params: p.params()}
	p.expectWord("by")
	o.By = p.name()
	o.Params = append(o.Params, p.params()...)
	if p.take("{") {
		o.Legacy = true
		if !p.stuck {
			o.Sub = p.pipe()
		}
		p.expect("}")
	} else {
		p.expect("(")
		if !p.stuck {
			o.Sub = p.subquery()
		}
		p.expect(")")
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func parsePartitionBy(p *parser, start Span) Operator {
	o := &Partition{Params: p.params(), Word: true}
	o.By = p.name()
	if p.takeWord("id") {
		o.ID = p.unary()
	}
	p.expect("(")
	if !p.stuck {
		o.Sub = p.subquery()
	}
	p.expect(")")
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Partition) print(p *printer) {
	if o.Word {
		p.s("__partitionby")
		p.params(o.Params)
		p.s(" ", o.By)
		if o.ID != nil {
			p.s(" id ", o.ID)
		}
	} else {
		p.s("partition")
		p.params(o.Params)
		p.s(" by ", o.By)
	}
	if o.Legacy {
		p.s(" {", o.Sub, "}")
		return
	}
	p.s(" (")
	printSub(p, o.Sub)
	p.s(")")
}

func parseFork(p *parser, start Span) Operator {
	o := &Fork{}
	for !p.stuck && (p.is("(") || p.tok().kind == kName) {
		b := ForkBranch{Span: p.tok().Span}
		if !p.is("(") {
			b.Name = p.name()
			p.expect("=")
		}
		p.expect("(")
		if !p.stuck {
			b.Sub = p.subquery()
		}
		p.expect(")")
		b.End = p.prevEnd(b.End)
		o.Branches = append(o.Branches, b)
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Fork) print(p *printer) {
	p.s("fork")
	for _, b := range o.Branches {
		p.s(" ")
		if b.Name != nil {
			p.s(b.Name, "=")
		}
		p.s("(")
		printSub(p, b.Sub)
		p.s(")")
	}
}

func parseFacet(p *parser, start Span) Operator {
	o := &Facet{}
	p.expectWord("by")
	o.By = p.items(p.expr)
	if p.takeWord("with") {
		p.expect("(")
		if !p.stuck {
			o.With = p.subquery()
		}
		p.expect(")")
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Facet) print(p *printer) {
	p.s("facet by ")
	printList(p, o.By)
	if o.With != nil {
		p.s(" with (")
		printSub(p, o.With)
		p.s(")")
	}
}
