package plan

import (
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/schema"
)

// A Need is something that is true of every row of a scan that can matter: at
// least one of its alternatives, all of whose clues hold. Storage may leave out
// rows of which none can hold. It knows less than the filter, which stays.
type Need [][]Clue

// A Clue is that the text of a column has all the terms: runs of ASCII letters
// and digits in lower case, between characters that are neither such nor beyond
// ASCII; and all the parts. Case does not matter. A dynamic column's text is its
// JSON, with escaped characters taken for what they stand for.
//
// If there is a Pattern, a regular expression of RE2's syntax, the text matches it; all
// that Terms and Parts say follows from that.
type Clue struct {
	Column  string
	Terms   []string
	Parts   []Part
	Pattern string
}

// A Part is what a text contains: ASCII in lower case, not empty.
type Part struct {
	Text        string
	Left, Right Edge
}

// An Edge says where an end of a part may be in a text.
type Edge uint8

// The edges. A word is a run of ASCII letters, digits and characters beyond ASCII.
const (
	Open   Edge = iota // anywhere
	AtWord             // not inside of a word
	AtEnd              // at the end of the text
)

// String shows a need to people: (Host{a} or Message{b c}). Of parts it shows
// those that are more than terms.
func (n Need) String() string {
	var any []string
	for _, clues := range n {
		var all []string
		for _, c := range clues {
			says := slices.Clone(c.Terms)
			for _, p := range c.Parts {
				if s := p.String(); !slices.Contains(c.Terms, s) {
					says = append(says, s)
				}
			}
			if c.Pattern != "" {
				says = append(says, "/"+c.Pattern+"/")
			}
			all = append(all, c.Column+"{"+strings.Join(says, " ")+"}")
		}
		any = append(any, strings.Join(all, " and "))
	}
	return "(" + strings.Join(any, " or ") + ")"
}

// String shows a part with what its ends are: "^ at the end of the text$, …inside….
func (p Part) String() string {
	if p.Left == AtWord && p.Right == AtWord {
		if terms := wholeTerms(p.Text, Has); len(terms) == 1 && terms[0] == p.Text {
			return p.Text
		}
	}
	return [...]string{"…", "", "^"}[p.Left] + strconv.Quote(p.Text) + [...]string{"…", "", "$"}[p.Right]
}

// maxAlternatives bounds a Need. A longer list of values excludes little.
const maxAlternatives = 256

// A fact is what a filter says of a value of its input.
type fact struct {
	// Of a time: the comparison with At.
	Time Expr
	Op   string
	At   schema.Ticks

	Any [][]hint // or of texts: one of these
}

// A hint is a Clue whose text is not yet a column of a scan.
type hint struct {
	text    Expr
	terms   []string
	parts   []Part
	pattern string
}

// facts lists what is true where pred is.
func facts(pred Expr) []fact {
	if l, ok := pred.(*Logic); ok && l.Op == "and" {
		return append(facts(l.X), facts(l.Y)...)
	}
	if f, ok := timeFact(pred); ok {
		return []fact{f}
	}
	if any, ok := alternatives(pred); ok {
		return []fact{{Any: any}}
	}
	return nil
}

func timeFact(pred Expr) (fact, bool) {
	c, ok := pred.(*Compare)
	if !ok {
		return fact{}, false
	}
	x, y, op := c.X, c.Y, c.Op
	if _, isConst := x.(*Const); isConst {
		x, y, op = y, x, map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "=="}[op]
	}
	val, ok := y.(*Const)
	if !ok || op == "" || op == "!=" {
		return fact{}, false
	}
	at, ok := val.Value.(schema.Ticks)
	if !ok || val.T != schema.DateTime {
		return fact{}, false
	}
	return fact{Time: x, Op: op, At: at}, true
}

// alternatives are the ways in which a condition on texts can be true; ok is
// false if one of them leaves no trace in the terms of a text.
func alternatives(pred Expr) (any [][]hint, ok bool) {
	switch x := pred.(type) {
	case *Logic:
		a, okA := alternatives(x.X)
		b, okB := alternatives(x.Y)
		switch {
		case x.Op == "or":
			return slices.Concat(a, b), okA && okB && len(a)+len(b) <= maxAlternatives
		case okA && okB && len(a)*len(b) <= maxAlternatives:
			for _, p := range a {
				for _, q := range b {
					any = append(any, slices.Concat(p, q))
				}
			}
			return any, true
		case okA:
			return a, true
		}
		return b, okB
	case *Match:
		return values(x.X, x.Y, x.Op)
	case *In:
		if x.Rel != nil {
			return nil, false
		}
		return values(x.X, x.Items, Equals)
	case *Compare:
		if x.Op != "==" || x.X.Type() != schema.String {
			return nil, false
		}
		if _, isConst := x.X.(*Const); isConst {
			return values(x.Y, []Expr{x.X}, Equals)
		}
		return values(x.X, []Expr{x.Y}, Equals)
	}
	return nil, false
}

// values is an alternative for each of the constants that text is looked
// through for.
func values(text Expr, constants []Expr, op MatchOp) (any [][]hint, ok bool) {
	if len(constants) == 0 || len(constants) > maxAlternatives || text.Type() != schema.String && text.Type() != schema.Dynamic {
		return nil, false
	}
	for _, y := range constants {
		c, isConst := y.(*Const)
		if !isConst {
			return nil, false
		}
		s, isText := c.Value.(string)
		terms, parts, pattern := wholeTerms(s, op), partsOf(s, op), ""
		if op == Regex {
			terms, parts, pattern = nil, nil, native.Pattern(s)
			for _, literal := range native.Literals(pattern) {
				terms = append(terms, wholeTerms(literal, Contains)...)
				parts = append(parts, partsOf(literal, Contains)...)
			}
		}
		if !isText || c.T != schema.String || len(terms)+len(parts)+len(pattern) == 0 {
			return nil, false
		}
		any = append(any, []hint{{text, terms, parts, pattern}})
	}
	return any, true
}

