package native

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// RealText is tostring(real).
func RealText(a []any) (any, error) {
	v := a[0].(float64)
	switch {
	case math.IsInf(v, 1):
		return "inf", nil
	case math.IsInf(v, -1):
		return "-inf", nil
	}
	return syntax.FormatReal(v), nil
}

// RealJSON writes a real as a dynamic value.
func RealJSON(a []any) (any, error) { return syntax.JSONReal(a[0].(float64)), nil }

// TimeText is tostring(datetime).
func TimeText(a []any) (any, error) { return syntax.DateTimeText(schema.Ticks(a[0].(int64))), nil }

// SpanText is tostring(timespan).
func SpanText(a []any) (any, error) { return schema.Span(a[0].(int64)).String(), nil }

// ParseLong is tolong(string).
func ParseLong(a []any) (any, error) {
	s := strings.TrimSpace(a[0].(string))
	if rest := strings.TrimPrefix(s, "-"); strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X") {
		v, err := strconv.ParseUint(rest[2:], 16, 64)
		if err != nil {
			return nil, nil
		}
		if rest != s {
			return -int64(v), nil
		}
		return int64(v), nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, nil
	}
	return v, nil
}

// ParseInt is toint(string).
func ParseInt(a []any) (any, error) {
	v, _ := ParseLong(a)
	if n, ok := v.(int64); ok && n == int64(int32(n)) {
		return int32(n), nil
	}
	return nil, nil
}

// ParseReal is todouble(string).
func ParseReal(a []any) (any, error) {
	v, ok := parseReal(a[0].(string))
	if !ok {
		return nil, nil
	}
	return v, nil
}

func parseReal(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.ContainsAny(s, "_xXpP") {
		v, _ := ParseLong([]any{s})
		if n, ok := v.(int64); ok && strings.ContainsAny(s, "xX") {
			return float64(n), true
		}
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

// ParseBool is tobool(string).
func ParseBool(a []any) (any, error) {
	switch s := strings.ToLower(a[0].(string)); s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v != 0, nil
		}
	}
	return nil, nil
}

// ParseTime is todatetime(string).
func ParseTime(a []any) (any, error) {
	v, ok := syntax.ParseDateTime(a[0].(string))
	if !ok {
		return nil, nil
	}
	return int64(v), nil
}

// ParseSpan is totimespan(string).
func ParseSpan(a []any) (any, error) {
	v, ok := syntax.ParseTimeSpan(a[0].(string))
	if !ok {
		return nil, nil
	}
	return int64(v), nil
}

// ParseGUID is toguid(string).
func ParseGUID(a []any) (any, error) {
	s := strings.Trim(strings.TrimSpace(a[0].(string)), "{}()")
	g, err := uuid.Parse(strings.ReplaceAll(s, "-", ""))
	if err != nil {
		return nil, nil
	}
	return g.String(), nil
}

// ParseDecimal is todecimal(string).
func ParseDecimal(a []any) (any, error) {
	v, ok := syntax.ParseDecimal(a[0].(string))
	if !ok {
		return nil, nil
	}
	return v, nil
}

// RealDecimal is todecimal(real).
func RealDecimal(a []any) (any, error) {
	v := a[0].(float64)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, nil
	}
	return ParseDecimal([]any{strconv.FormatFloat(v, 'g', 15, 64)})
}

// DynamicLong is tolong(dynamic).
func DynamicLong(a []any) (any, error) {
	switch v := parse(a[0]); v.Kind {
	case Long:
		return v.Long, nil
	case Real:
		return Truncate(v.Real), nil
	case Bool:
		if v.Bool {
			return int64(1), nil
		}
		return int64(0), nil
	case String:
		return ParseLong([]any{v.Str})
	}
	return nil, nil
}

// Truncate cuts v to a whole number as the engine of the language does.
func Truncate(v float64) any {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return nil
	case v >= math.MaxInt64:
		return int64(math.MaxInt64)
	case v <= math.MinInt64:
		return int64(math.MinInt64)
	}
	return int64(v)
}

// DynamicInt is toint(dynamic).
func DynamicInt(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind == String {
		return ParseInt([]any{v.Str})
	}
	x, _ := DynamicLong(a)
	if n, ok := x.(int64); ok {
		if v.Kind == Real {
			return int32(max(min(n, math.MaxInt32), math.MinInt32)), nil
		}
		return int32(n), nil
	}
	return nil, nil
}

// DynamicReal is todouble(dynamic).
func DynamicReal(a []any) (any, error) {
	v := parse(a[0])
	if f, ok := v.number(); ok {
		return f, nil
	}
	if v.Kind == String {
		return ParseReal([]any{v.Str})
	}
	return nil, nil
}

// DynamicBool is tobool(dynamic).
func DynamicBool(a []any) (any, error) {
	v := parse(a[0])
	if f, ok := v.number(); ok {
		return f != 0, nil
	}
	if v.Kind == String {
		return ParseBool([]any{v.Str})
	}
	return nil, nil
}

// viaText converts a dynamic value by way of its text.
func viaText(f func([]any) (any, error)) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v := parse(a[0])
		if v.Kind == Null || v.Kind == Array || v.Kind == Bag {
			return nil, nil
		}
		return f([]any{v.String()})
	}
}

// DynamicTime is todatetime(dynamic); a whole number counts ticks.
func DynamicTime(a []any) (any, error) { return viaText(ParseTime)(a) }

// DynamicSpan is totimespan(dynamic).
func DynamicSpan(a []any) (any, error) {
	if v := parse(a[0]); v.Kind == Long {
		return v.Long, nil
	}
	return viaText(ParseSpan)(a)
}

