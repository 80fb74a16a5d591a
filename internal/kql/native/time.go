package native

import (
	"math"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones must not depend on the machine

	"logkeep/internal/schema"
)

const ticksDay = int64(schema.TicksPerDay)

func tickTime(a any) time.Time { return schema.Ticks(a.(int64)).Time() }

// ticks gives t back to the engine, or nil if it is beyond the years 1 to 9999.
func ticks(t time.Time) (any, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return nil, nil
	}
	return int64(schema.TicksOf(t)), nil
}

// DayOfWeek is dayofweek.
func DayOfWeek(a []any) (any, error) { return (a[0].(int64)/ticksDay + 1) % 7 * ticksDay, nil }

// DatePart picks one part; a name that ends in 32 gives an int.
func DatePart(name string) func([]any) (any, error) {
	part, small := strings.CutSuffix(name, "32")
	return func(a []any) (any, error) {
		v, ok := datePart(part, a[0].(int64))
		if !ok {
			return nil, nil
		}
		if small {
			return int32(v), nil
		}
		return v, nil
	}
}

func datePart(part string, at int64) (int64, bool) {
	t := schema.Ticks(at).Time()
	switch part {
	case "year":
		return int64(t.Year()), true
	case "quarter":
		return int64(t.Month()-1)/3 + 1, true
	case "month":
		return int64(t.Month()), true
	case "week_of_year", "weekofyear", "week":
		_, w := t.ISOWeek()
		return int64(w), true
	case "day":
		return int64(t.Day()), true
	case "dayofyear":
		return int64(t.YearDay()), true
	case "hour":
		return int64(t.Hour()), true
	case "minute":
		return int64(t.Minute()), true
	case "second":
		return int64(t.Second()), true
	case "millisecond":
		return at / 10_000 % 1000, true
	case "microsecond":
		return at / 10 % 1_000_000, true
	case "nanosecond":
		return at % 10_000_000 * 100, true
	}
	return 0, false
}

// DateTimePart is datetime_part(part, datetime).
func DateTimePart(a []any) (any, error) {
	v, ok := datePart(strings.ToLower(a[0].(string)), a[1].(int64))
	if !ok {
		return nil, nil
	}
	return v, nil
}

// periods are the fixed periods in ticks.
var periods = map[string]int64{
	"week": 7 * ticksDay, "day": ticksDay, "hour": schema.TicksPerHour, "minute": schema.TicksPerMinute, "second": schema.TicksPerSecond,
	"millisecond": schema.TicksPerMillisecond, "microsecond": schema.TicksPerMicrosecond,
}

func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(d, last)-1)
}

// DateTimeAdd is datetime_add(period, amount, datetime).
func DateTimeAdd(a []any) (any, error) {
	n, at := a[1].(int64), a[2].(int64)
	switch p := strings.ToLower(a[0].(string)); p {
	case "year", "quarter", "month":
		k := map[string]int64{"year": 12, "quarter": 3, "month": 1}[p]
		if n > 120_000 || n < -120_000 {
			return nil, nil
		}
		return ticks(addMonths(schema.Ticks(at).Time(), int(n*k)))
	case "nanosecond":
		return valid(at + n/100)
	default:
		if size, ok := periods[p]; ok {
			if most := int64(schema.MaxTicks) / size; n > most || n < -most {
				return nil, nil
			}
			return valid(at + n*size)
		}
	}
	return nil, nil
}

func valid(t int64) (any, error) {
	if t < 0 || t > int64(schema.MaxTicks) {
		return nil, nil
	}
	return t, nil
}

// DateTimeDiff is datetime_diff(period, to, from).
func DateTimeDiff(a []any) (any, error) {
	x, y := a[1].(int64), a[2].(int64)
	s, t := tickTime(x), tickTime(y)
	switch p := strings.ToLower(a[0].(string)); p {
	case "year":
		return int64(s.Year() - t.Year()), nil
	case "quarter":
		return int64((s.Year()*12+int(s.Month())-1)/3 - (t.Year()*12+int(t.Month())-1)/3), nil
	case "month":
		return int64(s.Year()*12 + int(s.Month()) - t.Year()*12 - int(t.Month())), nil
	case "week":
		return (x+ticksDay)/(7*ticksDay) - (y+ticksDay)/(7*ticksDay), nil
	case "nanosecond":
		return (x - y) * 100, nil
	default:
		if size, ok := periods[p]; ok {
			return x/size - y/size, nil
		}
	}
	return nil, nil
}

