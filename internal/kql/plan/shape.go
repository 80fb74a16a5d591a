package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/schema"
)

// A shape is what the texts of a type's values can look like, in lower case.
type shape struct {
	letters string         // beside digits, what is in them
	term    *regexp.Regexp // what one whole term of them looks like
}

var (
	digits = regexp.MustCompile(`^\d+$`)
	shapes = map[schema.Type]shape{
		schema.Int:      {"-", digits},
		schema.Long:     {"-", digits},
		schema.TimeSpan: {"-.:", digits},
		schema.DateTime: {"-.:tz", regexp.MustCompile(`^(\d{4}|\d\d|\d\dt\d\d|\d{7}z)$`)}, // 2026-01-02T03:04:05.0000000Z
		schema.GUID:     {"-abcdef", regexp.MustCompile(`^[0-9a-f]{4,12}$`)},
		schema.Bool:     {"truefals", regexp.MustCompile(`^(true|false)$`)},
	}
)

// has reports whether text of the shape may be found to match s.
func (p shape) has(s string, op MatchOp) bool {
	low := strings.ToLower(s)
	for _, c := range low {
		if (c < '0' || c > '9') && !strings.ContainsRune(p.letters, c) {
			return false
		}
	}
	return !slices.ContainsFunc(wholeTerms(low, op), func(t string) bool { return !p.term.MatchString(t) })
}

// simplify drops what no text of a value that is no text can match: search looks
// for words in all columns, and few words can be in a number or a time. What is
// left of a number is compared as such.
func (e *Match) simplify() Expr {
	call, ok := e.X.(*Call)
	if !ok || e.Op == Regex || len(call.Args) != 1 || call.F.Names[0] != "tostring" {
		return e
	}
	of := call.Args[0]
	p, ok := shapes[of.Type()]
	if !ok {
		return e
	}
	var left []Expr
	for _, y := range e.Y {
		if s, isText := constant(y); isText && y.Type() == schema.String && !p.has(s.(string), e.Op) {
			continue
		}
		left = append(left, y)
	}
	if len(left) == 0 {
		return truth(false)
	}
	if n, ok := wholeNumber(left); ok && e.Op == Has && (of.Type() == schema.Int || of.Type() == schema.Long) {
		return &Logic{Op: "or", X: &Compare{Op: "==", X: of, Y: numeral(of.Type(), n)}, Y: &Compare{Op: "==", X: of, Y: numeral(of.Type(), -n)}}
	}
	return &Match{Op: e.Op, X: e.X, Y: left, Fold: e.Fold}
}

// wholeNumber is the number, not negative, of which a single constant is the text.
func wholeNumber(of []Expr) (n int64, ok bool) {
	if len(of) != 1 {
		return 0, false
	}
	v, _ := constant(of[0])
	s, _ := v.(string)
	n, err := strconv.ParseInt(s, 10, 32) // fits both types
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

func numeral(t schema.Type, n int64) Expr { return &Const{T: t, Value: n} }