// wholeTerms lists the terms of s that a text in which s was found by op has
// as a whole. Of a term at an end of s that is open, the text may have more.
func wholeTerms(s string, op MatchOp) (terms []string) {
	openBefore := op == Contains || op == EndsWith || op == HasSuffix
	openAfter := op == Contains || op == StartsWith || op == HasPrefix
	for i := 0; i < len(s); {
		if !native.WordByte(s[i]) {
			i++
			continue
		}
		from, ascii := i, true
		for ; i < len(s) && native.WordByte(s[i]); i++ {
			ascii = ascii && s[i] < 0x80
		}
		if ascii && (from > 0 || !openBefore) && (i < len(s) || !openAfter) {
			terms = append(terms, strings.ToLower(s[from:i]))
		}
	}
	return terms
}

// partsOf lists what a text has in which s was found by op, case aside: runs of
// ASCII. Characters beyond it may be other ones in another case.
func partsOf(s string, op MatchOp) (parts []Part) {
	for i := 0; i < len(s); {
		if s[i] >= 0x80 {
			i++
			continue
		}
		from := i
		for i < len(s) && s[i] < 0x80 {
			i++
		}
		p := Part{Text: strings.ToLower(s[from:i])}
		if from == 0 {
			p.Left = edgeOf(op, StartsWith, HasPrefix, s[0])
		}
		if i == len(s) {
			p.Right = edgeOf(op, EndsWith, HasSuffix, s[i-1])
		}
		parts = append(parts, p)
	}
	return parts
}

// edgeOf is where an end of a text that is looked for by op is: end and word are
// the operators that look at this one.
func edgeOf(op, end, word MatchOp, last byte) Edge {
	switch {
	case op == Equals || op == end:
		return AtEnd
	case (op == Has || op == word) && native.WordByte(last):
		return AtWord
	}
	return Open
}

// clue says a hint of the columns of a scan. JSON writes numbers in more than
// one way, so only what no number can have tells something of a dynamic: terms,
// and parts of which no character is escaped or stands between values.
func (h hint) clue(s *Scan) (Clue, bool) {
	col, dynamic, ok := source(h.text)
	if !ok || !slices.ContainsFunc(s.Cols, func(c Column) bool { return c.ID == col.ID }) {
		return Clue{}, false
	}
	terms, parts, pattern := h.terms, h.parts, h.pattern
	if _, isCol := h.text.(*Col); !isCol {
		pattern = "" // of another text than the column's
	}
	if dynamic {
		pattern = ""
		terms = slices.DeleteFunc(slices.Clone(terms), func(t string) bool { return strings.Trim(t, "0123456789e") == "" })
		parts = nil
		for _, p := range h.parts {
			if !InsideOfString(p.Text) {
				continue
			}
			if p.Left == AtEnd {
				p.Left = Open
			}
			if p.Right == AtEnd {
				p.Right = Open
			}
			parts = append(parts, p)
		}
	}
	return Clue{col.Name, terms, parts, pattern}, len(terms)+len(parts)+len(pattern) > 0
}

// InsideOfString reports whether a text that a dynamic value has, told as text, is
// in its JSON as it is, but for escapes that begin with a backslash.
func InsideOfString(s string) bool {
	number := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || strings.IndexByte(`"\:,[]{}`, c) >= 0 {
			return false // may be escaped, or reach from one part into a number
		}
		number = number && strings.IndexByte("0123456789eE+-.infatyINFATY", c) >= 0
	}
	return !number
}

// source is the column whose text holds all the terms that the text of x has.
func source(x Expr) (c *Col, dynamic, ok bool) {
	switch x := x.(type) {
	case *Col:
		return x, x.Column.Type == schema.Dynamic, x.Column.Type == schema.Dynamic || x.Column.Type == schema.String
	case *Path:
		c, _, ok = source(x.X)
		return c, true, ok && c.Column.Type == schema.Dynamic
	case *Call:
		if len(x.Args) == 1 && sameTerms(x.F) {
			return source(x.Args[0])
		}
	}
	return nil, false, false
}

// sameTerms tells which functions give a text with no term that their argument
// lacks, case aside.
func sameTerms(f *builtin.Form) bool {
	switch f.Names[0] {
	case "tostring", "tolower":
		return true
	}
	return false
}

// substitute says x, which is about columns of a projection, in terms of the
// projection's input. It knows the values that facts are about.
func substitute(x Expr, items []Item) (Expr, bool) {
	switch x := x.(type) {
	case *Col:
		for _, it := range items {
			if it.Col.ID == x.ID {
				return it.Value, true
			}
		}
	case *Path:
		if in, ok := substitute(x.X, items); ok && len(x.args()) == 1 {
			return &Path{X: in, Steps: x.Steps}, true
		}
	case *Call:
		if len(x.Args) == 1 && sameTerms(x.F) {
			if in, ok := substitute(x.Args[0], items); ok {
				return &Call{F: x.F, Args: []Expr{in}, T: x.T}, true
			}
		}
	}
	return nil, false
}
