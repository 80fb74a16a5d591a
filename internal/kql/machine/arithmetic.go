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
var computed = []string{"+", "-", "*", "/", "%", "neg", "abs", "isnull", "isnotnull", "isempty", "isnotempty", "strlen", "strcat", "tostring", "tolong", "todouble", "max_of", "min_of"}

// computes reports whether the machine knows a call.
func computes(name string, x *plan.Call) bool {
	if !slices.Contains(computed, name) {
		return false
	}
	for _, a := range x.Args {
		switch t := a.Type(); {
		case t == schema.Decimal, t == schema.Dynamic && name != "isnull" && name != "isnotnull":
			return false
		case (name == "tolong" || name == "todouble") && t != schema.Int && t != schema.Long && t != schema.Real:
			return false
		case name == "strcat" && t != schema.String:
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
		if f, ok := a[0].(float64); ok {
			if math.IsNaN(f) || math.Abs(f) >= 1<<63 {
				return nil
			}
			return int64(f)
		}
		return a[0]
	case "todouble":
		return real(a[0])
	}
	return binary(name, t, a[0], a[1])
}

// text is a value as tostring writes it.
func text(t schema.Type, x any) string {
	switch v := x.(type) {
	case bool:
		return strconv.FormatBool(v)
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
