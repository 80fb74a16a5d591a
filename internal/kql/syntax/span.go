package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Span is a piece of the query's text, as byte offsets.
type Span struct{ Start, End int }

// Where returns the span itself; nodes embed Span and so become Nodes.
func (s Span) Where() Span { return s }

// To returns the span from the start of s to the end of t.
func (s Span) To(t Span) Span { return Span{s.Start, t.End} }

// The codes of Microsoft's service for what can be wrong with a query.
const (
	CodeSyntax        = "SYN0002" // the text can't be read
	CodeSemantic      = "SEM0100" // a name does not resolve
	CodeFunction      = "SEM0260" // unknown function
	CodeCall          = "SEM0219" // wrong number or kind of arguments
	CodeType          = "SEM0001" // an operator does not take these types
	CodeCompare       = "SEM0064" // these types can't be compared
	CodeTabular       = "SEM0066" // a table where a value is needed, or the other way round
	CodeDuplicate     = "SEM0108" // a name given twice
	CodeUnsupported   = "SEM0901" // part of the language that is not here yet; ours
	CodeTooDeep       = "SYN0005" // nested too deeply
	CodeConstant      = "SEM0043" // a constant is needed
	CodeJoin          = "SEM0233" // join or lookup condition
	CodeSchemaUnknown = "SEM0062" // the columns can't be known before the query runs
)

// A Diagnostic is one mistake in a query.
type Diagnostic struct {
	Code    string
	Message string
	Span    Span
	Line    int    // from 1
	Pos     int    // in the line, in characters, from 1
	Token   string // the text at Span, cut to a word
}

// Diagnostics are all the mistakes of a query in the order of its text.
type Diagnostics []Diagnostic

// Error renders every mistake on a line of its own.
func (d Diagnostics) Error() string {
	var b strings.Builder
	for i, x := range d {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s at %d:%d: %s", x.Code, x.Line, x.Pos, x.Message)
	}
	return b.String()
}

// Place fills Line, Pos and Token of each diagnostic from the text.
func (d Diagnostics) Place(text string) {
	for i := range d {
		at := min(max(d[i].Span.Start, 0), len(text))
		end := min(max(d[i].Span.End, at), len(text))
		before := text[:at]
		d[i].Line = 1 + strings.Count(before, "\n")
		d[i].Pos = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		token, _, _ := strings.Cut(text[at:end], "\n")
		if len(token) > 60 {
			token = strings.ToValidUTF8(token[:60], "")
		}
		d[i].Token = token
	}
}

// Caret shows the line of a diagnostic with a mark under its place.
func (d Diagnostic) Caret(text string) string {
	lines := strings.Split(text, "\n")
	if d.Line < 1 || d.Line > len(lines) {
		return ""
	}
	n := max(1, utf8.RuneCountInString(d.Token))
	return lines[d.Line-1] + "\n" + strings.Repeat(" ", d.Pos-1) + strings.Repeat("^", n)
}