// DynamicGUID is toguid(dynamic).
func DynamicGUID(a []any) (any, error) { return viaText(ParseGUID)(a) }

// DynamicDecimal is todecimal(dynamic).
func DynamicDecimal(a []any) (any, error) { return viaText(ParseDecimal)(a) }

// DecimalReal is todouble(decimal).
func DecimalReal(a []any) (any, error) {
	r, ok := new(big.Rat).SetString(a[0].(string))
	if !ok {
		return nil, nil
	}
	f, _ := r.Float64()
	return f, nil
}

// DecimalLong is tolong(decimal).
func DecimalLong(a []any) (any, error) {
	r, ok := new(big.Rat).SetString(a[0].(string))
	if !ok {
		return nil, nil
	}
	q := new(big.Int).Quo(r.Num(), r.Denom())
	if !q.IsInt64() {
		return nil, nil
	}
	return q.Int64(), nil
}

// Decimal computes x op y on decimals.
func Decimal(op string) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, ok1 := new(big.Rat).SetString(a[0].(string))
		y, ok2 := new(big.Rat).SetString(a[1].(string))
		if !ok1 || !ok2 {
			return nil, nil
		}
		z := new(big.Rat)
		switch op {
		case "+":
			z.Add(x, y)
		case "-":
			z.Sub(x, y)
		case "*":
			z.Mul(x, y)
		case "/", "%":
			if y.Sign() == 0 {
				return nil, nil
			}
			z.Quo(x, y)
			if op == "%" {
				q := new(big.Int).Quo(z.Num(), z.Denom())
				z.Sub(x, z.Mul(y, new(big.Rat).SetInt(q)))
			}
		}
		return syntax.FormatDecimal(z), nil
	}
}

// DecimalSum is the sum or the mean of the decimals of a list [1,2.5]. The mean
// of none is null.
func DecimalSum(mean bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		list := strings.Trim(a[0].(string), "[]")
		if list == "" && mean {
			return nil, nil
		}
		sum, n := new(big.Rat), int64(0)
		for text := range strings.SplitSeq(list, ",") {
			if x, ok := new(big.Rat).SetString(text); ok {
				sum.Add(sum, x)
				n++
			}
		}
		if mean {
			sum.Quo(sum, new(big.Rat).SetInt64(max(n, 1)))
		}
		return syntax.FormatDecimal(sum), nil
	}
}

// BinDecimal is bin on decimals.
func BinDecimal(a []any) (any, error) {
	x, ok1 := new(big.Rat).SetString(a[0].(string))
	y, ok2 := new(big.Rat).SetString(a[1].(string))
	if !ok1 || !ok2 || y.Sign() <= 0 {
		return nil, nil
	}
	q := new(big.Rat).Quo(x, y)
	n, rest := new(big.Int).QuoRem(q.Num(), q.Denom(), new(big.Int))
	if rest.Sign() < 0 {
		n.Sub(n, big.NewInt(1))
	}
	return syntax.FormatDecimal(y.Mul(y, new(big.Rat).SetInt(n))), nil
}

// DecimalCompare is -1, 0 or 1.
func DecimalCompare(a []any) (any, error) {
	x, ok1 := new(big.Rat).SetString(a[0].(string))
	y, ok2 := new(big.Rat).SetString(a[1].(string))
	if !ok1 || !ok2 {
		return nil, nil
	}
	return int64(x.Cmp(y)), nil
}

// GetType is gettype(dynamic).
func GetType(a []any) (any, error) {
	return [...]string{"null", "bool", "long", "double", "string", "array", "dictionary"}[parse(a[0]).Kind], nil
}

// Arithmetic computes x op y on dynamic values.
func Arithmetic(op string) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, y := parse(a[0]), parse(a[1])
		p, ok1 := x.number()
		q, ok2 := y.number()
		if !ok1 || !ok2 {
			return nil, nil
		}
		if x.Kind == Long && y.Kind == Long {
			m, n := x.Long, y.Long
			switch {
			case op == "+":
				return long(m + n).out()
			case op == "-":
				return long(m - n).out()
			case op == "*":
				return long(m * n).out()
			case n == 0 || m == math.MinInt64 && n == -1:
				return nil, nil
			case op == "/":
				return long(m / n).out()
			}
			return long(m % n).out()
		}
		switch op {
		case "+":
			p += q
		case "-":
			p -= q
		case "*":
			p *= q
		case "/":
			p /= q
		case "%":
			p = math.Mod(p, q)
		}
		return real(p).out()
	}
}

// WrapLong computes x op y on longs, cutting what does not fit as the engine
// of the language does. It is called where the database reports an overflow.
func WrapLong(op string) func([]any) (any, error) {
	return func(a []any) (any, error) {
		m, n := a[0].(int64), a[1].(int64)
		switch op {
		case "+":
			return m + n, nil
		case "-":
			return m - n, nil
		}
		return m * n, nil
	}
}

// DecimalInt is toint(decimal).
func DecimalInt(a []any) (any, error) {
	v, _ := DecimalLong(a)
	if n, ok := v.(int64); ok && n == int64(int32(n)) {
		return int32(n), nil
	}
	return nil, nil
}

// TimeJSON writes a datetime as a dynamic value.
func TimeJSON(a []any) (any, error) {
	return syntax.JSONQuote(syntax.DateTimeText(schema.Ticks(a[0].(int64)))), nil
}

// SpanJSON writes a timespan as a dynamic value.
func SpanJSON(a []any) (any, error) { return syntax.JSONQuote(schema.Span(a[0].(int64)).String()), nil }
