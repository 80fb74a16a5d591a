package syntax

import (
	"math"

	"logkeep/internal/schema"
)

// expr reads a value: or, and, comparisons, arithmetic, string operators.
func (p *parser) expr() Expr {
	defer p.deeper()()
	return p.leftAssoc(p.and, "or")
}

func (p *parser) and() Expr { return p.leftAssoc(p.equality, "and") }

func (p *parser) leftAssoc(operand func() Expr, words ...string) Expr {
	x := operand()
	for {
		op := ""
		for _, w := range words {
			if t := p.tok(); t.text == w && (t.kind == kName || t.kind == kPunct) {
				op = w
			}
		}
		if op == "" || p.stuck {
			return x
		}
		p.advance()
		y := operand()
		x = &Binary{Span: x.Where().To(y.Where()), Op: op, X: x, Y: y}
	}
}

// listOps are the operators with a list behind them.
var listOps = map[string]bool{"in": true, "in~": true, "!in": true, "!in~": true, "has_any": true, "has_all": true}

// equality reads one comparison for equality, of which no two can follow.
func (p *parser) equality() Expr {
	x := p.relational()
	t := p.tok()
	switch {
	case t.kind == kPunct && (t.text == "==" || t.text == "!=" || t.text == "<>" || t.text == "="):
		p.advance()
		y := p.relational()
		op := t.text
		switch op {
		case "<>":
			op = "!="
		case "=":
			op = "==" // as Microsoft's parser forgives it
		}
		return &Binary{Span: x.Where().To(y.Where()), Op: op, X: x, Y: y}
	case (t.kind == kName || t.kind == kPunct) && listOps[t.text]:
		p.advance()
		l := &List{Op: t.text, X: x}
		if p.take("(") {
			l.Items = p.list(")", p.argument)
		} else {
			l.Items = []Expr{p.relational()}
		}
		l.Span = Span{x.Where().Start, p.prevEnd(t.End)}
		return l
	case (t.kind == kName || t.kind == kPunct) && (t.text == "between" || t.text == "!between"):
		p.advance()
		b := &Between{Not: t.text == "!between", X: x}
		p.expect("(")
		b.Lo = p.additive()
		p.expect("..")
		b.Hi = p.additive()
		p.expect(")")
		b.Span = Span{x.Where().Start, p.prevEnd(t.End)}
		return b
	}
	return x
}

func (p *parser) relational() Expr {
	x := p.additive()
	if t := p.tok(); t.kind == kPunct && (t.text == "<" || t.text == ">" || t.text == "<=" || t.text == ">=") {
		p.advance()
		y := p.additive()
		return &Binary{Span: x.Where().To(y.Where()), Op: t.text, X: x, Y: y}
	}
	return x
}

func (p *parser) additive() Expr { return p.leftAssoc(p.multiplicative, "+", "-") }

func (p *parser) multiplicative() Expr { return p.leftAssoc(p.stringOp, "*", "/", "%") }

// stringOps are the operators on strings, without a leading exclamation mark.
var stringOps = map[string]bool{
	"=~": true, "!~": true, "has": true, "has_cs": true, "hasprefix": true, "hasprefix_cs": true, "hassuffix": true, "hassuffix_cs": true,
	"contains": true, "contains_cs": true, "containscs": true, "startswith": true, "startswith_cs": true, "endswith": true, "endswith_cs": true,
	"like": true, "likecs": true, "notcontains": true, "notcontainscs": true, "notlike": true,
}

func (p *parser) stringOp() Expr {
	x := p.unary()
	for !p.stuck {
		t := p.tok()
		op := t.text
		switch {
		case t.kind == kPunct && len(op) > 1 && op[0] == '!' && op != "!~" && stringOps[op[1:]]:
		case (t.kind == kName || t.kind == kPunct) && stringOps[op]:
		case p.search && t.kind == kPunct && op == ":":
		case t.kind == kName && op == "matches" && p.peek(1).text == "regex":
			p.advance()
			op = "matches regex"
		default:
			return x
		}
		p.advance()
		y := p.unary()
		x = &Binary{Span: x.Where().To(y.Where()), Op: op, X: x, Y: y}
	}
	return x
}

func (p *parser) unary() Expr {
	t := p.tok()
	if t.kind == kPunct && (t.text == "-" || t.text == "+") {
		defer p.deeper()()
		p.advance()
		if n := p.tok(); n.kind == kInt && n.text == "9223372036854775808" && t.text == "-" {
			p.advance()
			return &Literal{Span: t.Span.To(n.Span), Type: schema.Long, Value: int64(math.MinInt64)}
		}
		x := p.unary()
		return &Unary{Span: t.Span.To(x.Where()), Op: t.text, X: x}
	}
	return p.postfix()
}

