package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// quote reads a string literal that starts at at: "…", '…', @"…", ```…```.
// Adjacent literals are joined by the parser.
func (l *lexer) quote(at int) bool {
	start := at
	verbatim := false
	if l.text[at] == '@' {
		verbatim = true
		at++
	}
	if fence := l.text[at:min(at+3, len(l.text))]; fence == "```" || fence == "~~~" {
		end := strings.Index(l.text[at+3:], fence)
		if end < 0 {
			l.at = len(l.text)
			l.emit(kBad, start, "")
			l.fail(start, "The string is not closed; end it with "+fence+".")
			return true
		}
		l.at = at + 3 + end + 3
		l.emit(kQuote, start, l.text[at+3:at+3+end])
		return true
	}
	if at >= len(l.text) || l.text[at] != '"' && l.text[at] != '\'' {
		l.at = at
		return false
	}
	q := l.text[at]
	var b strings.Builder
	for i := at + 1; i < len(l.text); {
		switch c := l.text[i]; {
		case c == q && verbatim && i+1 < len(l.text) && l.text[i+1] == q:
			b.WriteByte(q)
			i += 2
		case c == q:
			l.at = i + 1
			l.emit(kQuote, start, b.String())
			return true
		case c == '\n' || c == '\r':
			l.at = i
			l.emit(kBad, start, "")
			l.fail(start, "The string is not closed on its line.")
			return true
		case c == '\\' && !verbatim:
			n := escape(l.text[i:], &b)
			if n == 0 {
				l.at = i + 1
				l.fail(i, "The escape sequence after \\ is not known; write \\\\ or use a verbatim string @\"…\".")
				b.WriteByte('\\')
				n = 1
			}
			i += n
		default:
			b.WriteByte(c)
			i++
		}
	}
	l.at = len(l.text)
	l.emit(kBad, start, "")
	l.fail(start, "The string is not closed.")
	return true
}

var escapes = map[byte]byte{'a': 7, 'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11, '\\': '\\', '"': '"', '\'': '\'', '?': '?'}

// escape decodes the escape sequence at the start of s and returns its length,
// or 0 if it is none.
func escape(s string, b *strings.Builder) int {
	if len(s) < 2 {
		return 0
	}
	code := func(from, n, base int) int {
		if len(s) < from+n {
			return 0
		}
		v, err := strconv.ParseUint(s[from:from+n], base, 32)
		if err != nil || !utf8.ValidRune(rune(v)) {
			return 0
		}
		b.WriteRune(rune(v))
		return from + n
	}
	switch s[1] {
	case 'u':
		return code(2, 4, 16)
	case 'U':
		return code(2, 8, 16)
	case 'x':
		return code(2, 2, 16)
	}
	octal := 0
	for octal < 3 && 1+octal < len(s) && s[1+octal] >= '0' && s[1+octal] <= '7' && (octal < 2 || s[1] <= '3') {
		octal++
	}
	if octal > 0 {
		return code(1, octal, 8)
	}
	if c, ok := escapes[s[1]]; ok {
		b.WriteByte(c)
		return 2
	}
	return 0
}

// Quote writes s as a string literal.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			b.WriteString(`\u00`)
			b.WriteString(strconv.FormatInt(int64(r)>>4, 16))
			b.WriteString(strconv.FormatInt(int64(r)&15, 16))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
