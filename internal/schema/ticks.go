package schema

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Ticks counts 100 ns since 0001-01-01T00:00:00Z. Years 1 to 9999 are valid.
type Ticks int64

// Span is a length of time in 100 ns.
type Span int64

// Units of ticks. These numbers are on disk and on the wire.
const (
	TicksPerMicrosecond = 10
	TicksPerMillisecond = 10_000
	TicksPerSecond      = 10_000_000
	TicksPerMinute      = 60 * TicksPerSecond
	TicksPerHour        = 60 * TicksPerMinute
	TicksPerDay         = 24 * TicksPerHour

	MinTicks  Ticks = 0
	MaxTicks  Ticks = 3155378975999999999 // 9999-12-31T23:59:59.9999999Z
	unixTicks       = 621355968000000000  // 1970-01-01T00:00:00Z
)

// ErrTime reports a time outside the years 1 to 9999.
var ErrTime = errors.New("time is outside the years 1 to 9999")

// TicksOf converts t, cutting below 100 ns. Times outside years 1 to 9999 are clamped.
func TicksOf(t time.Time) Ticks {
	sec := t.Unix()
	if sec < -62135596800 {
		return MinTicks
	}
	if sec > 253402300799 {
		return MaxTicks
	}
	return Ticks(unixTicks + sec*TicksPerSecond + int64(t.Nanosecond())/100)
}

// Time converts ticks to UTC.
func (t Ticks) Time() time.Time {
	u := int64(t) - unixTicks
	sec, rest := u/TicksPerSecond, u%TicksPerSecond
	if rest < 0 {
		sec, rest = sec-1, rest+TicksPerSecond
	}
	return time.Unix(sec, rest*100).UTC()
}

// String formats t as the query API does: seven digits or fewer of a second's
// fraction, trailing zeros cut, always Z.
func (t Ticks) String() string { return string(t.Append(nil)) }

// Append appends what String returns.
func (t Ticks) Append(b []byte) []byte {
	if t < 0 || t > MaxTicks {
		return t.Time().AppendFormat(b, "2006-01-02T15:04:05.9999999Z")
	}
	days, rest := uint64(t/TicksPerDay), uint64(t%TicksPerDay)
	// Years that begin in March, since one that begins in the year 0; 400 of them have
	// 146,097 days, and a leap day is the last of its year.
	days += 306
	era, day := days/146_097, days%146_097
	year := (day - day/1460 + day/36_524 - day/146_096) / 365
	day -= 365*year + year/4 - year/100
	month := (5*day + 2) / 153
	day -= (153*month + 2) / 5
	if year += 400 * era; month < 10 {
		month += 3
	} else {
		month, year = month-9, year+1
	}
	b = put2(put2(b, year/100), year%100)
	b = put2(append(b, '-'), month)
	b = put2(append(b, '-'), day+1)
	b = put2(append(b, 'T'), rest/TicksPerHour)
	b = put2(append(b, ':'), rest/TicksPerMinute%60)
	b = put2(append(b, ':'), rest/TicksPerSecond%60)
	if f := rest % TicksPerSecond; f > 0 {
		b = put2(put2(put2(append(b, '.'), f/100_000), f/1000%100), f/10%100)
		if b = append(b, '0'+byte(f%10)); f%10 == 0 {
			b = bytes.TrimRight(b, "0")
		}
	}
	return append(b, 'Z')
}

// put2 appends two digits.
func put2(b []byte, v uint64) []byte { return append(b, '0'+byte(v/10), '0'+byte(v%10)) }

// String formats s as [-][d.]hh:mm:ss[.fffffff].
func (s Span) String() string {
	var b strings.Builder
	u := uint64(s)
	if s < 0 {
		b.WriteByte('-')
		u = -u
	}
	if d := u / TicksPerDay; d > 0 {
		fmt.Fprintf(&b, "%d.", d)
	}
	fmt.Fprintf(&b, "%02d:%02d:%02d", u/TicksPerHour%24, u/TicksPerMinute%60, u/TicksPerSecond%60)
	if f := u % TicksPerSecond; f > 0 {
		fmt.Fprintf(&b, ".%07d", f)
	}
	return b.String()
}

// ParseTicks reads an RFC 3339 / ISO 8601 time: date alone, date and time with
// T or blank, any digits of fraction, with zone or without (then UTC).
func ParseTicks(s string) (Ticks, error) {
	if t, ok := parseCommon(s); ok {
		return t, nil
	}
	for _, layout := range [...]string{
		"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
		"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.UTC().Year(); y < 1 || y > 9999 {
				return 0, ErrTime
			}
			return TicksOf(t), nil
		}
	}
	return 0, fmt.Errorf("%q is not an ISO 8601 time such as 2026-01-02T03:04:05Z", s)
}

