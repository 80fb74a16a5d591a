package template

import (
	"fmt"
	"strings"
)

// An Edge says where an end of a Part may be in a text.
type Edge uint8

// The edges, in the order in which package parquet has them.
const (
	Inside   Edge = iota // anywhere
	Boundary             // not inside of a word, of ASCII letters, digits and characters beyond ASCII
	Bound                // at the end of the text
)

// A Part is what a text may contain, at a place with such edges. It is not empty,
// its ASCII letters are small. Case does not matter, of ASCII letters.
type Part struct {
	Text        string
	Left, Right Edge
}

// An Answer is what a template tells of all of its texts.
type Answer uint8

// The answers.
const (
	Never   Answer = iota // no text has the part
	Perhaps               // some may have it
	Always                // each text has it
)

// String spells the template for people.
func (t *Template) String() string {
	var b strings.Builder
	for i, k := range t.kinds {
		b.Write(t.literals[i])
		switch {
		case k == Any:
			b.WriteString("<any>")
		case k == Word:
			b.WriteString("<word>")
		case k == Digits:
			b.WriteString("<digits>")
		default:
			fmt.Fprintf(&b, "<hex %d>", k.digits())
		}
	}
	b.Write(t.literals[len(t.kinds)])
	return b.String()
}

// Has tells whether the template's texts have a part. Always is for a part within a
// literal, Never for one that would fit nowhere, whatever is in the holes.
func (t *Template) Has(part Part) Answer {
	answer := Never
	// far[j] is that the part's first j bytes may end where the next literal begins.
	far := make([]bool, len(part.Text)+1)
	for i, literal := range t.literals {
		if t.within(i, literal, part) {
			return Always
		}
		next := make([]bool, len(far))
		if t.through(i, literal, part, far, next) {
			answer = Perhaps
		}
		far = next
	}
	return answer
}

// within reports whether literal i has the part, with its edges.
func (t *Template) within(i int, literal []byte, part Part) bool {
	for at := 0; at+len(part.Text) <= len(literal); at++ {
		if small(literal[at]) == part.Text[0] && fold(literal[at:], part.Text) == len(part.Text) &&
			t.leftEdge(i, at, part.Left) == Always && t.rightEdge(i, at+len(part.Text), part.Right) == Always {
			return true
		}
	}
	return false
}

// through goes on with what of the part may be matched when literal i begins, and
// with what may begin in it or in the hole behind it, to the end of that hole. It
// reports whether the part may end on the way.
func (t *Template) through(i int, literal []byte, part Part, far, next []bool) (ended bool) {
	text := part.Text
	behind := make([]bool, len(far)) // what may be matched where the literal ends
	at := func(from, j int) {
		n := fold(literal[from:], text[j:])
		switch {
		case n == len(text)-j:
			ended = ended || t.rightEdge(i, from+n, part.Right) != Never
		case from+n == len(literal):
			behind[j+n] = true
		}
	}
	for j, is := range far {
		if is && j > 0 {
			at(0, j)
		}
	}
	for from := range len(literal) {
		if small(literal[from]) == text[0] && t.leftEdge(i, from, part.Left) != Never {
			at(from, 0)
		}
	}
	if i == len(t.kinds) {
		return ended
	}
	behind[0] = t.leftEdge(i, len(literal), part.Left) != Never
	kind := t.kinds[i]
	for j, is := range behind {
		if is && t.hole(i, kind, part, j, true, next) {
			ended = true
		}
	}
	// It may begin within the hole, where a byte of a word is before it.
	if (part.Left == Inside || kind == Any) && t.hole(i, kind, part, 0, false, next) {
		ended = true
	}
	return ended
}

// hole goes on in hole i with the part from its byte j on, from the hole's beginning
// or from within it.
func (t *Template) hole(i int, kind Kind, part Part, j int, whole bool, next []bool) (ended bool) {
	size := kind.digits() // 0: any
	for n := 0; ; n++ {
		// n bytes of the part are in the hole.
		full := size == 0 && (n > 0 || kind == Any || !whole) || n == size && whole || n < size && !whole
		if j+n == len(part.Text) {
			switch {
			case n == 0:
				return false
			case part.Right == Inside || kind == Any:
				return true
			}
			return full && t.rightEdge(i+1, 0, part.Right) != Never
		}
		if full && j+n > 0 {
			next[j+n] = true
		}
		if size > 0 && n == size || !kind.can(part.Text[j+n]) {
			return false
		}
	}
}

// can is whether a byte, of a part, may be in a hole.
func (k Kind) can(c byte) bool {
	digit := c >= '0' && c <= '9'
	switch {
	case k == Any:
		return true
	case k == Word:
		return digit || c >= 'a' && c <= 'z'
	case k == Digits:
		return digit
	}
	return digit || c >= 'a' && c <= 'f'
}

// leftEdge tells whether a part may begin at a byte of literal i.
func (t *Template) leftEdge(i, at int, edge Edge) Answer {
	switch {
	case edge == Inside:
		return Always
	case at > 0:
		return when(edge == Boundary && !inWord(t.literals[i][at-1]))
	case i == 0:
		return Always
	case t.kinds[i-1] == Any:
		return Perhaps
	}
	return Never // a hole ends with a byte of a word
}

// rightEdge tells whether a part may end before a byte of literal i.
func (t *Template) rightEdge(i, at int, edge Edge) Answer {
	switch {
	case edge == Inside:
		return Always
	case at < len(t.literals[i]):
		return when(edge == Boundary && !inWord(t.literals[i][at]))
	case i == len(t.kinds):
		return Always
	case t.kinds[i] == Any:
		return Perhaps
	}
	return Never
}

func when(is bool) Answer {
	if is {
		return Always
	}
	return Never
}

func inWord(c byte) bool {
	return c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// small is a byte, or of a capital letter of ASCII the small one.
func small(c byte) byte {
	if c-'A' <= 'Z'-'A' {
		c |= 0x20
	}
	return c
}

// fold is how many bytes, from the first on, two texts have in common, case aside;
// lower is in lower case.
func fold(b []byte, lower string) int {
	n := min(len(b), len(lower))
	for i := range n {
		c := b[i]
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c != lower[i] {
			return i
		}
	}
	return n
}
