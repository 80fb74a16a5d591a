package native

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// What \s, \d and \w match: in this language they are Unicode's.
const (
	spaces = `\s\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`
	digits = `\p{Nd}`
	word   = `0-9A-Z_a-z\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}`
)

// mostWords is how many times a pattern may have a class of the size of \w once
// its repetitions are written out; the engine gives up on longer programs. In
// such a pattern \w and \d are ASCII's.
const mostWords = 100

// mostPattern is how long a pattern may be that is rewritten: brackets that are
// never closed take time that grows with the square.
const mostPattern = 10_000

// Pattern returns a regular expression of the language as one of RE2, which
// the engine and Go have. It writes out what RE2 lacks: \u00e9, \u{e9} and
// \U000000e9, classes in classes, their intersection &&, difference -- and
// symmetric difference ~~, and Unicode in \s, \d and \w. \b stays ASCII's. What
// can't be read stays as it is, for the compiler to name.
func Pattern(expr string) string {
	if !strings.ContainsAny(expr, `\[`) || len(expr) > mostPattern {
		return expr
	}
	w := pattern{in: expr, ascii: crowded(expr)}
	return w.rewrite()
}

// PatternASCII is Pattern for texts of ASCII alone, in which \s, \d and \w need
// no more than that: it finds the same there, in half of the time.
func PatternASCII(expr string) string {
	if !strings.ContainsAny(expr, `\[`) || len(expr) > mostPattern {
		return expr
	}
	w := pattern{in: expr, ascii: true, narrow: true}
	return w.rewrite()
}

func (w *pattern) rewrite() string {
	for w.at < len(w.in) {
		switch c := w.in[w.at]; c {
		case '\\':
			w.out.WriteString(w.escape(false))
		case '[':
			w.class()
		default:
			w.out.WriteByte(c)
			w.at++
		}
	}
	return w.out.String()
}

// pattern is a regular expression while it is rewritten.
type pattern struct {
	in     string
	at     int
	out    strings.Builder
	ascii  bool // \d and \w are ASCII's
	narrow bool // and so is \s
}

// crowded reports whether the classes of a pattern are too many to be large.
func crowded(expr string) bool {
	if !strings.ContainsAny(expr, "{") {
		return false
	}
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return false
	}
	var count func(*syntax.Regexp) int
	count = func(re *syntax.Regexp) int {
		n := 0
		if re.Op == syntax.OpCharClass {
			n = 1
		}
		for _, sub := range re.Sub {
			n += count(sub)
		}
		if re.Op == syntax.OpRepeat {
			n *= max(re.Min, re.Max, 1)
		}
		return n
	}
	return count(re) > mostWords
}

// escape takes what begins with a backslash. Within a class what stands for
// several characters is written without brackets.
func (w *pattern) escape(class bool) string {
	rest := w.in[w.at:]
	if len(rest) < 2 {
		w.at = len(w.in)
		return rest
	}
	take := func(n int, as string) string {
		w.at += n
		return as
	}
	set := func(of string) string {
		if class {
			return take(2, of)
		}
		return take(2, "["+of+"]")
	}
	switch c := rest[1]; {
	case c == 'Q' && !class:
		n := strings.Index(rest, `\E`)
		if n < 0 {
			return take(len(rest), rest)
		}
		return take(n+2, rest[:n+2])
	case w.narrow && (c == 's' || c == 'S'):
		return take(2, rest[:2])
	case c == 's':
		return set(spaces)
	case c == 'S' && !class:
		return take(2, "[^"+spaces+"]")
	case c == 'd' && !w.ascii:
		return take(2, digits)
	case c == 'D' && !w.ascii:
		return take(2, `\P{Nd}`)
	case c == 'w' && !w.ascii:
		return set(word)
	case c == 'W' && !w.ascii && !class:
		return take(2, "[^"+word+"]")
	case c == 'u' || c == 'U':
		digits, n := "", 2
		if strings.HasPrefix(rest[2:], "{") {
			if end := strings.IndexByte(rest, '}'); end > 3 {
				digits, n = rest[3:end], end+1
			}
		} else if size := map[byte]int{'u': 4, 'U': 8}[c]; len(rest) >= 2+size {
			digits, n = rest[2:2+size], 2+size
		}
		if digits != "" && strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
			return take(n, `\x{`+digits+`}`)
		}
	case (c == 'p' || c == 'P' || c == 'x') && strings.HasPrefix(rest[2:], "{"):
		if end := strings.IndexByte(rest, '}'); end > 0 {
			return take(end+1, rest[:end+1])
		}
	}
	return take(2, rest[:2])
}

// class takes a class in brackets. One that RE2 can say is written as it
// stands, others as the characters that are in them.
func (w *pattern) class() {
	start := w.at
	if text, plain := w.plain(); plain {
		w.out.WriteString(text)
		return
	}
	w.at = start
	if set, ok := w.set(); ok {
		w.out.WriteString(set.text())
		return
	}
	w.at = start + 1
	w.out.WriteByte('[')
}

