package schema

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTicksRoundTrip(t *testing.T) {
	for _, s := range []string{
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "1970-01-01T00:00:00Z",
		"2024-02-29T12:34:56.7Z", "1969-12-31T23:59:59.9999999Z", "2000-03-01T00:00:00Z", "1900-03-01T00:00:00Z",
	} {
		v, err := ParseTicks(s)
		if err != nil || v.String() != s {
			t.Errorf("%s: %v %v", s, v, err)
		}
		if TicksOf(v.Time()) != v {
			t.Errorf("%s: Time and TicksOf disagree", s)
		}
	}
}

func TestFastAndSlowTimeParsersAgree(t *testing.T) {
	base := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := 0; d < 3652058; d += 997 {
		at := base.AddDate(0, 0, d).Add(time.Duration(d) * 1234567)
		s := at.Format("2006-01-02T15:04:05.999999999Z")
		v, err := ParseTicks(s)
		if err != nil || v != TicksOf(at) {
			t.Fatalf("%s: %d, want %d (%v)", s, v, TicksOf(at), err)
		}
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, s := range []string{"", "x", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.Z", "10000-01-01T00:00:00Z"} {
		if v, err := ParseTicks(s); err == nil {
			t.Errorf("%q was read as %v", s, v)
		}
	}
}

func TestSpans(t *testing.T) {
	for _, s := range []string{"00:00:00", "1.02:03:04.5000000", "-00:00:01", "10675199.02:48:05.4775807", "-10675199.02:48:05.4775808"} {
		v, err := ParseSpan(s)
		if err != nil || v.String() != s {
			t.Errorf("%s: %v %v", s, v, err)
		}
	}
	if v, err := ParseSpan("3"); err != nil || v != 3*TicksPerDay {
		t.Errorf("3: %v %v", v, err)
	}
	for _, s := range []string{"", "-", "1:60", "24:00", "1.2.3", "00:00:00.", "10675199.02:48:05.4775808"} {
		if v, err := ParseSpan(s); err == nil {
			t.Errorf("%q was read as %v", s, v)
		}
	}
}

// Times are written as the standard library writes them: of every month and leap day,
// at the ends of years, with any fraction.
func TestTimesAreWrittenAsByTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(57, 1))
	check := func(at Ticks) {
		if got, want := at.String(), at.Time().Format("2006-01-02T15:04:05.9999999Z"); got != want {
			t.Fatalf("%d is %s and not %s", at, got, want)
		}
	}
	for day := Ticks(0); day*TicksPerDay < MaxTicks; day += 1 + Ticks(r.IntN(4)) {
		rest := Ticks(r.Int64N(TicksPerDay))
		for range r.IntN(8) {
			rest -= rest % Ticks(math.Pow10(1+r.IntN(8)))
		}
		check(day*TicksPerDay + rest)
	}
	for year := 1; year < 10_000; year++ {
		for _, day := range [][2]int{{1, 1}, {2, 28}, {2, 29}, {3, 1}, {12, 31}} {
			check(TicksOf(time.Date(year, time.Month(day[0]), day[1], 23, 59, 59, 999_999_900, time.UTC)))
		}
	}
	for _, at := range []Ticks{MinTicks, 0, 1, MaxTicks - 1, MaxTicks, -1, math.MaxInt64, math.MinInt64} {
		check(at)
	}
}
