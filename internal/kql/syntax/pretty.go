package syntax

import "strings"

// A remark is a comment of the text. It is no part of the tree; printing puts
// it before the statement or operator at which it stood.
type remark struct {
	Span
	text string
}

// remarks finds the comments between the tokens of a text.
func remarks(text string, toks []token) (out []remark) {
	at := 0
	for _, t := range toks {
		for at < t.Start {
			i := strings.Index(text[at:t.Start], "//")
			if i < 0 {
				break
			}
			start := at + i
			end := t.Start
			if j := strings.IndexByte(text[start:t.Start], '\n'); j >= 0 {
				end = start + j
			}
			out = append(out, remark{Span{start, end}, strings.TrimRight(text[start:end], " \t\r\n\f\v")})
			at = end
		}
		at = max(at, t.End)
	}
	return out
}

// Pretty writes a query in its usual form and keeps its comments: one that
// ends the line of an operator stays there, all others get lines of their own
// before the operator or statement in or before which they stood. What it
// writes it leaves as it is.
func Pretty(text string) (string, Diagnostics) {
	tree, errs := Parse(text)
	if len(errs) > 0 {
		return "", errs
	}
	toks, _ := lex(text)
	p := &printer{source: text, remarks: remarks(text, toks)}
	tree.print(p)
	for _, r := range p.until(len(text) + 1) {
		p.line()
		p.s(r.text)
	}
	return p.String() + "\n", nil
}

// until takes the comments that begin before a place in the text.
func (p *printer) until(at int) (out []remark) {
	for len(p.remarks) > 0 && p.remarks[0].Start < at {
		out, p.remarks = append(out, p.remarks[0]), p.remarks[1:]
	}
	return out
}

// trailing writes the comment that stands behind a place, on the same line.
func (p *printer) trailing(at int) {
	if len(p.remarks) == 0 {
		return
	}
	r := p.remarks[0]
	if at <= r.Start && strings.TrimLeft(p.source[at:r.Start], " \t") == "" {
		p.s(" ", r.text)
		p.remarks = p.remarks[1:]
	}
}