// MakeDateTime is make_datetime(year, month, day, hour, minute, second).
func MakeDateTime(a []any) (any, error) {
	y, m, d, h, mi := a[0].(int64), a[1].(int64), a[2].(int64), optional(a, 3, 0), optional(a, 4, 0)
	sec, _ := a[5].(float64)
	if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec >= 60 {
		return nil, nil
	}
	t := time.Date(int(y), time.Month(m), int(d), int(h), int(mi), 0, 0, time.UTC)
	if t.Day() != int(d) {
		return nil, nil
	}
	return int64(schema.TicksOf(t)) + int64(math.Round(sec*1e7)), nil
}

// MakeTimespan is make_timespan(days?, hours, minutes, seconds?).
func MakeTimespan(a []any) (any, error) {
	var d, h, m int64
	var s float64
	switch len(a) {
	case 2:
		h, m = a[0].(int64), a[1].(int64)
	case 3:
		h, m, s = a[0].(int64), a[1].(int64), a[2].(float64)
	default:
		d, h, m, s = a[0].(int64), a[1].(int64), a[2].(int64), a[3].(float64)
	}
	if h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s >= 60 {
		return nil, nil
	}
	return d*ticksDay + h*schema.TicksPerHour + m*schema.TicksPerMinute + int64(math.Round(s*1e7)), nil
}

// UnixTime is unixtime_…_todatetime; unit is in ticks.
func UnixTime(unit float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v := a[0].(float64) * unit
		if math.IsNaN(v) || math.Abs(v) > 4e18 {
			return nil, nil
		}
		return valid(621355968000000000 + int64(math.Round(v)))
	}
}

// StartOf is startofday and its like.
func StartOf(period string) func([]any) (any, error) {
	return func(a []any) (any, error) { return startOf(period, a[0].(int64), optional(a, 1, 0)) }
}

func startOf(period string, at, offset int64) (any, error) {
	t := schema.Ticks(at).Time()
	y, m, _ := t.Date()
	if offset > 4_000_000 || offset < -4_000_000 {
		return nil, nil
	}
	switch period {
	case "day":
		return valid(at - at%ticksDay + offset*ticksDay)
	case "week":
		return valid(at - at%ticksDay - (at/ticksDay+1)%7*ticksDay + offset*7*ticksDay)
	case "month":
		return ticks(time.Date(y, m+time.Month(offset), 1, 0, 0, 0, 0, time.UTC))
	}
	return ticks(time.Date(y+int(offset), 1, 1, 0, 0, 0, 0, time.UTC))
}

// EndOf is endofday and its like.
func EndOf(period string) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v, err := startOf(period, a[0].(int64), optional(a, 1, 0)+1)
		if n, ok := v.(int64); ok && n > 0 {
			return n - 1, err
		}
		if here, _ := startOf(period, a[0].(int64), optional(a, 1, 0)); here != nil {
			return int64(schema.MaxTicks), err // the period is the last one
		}
		return nil, err
	}
}

// Bin is bin on ticks and longs; bins of no size or less are null.
func Bin(a []any) (any, error) {
	x, n := a[0].(int64), a[1].(int64)
	if n <= 0 {
		return nil, nil
	}
	return x - ((x%n)+n)%n, nil
}

// Bins is Bin for many rows. Rows of logs that follow one another mostly fall into
// the same bin, so that few of them need a division.
func Bins(x, size, out []int64, null func(row int)) {
	var n, from, to int64 // the last row's size, and its bin: values from from until before to
	for i, v := range x {
		if s := size[i]; s != n || v < from || v >= to {
			n, from, to = s, v, v
			if s <= 0 {
				null(i)
				continue
			}
			from = v - ((v%s)+s)%s
			if to = from + s; to < from { // at the end of what there is
				to = from
			}
		}
		out[i] = from
	}
}

// BinReal is bin on reals.
func BinReal(a []any) (any, error) {
	if a[1].(float64) < 0 {
		return nil, nil
	}
	return math.Floor(a[0].(float64)/a[1].(float64)) * a[1].(float64), nil
}

// BinAt is bin_at on ticks and longs.
func BinAt(a []any) (any, error) {
	at := a[2].(int64)
	v, err := Bin([]any{a[0].(int64) - at, a[1]})
	if n, ok := v.(int64); ok {
		return n + at, err
	}
	return nil, err
}

