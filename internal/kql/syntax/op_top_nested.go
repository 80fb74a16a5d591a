package syntax

// A TopNested is a tree of top values, level by level.
type TopNested struct {
	Span
	isOperator
	Levels []TopNestedLevel
}

// A TopNestedLevel is top-nested N of x with others = "…" by aggregate.
type TopNestedLevel struct {
	Span
	N, Of, Others, By Expr
	Dir               string
}

func parseTopNested(p *parser, start Span) Operator {
	o := &TopNested{}
	for !p.stuck {
		l := TopNestedLevel{Span: p.tok().Span}
		if !p.word("of") {
			l.N = p.expr()
		}
		p.expectWord("of")
		l.Of = p.item()
		if p.takeWord("with") {
			p.expectWord("others")
			p.expect("=")
			l.Others = p.expr()
		}
		p.expectWord("by")
		l.By = p.item()
		if p.word("asc") || p.word("desc") {
			l.Dir = p.advance().text
		}
		l.End = p.prevEnd(l.End)
		o.Levels = append(o.Levels, l)
		if !p.take(",") {
			break
		}
		p.expectWord("top-nested")
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func (o *TopNested) print(p *printer) {
	for i, l := range o.Levels {
		if i > 0 {
			p.s(", ")
		}
		p.s("top-nested ")
		if l.N != nil {
			p.s(l.N, " ")
		}
		p.s("of ", l.Of)
		if l.Others != nil {
			p.s(" with others = ", l.Others)
		}
		p.s(" by ", l.By)
		if l.Dir != "" {
			p.s(" ", l.Dir)
		}
	}
}
