package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind uint8

const (
	kEOF   kind = iota
	kName       // identifier or keyword
	kQuote      // string literal
	kInt        // whole number
	kReal       // number with a fraction or an exponent
	kTime       // timespan literal such as 1d
	kTyped      // typed literal such as datetime(2020-01-01): word, then raw text
	kPunct      // operator or bracket
	kBad        // what can't be a token
)

// token is one word of the text.
type token struct {
	kind kind
	text string // the source text; of a typed literal its type name
	raw  string // of a typed literal what is between the brackets; of a string its value
	Span
}

// hyphenated are the keywords that hold a hyphen.
var hyphenated = [...]string{
	"project-away", "project-keep", "project-rename", "project-reorder", "project-by-names", "mv-expand", "mv-apply", "make-series",
	"make-graph", "parse-where", "parse-kv", "top-nested", "top-hitters", "sample-distinct", "graph-match", "graph-to-table",
	"graph-merge", "graph-mark-components", "graph-shortest-paths", "graph-where-nodes", "graph-where-edges", "macro-expand",
	"assert-schema",
}

// typedWords are the type names that begin a typed literal.
var typedWords = map[string]bool{
	"bool": true, "boolean": true, "date": true, "datetime": true, "decimal": true, "double": true, "real": true, "int": true,
	"long": true, "guid": true, "time": true, "timespan": true, "int32": true, "int64": true, "uniqueid": true, "uuid": true,
}

var puncts = [...]string{"<|", "..", "==", "=~", "=>", "!=", "!~", "<>", "<=", ">=", ":=",
	"|", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "=", "<", ">", "+", "-", "*", "/", "%", "@", "?", "$", "!", "~", "&", "^", "#"}

type lexer struct {
	text string
	at   int
	out  []token
	errs Diagnostics
}

// lex splits text into tokens; the last is kEOF.
func lex(text string) ([]token, Diagnostics) {
	l := &lexer{text: text}
	for l.next() {
	}
	l.out = append(l.out, token{kind: kEOF, Span: Span{len(text), len(text)}})
	return l.out, l.errs
}

func (l *lexer) emit(k kind, start int, raw string) {
	l.out = append(l.out, token{kind: k, text: l.text[start:l.at], raw: raw, Span: Span{start, l.at}})
}

func (l *lexer) fail(start int, msg string) {
	l.errs = append(l.errs, Diagnostic{Code: CodeSyntax, Message: msg, Span: Span{start, l.at}})
}

func (l *lexer) blank() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v':
			l.at++
		case strings.HasPrefix(l.text[l.at:], "//"):
			if i := strings.IndexByte(l.text[l.at:], '\n'); i >= 0 {
				l.at += i
			} else {
				l.at = len(l.text)
			}
		default:
			r, n := utf8.DecodeRuneInString(l.text[l.at:])
			if r < utf8.RuneSelf || !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) {
				return
			}
			l.at += n
		}
	}
}

func (l *lexer) next() bool {
	l.blank()
	if l.at >= len(l.text) {
		return false
	}
	start, c := l.at, l.text[l.at]
	switch {
	case isDigit(c):
		l.number(start)
	case isLetter(c):
		l.word(start)
	case c == '"' || c == '\'' || c == '@' && start+1 < len(l.text) && (l.text[start+1] == '"' || l.text[start+1] == '\''):
		l.quote(start)
	case strings.HasPrefix(l.text[start:], "```") || strings.HasPrefix(l.text[start:], "~~~"):
		l.quote(start)
	default:
		for _, p := range puncts {
			if strings.HasPrefix(l.text[start:], p) {
				l.at += len(p)
				if p == "!" {
					l.negated(start)
				} else {
					l.emit(kPunct, start, "")
				}
				return true
			}
		}
		_, n := utf8.DecodeRuneInString(l.text[start:])
		l.at += n
		l.emit(kBad, start, "")
		l.fail(start, "The character "+l.text[start:l.at]+" can't stand here.")
	}
	return true
}