// BinTimeAt is bin_at on times: one before all times is none.
func BinTimeAt(a []any) (any, error) {
	v, err := BinAt(a)
	if n, ok := v.(int64); ok && (n < 0 || n > int64(schema.MaxTicks)) {
		return nil, err
	}
	return v, err
}

// BinAtReal is bin_at on reals.
func BinAtReal(a []any) (any, error) {
	at := a[2].(float64)
	if a[1].(float64) < 0 {
		return nil, nil
	}
	return math.Floor((a[0].(float64)-at)/a[1].(float64))*a[1].(float64) + at, nil
}

// run counts how often s begins with its first byte.
func run(s string) int {
	n := 1
	for n < len(s) && s[n] == s[0] {
		n++
	}
	return n
}

func pad(v int64, n int) string {
	s := strconv.FormatInt(v, 10)
	return strings.Repeat("0", max(0, n-len(s))) + s
}

// FormatDateTime is format_datetime(datetime, format).
func FormatDateTime(a []any) (any, error) {
	at := a[0].(int64)
	t := schema.Ticks(at).Time()
	return format(a[1].(string), func(c byte, n int) (string, bool) {
		if c == 'd' || c == 'M' || c == 'H' || c == 'h' || c == 'm' || c == 's' {
			if n > 2 { // the engine of the language knows no longer ones
				return "", false
			}
		}
		switch c {
		case 'y':
			if n <= 2 {
				return pad(int64(t.Year()%100), n), true
			}
			return pad(int64(t.Year()), n), true
		case 'M':
			return pad(int64(t.Month()), n), true
		case 'd':
			return pad(int64(t.Day()), n), true
		case 'H':
			return pad(int64(t.Hour()), n), true
		case 'h':
			h := t.Hour() % 12
			if h == 0 {
				h = 12
			}
			return pad(int64(h), n), true
		case 'm':
			return pad(int64(t.Minute()), n), true
		case 's':
			return pad(int64(t.Second()), n), true
		case 't':
			return t.Format("PM")[:min(n, 2)], true
		}
		return fraction(c, n, at%schema.TicksPerSecond)
	}), nil
}

// fraction writes f… and F… of a second's ticks.
func fraction(c byte, n int, ticks int64) (string, bool) {
	if c != 'f' && c != 'F' || n > 7 {
		return "", false
	}
	s := pad(ticks, 7)[:n]
	if c == 'F' {
		s = strings.TrimRight(s, "0")
	}
	return s, true
}

func format(f string, part func(c byte, n int) (string, bool)) string {
	var b strings.Builder
	for i := 0; i < len(f); {
		n := run(f[i:])
		if s, ok := part(f[i], n); ok {
			b.WriteString(s)
			i += n
			continue
		}
		if s, ok := part(f[i], min(n, 2)); ok { // a longer run is several
			b.WriteString(s)
			i += min(n, 2)
			continue
		}
		b.WriteByte(f[i])
		i++
	}
	return b.String()
}

// FormatTimespan is format_timespan(timespan, format).
func FormatTimespan(a []any) (any, error) {
	v := a[0].(int64)
	sign := ""
	if v < 0 {
		sign = "-"
		v = -v
	}
	return sign + format(a[1].(string), func(c byte, n int) (string, bool) {
		switch c {
		case 'd':
			return pad(v/ticksDay, n), true
		case 'H', 'h':
			return pad(v/schema.TicksPerHour%24, n), true
		case 'm':
			return pad(v/schema.TicksPerMinute%60, n), true
		case 's':
			return pad(v/schema.TicksPerSecond%60, n), true
		}
		return fraction(c, n, v%schema.TicksPerSecond)
	}), nil
}

// ToLocal is datetime_utc_to_local.
func ToLocal(a []any) (any, error) {
	loc, err := time.LoadLocation(a[1].(string))
	if err != nil || a[1] == "" {
		return nil, nil
	}
	_, off := tickTime(a[0]).In(loc).Zone()
	return valid(a[0].(int64) + int64(off)*schema.TicksPerSecond)
}

// ToUTC is datetime_local_to_utc.
func ToUTC(a []any) (any, error) {
	loc, err := time.LoadLocation(a[1].(string))
	if err != nil || a[1] == "" {
		return nil, nil
	}
	t := tickTime(a[0])
	l := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
	if l.Hour() != t.Hour() || l.Minute() != t.Minute() { // the clock never shows it: it has been put forward
		_, offset := l.Add(24 * time.Hour).Zone()
		l = t.Add(-time.Duration(offset) * time.Second)
	}
	return ticks(l)
}
