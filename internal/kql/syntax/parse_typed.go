package syntax

import (
	"math/big"
	"strings"

	"github.com/google/uuid"

	"logkeep/internal/schema"
)

// typed makes the value of a typed literal such as long(5) or guid(null).
func (p *parser) typed(t token) Expr {
	typ, _ := schema.ParseType(t.text)
	l := &Literal{Span: t.Span, Type: typ}
	raw := t.raw
	if len(raw) >= 2 && (raw[0] == '"' || raw[0] == '\'') && raw[len(raw)-1] == raw[0] {
		raw = raw[1 : len(raw)-1]
	}
	if strings.EqualFold(raw, "null") || raw == "" && typ != schema.Bool {
		return l
	}
	var ok bool
	l.Value, ok = parseTyped(typ, raw)
	if !ok {
		if n, isName := nameOnly(t); isName { // long(x) where x is a column: a conversion
			return &Call{Span: t.Span, Name: &Name{Span: Span{t.Start, t.Start + len(t.text)}, Name: "to" + typ.String()}, Args: []Expr{n}}
		}
		p.fail(t.Span, clip(raw)+" is no "+typ.String()+".")
	}
	return l
}

// nameOnly reports whether all that is between the brackets is a name.
func nameOnly(t token) (Expr, bool) {
	for i := range len(t.raw) {
		if !isWord(t.raw[i]) || i == 0 && !isLetter(t.raw[i]) {
			return nil, false
		}
	}
	return &Name{Span: Span{t.End - 1 - len(t.raw), t.End - 1}, Name: t.raw}, t.raw != ""
}

func parseTyped(typ schema.Type, raw string) (any, bool) {
	switch typ {
	case schema.Bool:
		switch strings.ToLower(raw) {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	case schema.Int, schema.Long:
		v, ok := parseInt(raw)
		return v, ok && (typ == schema.Long || v == int64(int32(v)))
	case schema.Real:
		return parseReal(raw)
	case schema.Decimal:
		return ParseDecimal(raw)
	case schema.GUID:
		g, err := uuid.Parse(raw)
		return g.String(), err == nil
	case schema.DateTime:
		return ParseDateTime(raw)
	case schema.TimeSpan:
		return ParseTimeSpan(raw)
	}
	return nil, false
}

// ParseDecimal returns the canonical text of a decimal number.
func ParseDecimal(s string) (string, bool) {
	r, ok := new(big.Rat).SetString(strings.TrimSpace(s))
	if !ok || strings.ContainsAny(s, "/xXpP_") || len(s) > 100 {
		return "", false
	}
	return FormatDecimal(r), true
}

// FormatDecimal writes r with up to 34 significant digits, without trailing zeros.
func FormatDecimal(r *big.Rat) string {
	whole := len(new(big.Int).Quo(r.Num(), r.Denom()).Text(10))
	s := r.FloatString(max(0, 34-whole))
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// ParseTimeSpan reads the forms of timespan literals: 1d, 1.5h, 01:02:03.4, 5
// (days), -1.02:00:00.
func ParseTimeSpan(s string) (schema.Span, bool) {
	s = strings.TrimSpace(s)
	neg := strings.HasPrefix(s, "-")
	rest := strings.TrimSpace(strings.TrimPrefix(s, "-"))
	if i := strings.IndexFunc(rest, func(r rune) bool { return r >= 'a' && r <= 'z' }); i > 0 {
		v, ok := parseTime(strings.TrimSpace(rest[:i]) + rest[i:])
		if neg {
			v = -v
		}
		return v, ok
	}
	v, err := schema.ParseSpan(s)
	return v, err == nil
}