// plain takes a class without what RE2 lacks.
func (w *pattern) plain() (string, bool) {
	var b strings.Builder
	w.open(&b)
	for first := true; w.at < len(w.in); first = false {
		rest := w.in[w.at:]
		switch {
		case rest[0] == ']' && !first:
			w.at++
			return b.String() + "]", true
		case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
			n := strings.Index(rest, ":]") + 2
			b.WriteString(rest[:n])
			w.at += n
		case rest[0] == '[' && closes(rest), operation(rest) != "":
			return "", false
		case strings.HasPrefix(rest, `\S`) && !w.narrow, strings.HasPrefix(rest, `\W`) && !w.ascii:
			return "", false
		case rest[0] == '\\':
			b.WriteString(w.escape(true))
		default:
			b.WriteByte(rest[0])
			w.at++
		}
	}
	return b.String(), true // it has no end, which the compiler says
}

// open takes a bracket and what negates the class.
func (w *pattern) open(b *strings.Builder) (negated bool) {
	b.WriteByte('[')
	w.at++
	if strings.HasPrefix(w.in[w.at:], "^") {
		b.WriteByte('^')
		w.at++
		return true
	}
	return false
}

// closes reports whether a bracket in a class begins a class of its own: it has
// an end, and behind that there is one for the class around.
func closes(rest string) bool {
	open := 0
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '[':
			open++
		case ']':
			if open--; open < 0 {
				return true
			}
		}
	}
	return false
}

// operation is the operation between classes with which a text begins.
func operation(rest string) string {
	for _, op := range []string{"&&", "--", "~~"} {
		if strings.HasPrefix(rest, op) && len(rest) > 2 && rest[2] != ']' {
			return op
		}
	}
	return ""
}

// runeSet is characters as ranges, both ends included, in order and apart.
type runeSet []rune

// set takes a class with everything that it may have.
func (w *pattern) set() (runeSet, bool) {
	var b strings.Builder // what the compiler can read
	negated := w.open(&strings.Builder{})
	var left, now runeSet
	op, first := "", true
	flush := func() bool {
		if b.Len() == 0 {
			return true
		}
		s, ok := readSet("[" + b.String() + "]")
		now = union(now, s)
		b.Reset()
		return ok
	}
	done := func() bool {
		ok := flush()
		switch op {
		case "":
			left = now
		case "&&":
			left = minus(left, not(now))
		case "--":
			left = minus(left, now)
		case "~~":
			left = union(minus(left, now), minus(now, left))
		}
		now = nil
		return ok
	}
	for ; w.at < len(w.in); first = false {
		rest := w.in[w.at:]
		switch {
		case rest[0] == ']' && !first:
			w.at++
			if !done() {
				return nil, false
			}
			if negated {
				left = not(left)
			}
			return left, true
		case operation(rest) != "":
			if !done() {
				return nil, false
			}
			op = operation(rest)
			w.at += 2
		case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
			n := strings.Index(rest, ":]") + 2
			b.WriteString(rest[:n])
			w.at += n
		case rest[0] == '[' && closes(rest):
			if !flush() {
				return nil, false
			}
			s, ok := w.set()
			if !ok {
				return nil, false
			}
			now = union(now, s)
		case strings.HasPrefix(rest, `\S`) && !w.narrow, strings.HasPrefix(rest, `\W`) && !w.ascii:
			of := map[byte]string{'S': spaces, 'W': word}[rest[1]]
			s, ok := readSet("[^" + of + "]")
			if !ok || !flush() {
				return nil, false
			}
			now = union(now, s)
			w.at += 2
		case rest[0] == '\\':
			b.WriteString(w.escape(true))
		default:
			b.WriteByte(rest[0])
			w.at++
		}
	}
	return nil, false
}

// readSet reads a class that Go understands.
func readSet(class string) (runeSet, bool) {
	re, err := syntax.Parse(class, syntax.Perl)
	if err != nil {
		return nil, false
	}
	switch re.Op {
	case syntax.OpCharClass:
		return re.Rune, true
	case syntax.OpLiteral:
		return runeSet{re.Rune[0], re.Rune[0]}, true
	case syntax.OpAnyChar:
		return runeSet{0, 0x10FFFF}, true
	}
	return nil, re.Op == syntax.OpNoMatch
}

func union(a, b runeSet) runeSet {
	type span struct{ lo, hi rune }
	var all []span
	for _, s := range []runeSet{a, b} {
		for i := 0; i < len(s); i += 2 {
			all = append(all, span{s[i], s[i+1]})
		}
	}
	slices.SortFunc(all, func(x, y span) int { return int(x.lo - y.lo) })
	var out runeSet
	for _, s := range all {
		if n := len(out); n > 0 && s.lo <= out[n-1]+1 {
			out[n-1] = max(out[n-1], s.hi)
			continue
		}
		out = append(out, s.lo, s.hi)
	}
	return out
}

func not(s runeSet) (out runeSet) {
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= 0x10FFFF {
		out = append(out, next, 0x10FFFF)
	}
	return out
}

func minus(a, b runeSet) runeSet { return not(union(not(a), b)) }

// text is the set as a class; one of no character matches nothing.
func (s runeSet) text() string {
	if len(s) == 0 {
		return `[^\x{0}-\x{10FFFF}]`
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := 0; i < len(s); i += 2 {
		fmt.Fprintf(&b, `\x{%X}-\x{%X}`, s[i], s[i+1])
	}
	return b.String() + "]"
}
