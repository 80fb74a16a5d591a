package machine

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// computed are the functions without a form in Go that the machine knows.
var computed = []string{"+", "-", "*", "/", "%", "neg", "abs", "isnull", "isnotnull", "isempty", "isnotempty", "strlen", "strcat", "tostring", "tolong", "todouble", "max_of", "min_of",
	"toint", "tobool", "tolower", "toupper", "reverse", "replace_string", "string_size", "around", "isnan", "isinf", "isfinite",
	"binary_and", "binary_or", "binary_xor", "binary_not", "ceiling"}

// texts are those that take strings alone here, numbers those that take no others.
var (
	texts   = []string{"strcat", "tolower", "toupper", "reverse", "replace_string", "string_size"}
	numbers = []string{"tolong", "todouble", "toint", "tobool"}
)

// computes reports whether the machine knows a call.
func computes(name string, x *plan.Call) bool {
	if !slices.Contains(computed, name) {
		return false
	}
	for _, a := range x.Args {
		switch t := a.Type(); {
		case t == schema.Decimal, t == schema.Dynamic && name != "isnull" && name != "isnotnull":
			return false
		case slices.Contains(numbers, name) && t != schema.Int && t != schema.Long && t != schema.Real && (t != schema.Bool || name == "todouble"):
			return false
		case slices.Contains(texts, name) && t != schema.String:
			return false
		}
	}
	return true
}

// compute computes such a call.
func compute(name string, t, in schema.Type, a []any) any {
	switch name {
	case "isnull":
		return a[0] == nil
	case "isnotnull":
		return a[0] != nil
	case "isempty":
		return a[0] == nil || a[0] == ""
	case "isnotempty":
		return a[0] != nil && a[0] != ""
	case "tostring":
		return text(in, a[0])
	case "strcat":
		var b strings.Builder
		for _, x := range a {
			s, _ := x.(string)
			b.WriteString(s)
		}
		return b.String()
	}
	if name == "max_of" || name == "min_of" {
		return extreme(name == "max_of", a)
	}
	if slices.Contains(a, nil) {
		return nil
	}
	switch name {
	case "tolower":
		return strings.ToLower(a[0].(string))
	case "toupper":
		return strings.ToUpper(a[0].(string))
	case "reverse":
		r := []rune(a[0].(string))
		slices.Reverse(r)
		return string(r)
	case "replace_string":
		if a[1] == "" {
			return a[0]
		}
		return strings.ReplaceAll(a[0].(string), a[1].(string), a[2].(string))
	case "string_size":
		return int64(len(a[0].(string)))
	case "isnan":
		return math.IsNaN(real(a[0]))
	case "isinf":
		return math.IsInf(real(a[0]), 0)
	case "isfinite":
		return !math.IsNaN(real(a[0])) && !math.IsInf(real(a[0]), 0)
	case "binary_and":
		return a[0].(int64) & a[1].(int64)
	case "binary_or":
		return a[0].(int64) | a[1].(int64)
	case "binary_xor":
		return a[0].(int64) ^ a[1].(int64)
	case "binary_not":
		return ^a[0].(int64)
	case "strlen":
		return int64(utf8.RuneCountInString(a[0].(string)))
	case "neg":
		if f, ok := a[0].(float64); ok {
			return -f
		}
		if a[0] == int64(math.MinInt64) {
			return nil
		}
		return -a[0].(int64)
	case "abs":
		if f, ok := a[0].(float64); ok {
			return math.Abs(f)
		}
		if x := a[0].(int64); x < 0 {
			return -x
		}
		return a[0]
	case "tolong":
		return whole(a[0], 1<<63)
	case "toint": // a long loses its upper half, a real must fit
		if n, ok := a[0].(int64); ok {
			return int64(int32(n))
		}
		return whole(a[0], 1<<31)
	case "tobool":
		if v, ok := a[0].(bool); ok {
			return v
		}
		return real(a[0]) != 0
	case "ceiling":
		if f, ok := a[0].(float64); ok {
			return math.Ceil(f)
		}
		return a[0]
	case "around":
		low, high := binary("-", in, a[1], a[2]), binary("+", in, a[1], a[2])
		return compare(">=", a[0], low) == true && compare("<=", a[0], high) == true
	case "todouble":
		return real(a[0])
	}
	return binary(name, t, a[0], a[1])
}

// text is a value as tostring writes it.
func text(t schema.Type, x any) string {
	switch v := x.(type) {
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case string:
		return v
	case float64:
		return syntax.FormatReal(v)
	case int64:
		switch t {
		case schema.DateTime:
			return syntax.DateTimeText(schema.Ticks(v))
		case schema.TimeSpan:
			return schema.Span(v).String()
		}
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// whole is a number without its fraction, null from most on.
func whole(x any, most float64) any {
	switch v := x.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case float64:
		if math.IsNaN(v) || v >= most || v < -most {
			return nil
		}
		return int64(v)
	}
	return x
}

func real(x any) float64 {
	if f, ok := x.(float64); ok {
		return f
	}
	return float64(x.(int64))
}

// binary is + - * / % of numbers and times.
func binary(op string, t schema.Type, x, y any) any {
	p, isLong := x.(int64)
	q, also := y.(int64)
	if !isLong || !also || t == schema.Real {
		f, g := real(x), real(y)
		var r float64
		switch op {
		case "+":
			r = f + g
		case "-":
			r = f - g
		case "*":
			r = f * g
		case "/":
			r = f / g
		default:
			g = math.Abs(g)
			r = math.Mod(math.Mod(f, g)+g, g)
		}
		if t == schema.Real {
			return r
		}
		if math.IsNaN(r) || math.Abs(r) >= 1<<63 {
			return nil
		}
		return int64(r)
	}
	var r int64
	switch op {
	case "+":
		r = p + q
	case "-":
		r = p - q
	case "*":
		r = p * q
	case "/":
		if q == 0 || q == -1 && p == math.MinInt64 {
			return nil
		}
		r = p / q
	default:
		if q == 0 || q == math.MinInt64 {
			return nil
		}
		q = max(q, -q)
		if r = p % q; r < 0 && t == schema.Long {
			r += q
		}
	}
	if t == schema.DateTime && (r < 0 || schema.Ticks(r) > schema.MaxTicks) {
		return nil
	}
	return r
}

// extreme leaves nulls out.
func extreme(greatest bool, a []any) (out any) {
	for _, x := range a {
		if x == nil {
			continue
		}
		op := "<"
		if greatest {
			op = ">"
		}
		if out == nil || compare(op, x, out) == true {
			out = x
		}
	}
	return out
}
