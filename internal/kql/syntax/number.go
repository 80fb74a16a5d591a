package syntax

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"logkeep/internal/schema"
)

// timeUnits are the endings of timespan literals, in ticks; -1 stands for a
// nanosecond, which is a hundredth of a tick.
var timeUnits = map[string]int64{
	"d": schema.TicksPerDay, "day": schema.TicksPerDay, "days": schema.TicksPerDay,
	"h": schema.TicksPerHour, "hr": schema.TicksPerHour, "hrs": schema.TicksPerHour, "hour": schema.TicksPerHour, "hours": schema.TicksPerHour,
	"m": schema.TicksPerMinute, "min": schema.TicksPerMinute, "minute": schema.TicksPerMinute, "minutes": schema.TicksPerMinute,
	"s": schema.TicksPerSecond, "sec": schema.TicksPerSecond, "second": schema.TicksPerSecond, "seconds": schema.TicksPerSecond,
	"ms": schema.TicksPerMillisecond, "milli": schema.TicksPerMillisecond, "millis": schema.TicksPerMillisecond,
	"millisec": schema.TicksPerMillisecond, "millisecond": schema.TicksPerMillisecond, "milliseconds": schema.TicksPerMillisecond,
	"micro": schema.TicksPerMicrosecond, "micros": schema.TicksPerMicrosecond, "microsec": schema.TicksPerMicrosecond,
	"microsecond": schema.TicksPerMicrosecond, "microseconds": schema.TicksPerMicrosecond,
	"tick": 1, "ticks": 1, "nano": -1, "nanos": -1, "nanosec": -1, "nanosecond": -1, "nanoseconds": -1,
}

// parseTime reads 1.5h. It reports whether the value fits.
func parseTime(text string) (schema.Span, bool) {
	i := 0
	for i < len(text) && (isDigit(text[i]) || text[i] == '.') {
		i++
	}
	unit := timeUnits[strings.ToLower(text[i:])]
	r, ok := new(big.Rat).SetString(text[:i])
	if !ok || unit == 0 {
		return 0, false
	}
	if unit < 0 {
		r.Mul(r, big.NewRat(1, 100))
	} else {
		r.Mul(r, new(big.Rat).SetInt64(unit))
	}
	q := new(big.Int).Quo(r.Num(), r.Denom())
	return schema.Span(q.Int64()), q.IsInt64()
}

// parseInt reads a whole number, hexadecimal with 0x.
func parseInt(text string) (int64, bool) {
	neg := strings.HasPrefix(text, "-")
	rest := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	base := 10
	if len(rest) > 2 && (rest[:2] == "0x" || rest[:2] == "0X") {
		rest, base = rest[2:], 16
		u, err := strconv.ParseUint(rest, 16, 64)
		if err != nil {
			return 0, false
		}
		if neg {
			return -int64(u), true
		}
		return int64(u), true
	}
	if neg {
		rest = "-" + rest
	}
	v, err := strconv.ParseInt(rest, base, 64)
	return v, err == nil
}

// parseReal reads a number with the names of the infinities and of no number.
func parseReal(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "nan":
		return math.NaN(), true
	case "+inf", "inf", "+infinity", "infinity":
		return math.Inf(1), true
	case "-inf", "-infinity":
		return math.Inf(-1), true
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil || !math.IsNaN(v) && v != 0
}

// FormatReal writes v as the query language shows reals.
func FormatReal(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	sign := ""
	if math.Signbit(v) {
		sign, v = "-", -v
	}
	if v == 0 {
		return sign + "0.0"
	}
	text, exp := digits(v)
	n := len(text) + exp // digits before the point
	switch {
	case v >= 1e15 || v < 1e-5:
		s := sign + string(text[:1])
		if len(text) > 1 {
			s += "." + string(text[1:])
		}
		return s + "E" + exponent(n-1)
	case n <= 0:
		return sign + "0." + strings.Repeat("0", -n) + string(text)
	case exp >= 0:
		return sign + string(text) + strings.Repeat("0", exp) + ".0"
	}
	return sign + string(text[:n]) + "." + string(text[n:])
}

func exponent(n int) string {
	sign := "+"
	if n < 0 {
		sign, n = "-", -n
	}
	if n < 10 {
		return sign + "0" + strconv.Itoa(n)
	}
	return sign + strconv.Itoa(n)
}
