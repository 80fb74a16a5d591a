package native

import "strings"

// Finder returns HasTerm for many texts: it makes a term ready, and what it
// returns finds it as a word that is bounded on the left, on the right, both or,
// as contains wants it, neither. Texts are not copied: to make lower case of all
// of a column's text costs more than all else that such a query does.
func Finder(fold bool) func(term string) func(text string, left, right bool) bool {
	return func(term string) func(string, bool, bool) bool {
		if !fold || term == "" || !isASCII(term) {
			return func(text string, left, right bool) bool { return HasTerm(text, term, left, right, fold) }
		}
		low := strings.ToLower(term)
		at := rarest(low)
		f := finder{
			term: low, at: at, lower: low[at], upper: low[at],
			// Kelvin's sign and the dotted capital I are k and i in lower case.
			beyond:    strings.ContainsAny(low, "ik"),
			wordFirst: WordByte(low[0]), wordLast: WordByte(low[len(low)-1]),
		}
		if f.lower >= 'a' && f.lower <= 'z' {
			f.upper -= 0x20
		}
		return f.in
	}
}

// A finder looks for one term, which is ASCII, whatever its case in the text.
type finder struct {
	term                string
	at                  int  // of its byte that texts have least often
	lower, upper        byte // that byte
	beyond              bool
	wordFirst, wordLast bool
}

// in reports whether the term is in text, bounded as HasTerm has it.
func (f finder) in(text string, left, right bool) bool {
	if len(text) >= len(f.term) && f.scan(text, left && f.wordFirst, right && f.wordLast) {
		return true
	}
	return f.beyond && !isASCII(text) && HasTerm(text, f.term, left, right, true)
}

// scan looks at each place where the rare byte stands, in either case.
func (f finder) scan(text string, left, right bool) bool {
	last := len(text) - len(f.term) + f.at // the rare byte is not behind it
	text, whole := text[:last+1], text
	low := next(text, f.lower, f.at)
	up := last + 1
	if f.upper != f.lower {
		up = next(text, f.upper, f.at)
	}
	for low <= last || up <= last {
		place := min(low, up)
		from, end := place-f.at, place-f.at+len(f.term)
		if sameFolded(whole[from:end], f.term) &&
			(!left || from == 0 || !WordByte(whole[from-1])) && (!right || end == len(whole) || !WordByte(whole[end])) {
			return true
		}
		if place == low {
			low = next(text, f.lower, place+1)
		} else {
			up = next(text, f.upper, place+1)
		}
	}
	return false
}

// next is where c stands at or behind from, or the end of the text.
func next(text string, c byte, from int) int {
	if from >= len(text) {
		return len(text)
	}
	if n := strings.IndexByte(text[from:], c); n >= 0 {
		return from + n
	}
	return len(text)
}

// sameFolded reports whether a text is a term of the same length that is ASCII
// in lower case.
func sameFolded(text, term string) bool {
	for i := range len(term) {
		c := text[i]
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c != term[i] {
			return false
		}
	}
	return true
}

// frequent is the characters of logs, the ones seen most often last.
const frequent = "~^`|\\zqj;?<>*!&%$#@xk'\"+vw{}bygp,fhumd()[]_=:/-9876lc543r21s.n0oiate "

// rarest is where a term has the byte that logs have least often: a digit or a
// sign that has no case is looked for once and a letter twice, which matters
// less than how often it stops the search.
func rarest(term string) (at int) {
	rank := len(frequent)
	for i := range len(term) {
		if r := strings.IndexByte(frequent, term[i]); r < rank {
			rank, at = r, i
		}
	}
	return at
}
