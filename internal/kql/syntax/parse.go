package syntax

import (
	"slices"
	"strings"
)

// maxDepth bounds the nesting of a query, so that no text can exhaust the stack.
const maxDepth = 400

// parser turns tokens into nodes. After a mistake it is stuck: it sees the end
// of the text everywhere, so that every rule returns quickly, until recover
// finds the next place to go on.
type parser struct {
	toks   []token
	depth  []int // brackets open around each token
	i      int
	stuck  bool
	level  int
	errs   Diagnostics
	rules  map[string]operatorRule
	search bool // inside the predicate of search, where column:"text" is allowed
}

// Parse reads a query. The tree holds what could be understood; it must not be
// used further unless there are no diagnostics.
func Parse(text string) (*Query, Diagnostics) {
	toks, errs := lex(text)
	p := &parser{toks: toks, errs: errs, depth: make([]int, len(toks)), rules: ruleTable()}
	d := 0
	for i, t := range toks {
		if t.kind == kPunct && (t.text == ")" || t.text == "]" || t.text == "}") {
			d--
		}
		p.depth[i] = d
		if t.kind == kPunct && (t.text == "(" || t.text == "[" || t.text == "{") {
			d++
		}
	}
	q := p.query("")
	if len(q.Statements) == 0 && len(p.errs) == 0 {
		p.errs = append(p.errs, Diagnostic{Code: CodeSyntax, Message: "The query is empty.", Span: Span{0, len(text)}})
	}
	slices.SortStableFunc(p.errs, func(a, b Diagnostic) int { return a.Span.Start - b.Span.Start })
	p.errs.Place(text)
	return q, p.errs
}

// query reads statements up to the closing token (end of text if "").
func (p *parser) query(closing string) *Query {
	q := &Query{Span: p.tok().Span}
	base := p.depth[p.i]
	for !p.end(closing) {
		if p.take(";") {
			continue
		}
		if s := p.statement(); s != nil {
			q.Statements = append(q.Statements, s)
		}
		if !p.stuck && !p.is(";") && !p.end(closing) {
			p.expected("; or the end of the query")
		}
		p.recover(base, false)
		if !p.is(";") && !p.end(closing) {
			p.i++ // a bracket too many; never stand still
		}
	}
	q.End = p.prevEnd(q.Start)
	return q
}

func (p *parser) end(closing string) bool {
	return p.tok().kind == kEOF || closing != "" && p.is(closing)
}

// recover ends being stuck: it goes on at the next semicolon, pipe (if pipes)
// or closing bracket around.
func (p *parser) recover(base int, pipes bool) {
	if !p.stuck {
		return
	}
	p.stuck = false
	for ; p.toks[p.i].kind != kEOF && p.depth[p.i] >= base; p.i++ {
		if t := p.toks[p.i]; p.depth[p.i] == base && t.kind == kPunct && (t.text == ";" || pipes && t.text == "|") {
			return
		}
	}
}

func (p *parser) tok() token {
	if p.stuck {
		return p.toks[len(p.toks)-1]
	}
	return p.toks[p.i]
}

// peek returns the token n ahead.
func (p *parser) peek(n int) token {
	if p.stuck || p.i+n >= len(p.toks) {
		return p.toks[len(p.toks)-1]
	}
	return p.toks[p.i+n]
}

func (p *parser) advance() token {
	t := p.tok()
	if !p.stuck && t.kind != kEOF {
		p.i++
	}
	return t
}

// prevEnd is where the last token ended.
func (p *parser) prevEnd(start int) int {
	if p.i == 0 {
		return start
	}
	return max(start, p.toks[p.i-1].End)
}

func (p *parser) is(punct string) bool {
	t := p.tok()
	return t.kind == kPunct && t.text == punct
}

func (p *parser) take(punct string) bool {
	if p.is(punct) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	t := p.tok()
	return t.kind == kName && t.text == w
}

func (p *parser) takeWord(w string) bool {
	if p.word(w) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(punct string) {
	if !p.take(punct) {
		p.expected(punct)
	}
}

func (p *parser) expectWord(w string) {
	if !p.takeWord(w) {
		p.expected(w)
	}
}

// expected reports that something else should stand here.
func (p *parser) expected(what string) {
	t := p.tok()
	if t.kind == kEOF {
		p.fail(t.Span, "The query ends where "+what+" is expected.")
		return
	}
	p.fail(t.Span, "Expected "+what+" instead of "+clip(t.text)+".")
}

func clip(s string) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func (p *parser) fail(at Span, msg string) {
	if p.stuck {
		return
	}
	p.stuck = true
	for _, e := range p.errs { // the lexer has told it already
		if e.Span.Start <= at.Start && at.Start < max(e.Span.End, e.Span.Start+1) {
			return
		}
	}
	p.errs = append(p.errs, Diagnostic{Code: CodeSyntax, Message: msg, Span: at})
}

// deeper guards recursion; the caller defers the result.
func (p *parser) deeper() func() {
	p.level++
	if p.level > maxDepth && !p.stuck {
		p.fail(p.tok().Span, "The query is nested too deeply.")
	}
	return func() { p.level-- }
}