// member reads the name behind a dot.
func (p *parser) member() *Name {
	if p.tok().kind == kName {
		return p.anyWord()
	}
	if n := p.peek(1); p.is("$") && n.kind == kName && n.Start == p.tok().End { // X.$current_database
		at := p.advance().Span
		p.advance()
		return &Name{Span: at.To(n.Span), Name: "$" + n.text}
	}
	return p.name()
}

func (p *parser) postfix() Expr {
	x := p.primary()
	for n := 0; !p.stuck; n++ {
		if n > maxDepth {
			p.fail(p.tok().Span, "The path is too long.")
		}
		switch {
		case p.is("."):
			p.advance()
			switch {
			case p.is("[") && p.peek(1).kind == kQuote && p.peek(2).text == "]":
				n := p.name()
				x = &Member{Span: x.Where().To(n.Span), X: x, Name: n}
			case p.is("["): // d.[0]
				x = p.index(x)
			default:
				n := p.member()
				if p.is("(") {
					c := p.call(n)
					x = &Method{Span: x.Where().To(c.Where()), X: x, Call: c.(*Call)}
				} else {
					x = &Member{Span: x.Where().To(n.Span), X: x, Name: n}
				}
			}
		case p.is("["):
			x = p.index(x)
		default:
			return x
		}
	}
	return x
}

func (p *parser) index(x Expr) Expr {
	p.expect("[")
	i := p.expr()
	p.expect("]")
	return &Index{Span: Span{x.Where().Start, p.prevEnd(x.Where().End)}, X: x, I: i}
}

// item reads a value that may be given a name: a = x, (a, b) = x.
func (p *parser) item() Expr {
	start := p.tok().Span
	if p.tok().kind == kName && p.peek(1).kind == kPunct && p.peek(1).text == "=" ||
		p.is("[") && p.peek(1).kind == kQuote && p.peek(2).text == "]" && p.peek(3).text == "=" && p.peek(3).kind == kPunct {
		n := p.name()
		p.expect("=")
		x := p.expr()
		return &Assign{Span: start.To(x.Where()), Names: []*Name{n}, X: x}
	}
	if p.is("(") && p.tupleAhead() {
		a := &Assign{Tuple: true}
		p.expect("(")
		for !p.stuck && !p.is(")") {
			a.Names = append(a.Names, p.name())
			if !p.take(",") {
				break
			}
		}
		p.expect(")")
		p.expect("=")
		a.X = p.expr()
		a.Span = Span{start.Start, p.prevEnd(start.End)}
		return a
	}
	return p.expr()
}

// tupleAhead reports whether the bracket here holds names and stands before =.
func (p *parser) tupleAhead() bool {
	for j := p.i + 1; j < len(p.toks); j++ {
		t := p.toks[j]
		if t.kind == kPunct && t.text == ")" {
			return p.peek(j+1-p.i).kind == kPunct && p.peek(j+1-p.i).text == "="
		}
		if t.kind != kName && t.kind != kQuote && !(t.kind == kPunct && (t.text == "," || t.text == "[" || t.text == "]")) {
			return false
		}
	}
	return false
}

// argument reads an argument of a call: a value, named or not, or a query.
func (p *parser) argument() Expr {
	defer p.deeper()()
	base := p.depth[p.i]
	if p.sourceAhead() {
		return p.pipe()
	}
	if p.is("(") && p.functionAhead() {
		return p.function()
	}
	if p.is("*") {
		if t := p.peek(1); t.text == "," || t.text == ")" {
			s := p.advance().Span
			return &Star{Span: s}
		}
	}
	return p.pipeTail(p.item(), base)
}

// pipe reads a query: a source and the operators behind it.
func (p *parser) pipe() Expr {
	defer p.deeper()()
	base := p.depth[p.i]
	var x Expr
	if p.sourceAhead() {
		start := p.tok().Span
		op := p.operator()
		if op == nil {
			op = &Print{Span: start}
		}
		x = &Source{Span: op.Where(), Op: op}
	} else {
		x = p.expr()
	}
	return p.pipeTail(x, base)
}

// pipeTail reads | operator | operator …, if there is any; base is how many
// brackets are open around.
func (p *parser) pipeTail(x Expr, base int) Expr {
	p.recover(base, true)
	if !p.is("|") {
		return x
	}
	pipe := &Pipe{Span: x.Where(), Source: x}
	pipe.Ops = p.operators(base)
	pipe.End = p.prevEnd(pipe.End)
	return pipe
}

// operators reads | operator | operator ….
func (p *parser) operators(base int) (ops []Operator) {
	for p.take("|") {
		if op := p.operator(); op != nil {
			ops = append(ops, op)
		}
		if t := p.tok(); !p.stuck && !p.is("|") && p.depth[p.i] >= base && t.kind != kEOF && !p.is(";") && !p.is(",") {
			p.expected("| or the end of the query")
		}
		p.recover(base, true)
	}
	return ops
}