// negated reads what follows an exclamation mark: !has, !in~ and the like.
func (l *lexer) negated(start int) {
	for l.at < len(l.text) && (isLetter(l.text[l.at]) || isDigit(l.text[l.at])) {
		l.at++
	}
	if l.at < len(l.text) && l.text[l.at] == '~' && l.at-start > 1 {
		l.at++
	}
	l.emit(kPunct, start, "")
}

func (l *lexer) word(start int) {
	for _, h := range hyphenated {
		if strings.HasPrefix(l.text[start:], h) && (start+len(h) == len(l.text) || !isWord(l.text[start+len(h)])) {
			l.at = start + len(h)
			l.emit(kName, start, "")
			return
		}
	}
	for l.at < len(l.text) && isWord(l.text[l.at]) {
		l.at++
	}
	w := l.text[start:l.at]
	if (w == "h" || w == "H") && l.at < len(l.text) && strings.ContainsRune("\"'@`~", rune(l.text[l.at])) {
		if l.quote(l.at) {
			last := &l.out[len(l.out)-1]
			last.Start, last.text = start, l.text[start:l.at]
		}
		return
	}
	if (w == "in" || w == "has_any_index") && l.at < len(l.text) && l.text[l.at] == '~' {
		l.at++
		l.emit(kName, start, "")
		return
	}
	if typedWords[strings.ToLower(w)] && w == strings.ToLower(w) && l.typed(start, w) {
		return
	}
	l.emit(kName, start, "")
}

// typed reads the rest of a typed literal, if it is one: datetime(2020-01-01).
func (l *lexer) typed(start int, w string) bool {
	i := l.at
	for i < len(l.text) && (l.text[i] == ' ' || l.text[i] == '\t') {
		i++
	}
	if i >= len(l.text) || l.text[i] != '(' {
		return false
	}
	end := strings.IndexByte(l.text[i:], ')')
	if end < 0 {
		return false
	}
	raw := strings.TrimSpace(l.text[i+1 : i+end])
	if strings.ContainsAny(raw, "(,=|") {
		return false
	}
	l.at = i + end + 1
	l.out = append(l.out, token{kind: kTyped, text: w, raw: raw, Span: Span{start, l.at}})
	return true
}

func (l *lexer) number(start int) {
	s := l.text
	digits := func(ok func(byte) bool) {
		for l.at < len(s) && ok(s[l.at]) {
			l.at++
		}
	}
	if s[start] == '0' && start+1 < len(s) && (s[start+1] == 'x' || s[start+1] == 'X') {
		l.at += 2
		digits(isHex)
		l.emit(kInt, start, "")
		return
	}
	k := kInt
	digits(isDigit)
	if l.at+1 < len(s) && s[l.at] == '.' && isDigit(s[l.at+1]) {
		l.at++
		digits(isDigit)
		k = kReal
	} else if l.at < len(s) && s[l.at] == '.' && !(l.at+1 < len(s) && (s[l.at+1] == '.' || isWord(s[l.at+1]))) {
		l.at++
		k = kReal
	}
	unit := l.at
	digits(func(c byte) bool { return isWord(c) })
	switch w := s[unit:l.at]; {
	case w == "":
	case timeUnits[w] != 0:
		k = kTime
	case w[0] == 'e' || w[0] == 'E':
		l.at = unit + 1
		if l.at < len(s) && (s[l.at] == '+' || s[l.at] == '-') {
			l.at++
		}
		from := l.at
		digits(isDigit)
		if k = kReal; from != l.at && (l.at == len(s) || !isWord(s[l.at])) {
			break
		}
		digits(isWord)
		fallthrough
	default:
		if k == kInt { // a name may begin with digits
			l.emit(kName, start, "")
			return
		}
		l.emit(kBad, start, "")
		l.fail(start, "The number "+l.text[start:l.at]+" can't be read.")
		return
	}
	l.emit(k, start, "")
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) }
