package syntax

type (
	// A Scan matches sequences of rows.
	Scan struct {
		Span
		isOperator
		Params  []Param
		Order   []*Ordered
		By      []Expr
		Declare []FuncParam
		Steps   []ScanStep
	}
	// A ScanStep is step name: condition => a = x, b = y.
	ScanStep struct {
		Span
		Name     *Name
		Optional bool
		Output   string // all, last, none or ""
		Cond     Expr
		Assign   []Expr
	}
)

func parseScan(p *parser, start Span) Operator {
	o := &Scan{Params: p.params("with_match_id", "kind")}
	if p.word("order") && p.peek(1).text == "by" {
		p.advance()
		p.advance()
		o.Order = p.orderedList()
	}
	if p.word("partition") && p.peek(1).text == "by" {
		p.advance()
		p.advance()
		o.By = p.items(p.expr)
	}
	if p.takeWord("declare") {
		o.Declare = p.funcParams()
	}
	p.expectWord("with")
	p.expect("(")
	for p.word("step") {
		o.Steps = append(o.Steps, p.scanStep())
	}
	p.expect(")")
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (p *parser) scanStep() ScanStep {
	s := ScanStep{Span: p.advance().Span, Name: p.name()}
	s.Optional = p.takeWord("optional")
	if p.takeWord("output") {
		p.expect("=")
		s.Output = p.anyWord().Name
	}
	p.expect(":")
	s.Cond = p.expr()
	if p.take("=>") {
		s.Assign = p.items(p.item)
	}
	if !p.is(")") {
		p.expect(";")
	}
	s.End = p.prevEnd(s.End)
	return s
}

func (o *Scan) print(p *printer) {
	p.s("scan")
	p.params(o.Params)
	if len(o.Order) > 0 {
		p.s(" order by ")
		printList(p, o.Order)
	}
	if len(o.By) > 0 {
		p.s(" partition by ")
		printList(p, o.By)
	}
	if len(o.Declare) > 0 {
		p.s(" declare ")
		p.funcParams(o.Declare)
	}
	p.s(" with (")
	for _, s := range o.Steps {
		p.s("step ", s.Name)
		if s.Optional {
			p.s(" optional")
		}
		if s.Output != "" {
			p.s(" output=", s.Output)
		}
		p.s(": ", s.Cond)
		if len(s.Assign) > 0 {
			p.s(" => ")
			printList(p, s.Assign)
		}
		p.s("; ")
	}
	p.s(")")
}
