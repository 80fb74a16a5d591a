package syntax

// Operators of one keyword and little else.
type (
	// An As names the rows so far.
	As struct {
		Span
		isOperator
		Params []Param
		Name   *Name
	}
	// An AssertSchema ends the query if the columns are not the given ones.
	AssertSchema struct {
		Span
		isOperator
		Schema *RowSchema
	}
	// An ExecuteAndCache keeps the rows so far.
	ExecuteAndCache struct {
		Span
		isOperator
	}
	// A Consume reads its input and answers nothing.
	Consume struct {
		Span
		isOperator
	}
	// A Count counts rows.
	Count struct {
		Span
		isOperator
		As *Name
	}
	// A GetSchema answers the columns of its input.
	GetSchema struct {
		Span
		isOperator
	}
	// An Invoke calls a function with the rows so far.
	Invoke struct {
		Span
		isOperator
		Call Expr
	}
)

func parseAs(p *parser, start Span) Operator {
	o := &As{Params: p.params()}
	o.Name = p.name()
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *As) print(p *printer) { p.s("as"); p.params(o.Params); p.s(" ", o.Name) }

func parseAssertSchema(p *parser, start Span) Operator {
	o := &AssertSchema{Schema: p.rowSchema()}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *AssertSchema) print(p *printer) { p.s("assert-schema ", o.Schema) }

func parseExecuteAndCache(_ *parser, start Span) Operator { return &ExecuteAndCache{Span: start} }
func (o *ExecuteAndCache) print(p *printer)               { p.s("__executeAndCache") }

func parseConsume(p *parser, start Span) Operator {
	p.params("decodeblocks")
	return &Consume{Span: Span{start.Start, p.prevEnd(start.End)}}
}

func (o *Consume) print(p *printer) { p.s("consume") }

func parseCount(p *parser, start Span) Operator {
	o := &Count{Span: start}
	if p.takeWord("as") {
		o.As = p.name()
		o.End = p.prevEnd(start.End)
	}
	return o
}

func (o *Count) print(p *printer) {
	p.s("count")
	if o.As != nil {
		p.s(" as ", o.As)
	}
}

func parseGetSchema(p *parser, start Span) Operator { return &GetSchema{Span: start} }
func (o *GetSchema) print(p *printer)               { p.s("getschema") }

func parseInvoke(p *parser, start Span) Operator {
	o := &Invoke{Call: p.postfix()}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *Invoke) print(p *printer) { p.s("invoke ", o.Call) }
