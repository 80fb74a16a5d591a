package syntax

import "logkeep/internal/schema"

type (
	// An MvExpand answers a row for each element of arrays.
	MvExpand struct {
		Span
		isOperator
		Params []Param
		Items  []MvItem
		Limit  Expr
	}
	// An MvItem is a = x to typeof(long).
	MvItem struct {
		Span
		X  Expr
		To schema.Type // Invalid if not given
	}
	// An MvApply runs a query over the elements of arrays, row by row.
	MvApply struct {
		Span
		isOperator
		Params []Param
		Items  []MvItem
		Limit  Expr
		ID     *Name
		On     Expr // a Pipe without a source, or a query
	}
)

func (p *parser) mvItems() (out []MvItem) {
	for !p.stuck {
		x := p.item()
		m := MvItem{Span: x.Where(), X: x}
		if p.takeWord("to") {
			if t, ok := p.typeOf0(); ok {
				m.To = t
			}
			m.End = p.prevEnd(m.End)
		}
		out = append(out, m)
		if !p.take(",") {
			break
		}
	}
	return out
}

func (p *parser) typeOf0() (schema.Type, bool) {
	if !p.word("typeof") {
		p.expected("typeof(…)")
		return 0, false
	}
	t, ok := p.typeOf().(*TypeOf)
	return t.Type, ok
}

func parseMvExpand(p *parser, start Span) Operator {
	names := []string{"bagexpansion", "with_itemindex", "kind"}
	o := &MvExpand{Params: p.params(names...)}
	o.Items = p.mvItems()
	if p.takeWord("limit") {
		o.Limit = p.expr()
	}
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

func printMvItems(p *printer, items []MvItem) {
	for i, m := range items {
		if i > 0 {
			p.s(", ")
		}
		p.s(m.X)
		if m.To != schema.Invalid {
			p.s(" to typeof(", m.To.String(), ")")
		}
	}
}

func (o *MvExpand) print(p *printer) {
	p.s("mv-expand")
	p.params(o.Params)
	p.s(" ")
	printMvItems(p, o.Items)
	if o.Limit != nil {
		p.s(" limit ", o.Limit)
	}
}

func parseMvApply(p *parser, start Span) Operator {
	o := &MvApply{Params: p.params("bagexpansion", "with_itemindex", "kind")}
	if !p.word("on") {
		o.Items = p.mvItems()
	}
	if p.takeWord("limit") {
		o.Limit = p.expr()
	}
	if p.takeWord("id") {
		o.ID = p.name()
	}
	p.expectWord("on")
	p.expect("(")
	o.On = p.subquery()
	p.expect(")")
	o.Span = Span{start.Start, p.prevEnd(start.End)}
	return o
}

// subquery reads operators that work on rows from around: where x | take 1.
func (p *parser) subquery() Expr {
	start := p.tok().Span
	if p.tok().kind == kName {
		if _, ok := p.rules[p.tok().text]; ok && !p.plainSource() {
			base := p.depth[p.i]
			pipe := &Pipe{}
			if op := p.operator(); op != nil {
				pipe.Ops = append(pipe.Ops, op)
			}
			p.recover(base, true)
			pipe.Ops = append(pipe.Ops, p.operators(base)...)
			pipe.Span = Span{start.Start, p.prevEnd(start.End)}
			return pipe
		}
	}
	return p.pipe()
}

// plainSource reports whether the operator here needs no input.
func (p *parser) plainSource() bool { return p.word("print") || p.word("range") || p.word("find") }

func (o *MvApply) print(p *printer) {
	p.s("mv-apply")
	p.params(o.Params)
	p.s(" ")
	printMvItems(p, o.Items)
	if o.Limit != nil {
		p.s(" limit ", o.Limit)
	}
	if o.ID != nil {
		p.s(" id ", o.ID)
	}
	p.s(" on (")
	printSub(p, o.On)
	p.s(")")
}

func printSub(p *printer, x Expr) {
	if pipe, ok := x.(*Pipe); ok && pipe.Source == nil {
		p.ops(pipe.Ops, true)
		return
	}
	p.s(x)
}