// parseCommon is ParseTicks for yyyy-mm-ddThh:mm:ss[.f…]Z, the form that
// nearly every log row has; it allocates nothing.
func parseCommon(s string) (Ticks, bool) {
	n := len(s)
	if n < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[n-1] != 'Z' {
		return 0, false
	}
	y, mo, d := two(s[0], s[1])*100+two(s[2], s[3]), two(s[5], s[6]), two(s[8], s[9])
	h, mi, se := two(s[11], s[12]), two(s[14], s[15]), two(s[17], s[18])
	if (y|mo|d|h|mi|se) < 0 || y < 1 || mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || se > 59 {
		return 0, false
	}
	var frac int64
	if n > 20 {
		if s[19] != '.' || n == 21 {
			return 0, false
		}
		digits := s[20 : n-1]
		for i := range len(digits) {
			c := digits[i] - '0'
			if c > 9 {
				return 0, false
			}
			if i < len(scales)-1 {
				frac = frac*10 + int64(c)
			}
		}
		frac *= scales[min(len(digits), len(scales)-1)]
	}
	return Ticks(daysBefore(y, mo, d)*TicksPerDay + int64(h)*TicksPerHour + int64(mi)*TicksPerMinute + int64(se)*TicksPerSecond + frac), true
}

// scales make ticks of so many digits of a fraction.
var scales = [...]int64{1e7, 1e6, 1e5, 1e4, 1000, 100, 10, 1}

// two is a number of two digits, or far below 0.
func two(a, b byte) int {
	a, b = a-'0', b-'0'
	if a > 9 || b > 9 {
		return -1 << 16
	}
	return int(a)*10 + int(b)
}

func leap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysIn(y, m int) int {
	if m == 2 && leap(y) {
		return 29
	}
	return [...]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m]
}

// daysBefore counts the days from 0001-01-01 to the given date.
func daysBefore(y, m, d int) int64 {
	p := y - 1
	n := p*365 + p/4 - p/100 + p/400 + [...]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}[m] + d - 1
	if m > 2 && leap(y) {
		n++
	}
	return int64(n)
}

// ParseSpan reads [-][d.]hh:mm[:ss[.fffffff]] or a number of days.
func ParseSpan(s string) (Span, error) {
	bad := fmt.Errorf("%q is not a timespan such as 1.02:03:04.5", s)
	rest, neg := strings.CutPrefix(s, "-")
	days, clock, dotted := strings.Cut(rest, ".")
	if i := strings.IndexByte(rest, ':'); i < 0 && !dotted {
		d, err := strconv.ParseInt(rest, 10, 64)
		if err != nil || d > math.MaxInt64/TicksPerDay || d < 0 {
			return 0, bad
		}
		return signed(uint64(d)*TicksPerDay, neg, bad)
	} else if i >= 0 && (!dotted || i < len(days)) {
		days, clock = "0", rest
	}
	d, err := strconv.ParseUint(days, 10, 32)
	parts := strings.Split(clock, ":")
	if err != nil || len(parts) < 2 || len(parts) > 3 {
		return 0, bad
	}
	h, err1 := strconv.ParseUint(parts[0], 10, 8)
	m, err2 := strconv.ParseUint(parts[1], 10, 8)
	if err1 != nil || err2 != nil || h > 23 || m > 59 {
		return 0, bad
	}
	var sec, frac uint64
	if len(parts) == 3 {
		whole, f, dot := strings.Cut(parts[2], ".")
		if sec, err = strconv.ParseUint(whole, 10, 8); err != nil || sec > 59 || len(f) > 7 || (dot && f == "") {
			return 0, bad
		}
		if dot {
			if frac, err = strconv.ParseUint((f + "0000000")[:7], 10, 32); err != nil {
				return 0, bad
			}
		}
	}
	if d > math.MaxInt64/TicksPerDay {
		return 0, bad
	}
	return signed(d*TicksPerDay+h*TicksPerHour+m*TicksPerMinute+sec*TicksPerSecond+frac, neg, bad)
}

func signed(u uint64, neg bool, bad error) (Span, error) {
	switch {
	case neg && u <= 1<<63:
		return Span(-u), nil
	case !neg && u <= math.MaxInt64:
		return Span(u), nil
	}
	return 0, bad
}
