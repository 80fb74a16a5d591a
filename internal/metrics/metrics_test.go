package metrics

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var s Set
	c := s.Counter("asked_total", "Questions.", "who", "what")
	h := s.Histogram("took_seconds", "How long.", []float64{0.1, 1}, "who")
	s.Gauge("now", "Now.", []string{"who"}, func(set func(float64, ...string)) { set(1.5, "x"); set(-2, "y") })
	s.Gauge("alone", "Without labels.", nil, func(set func(float64, ...string)) { set(3) })
	c.Add("b", "yes")
	c.Add("a", "quote \" slash \\ line\nend")
	c.Add("b", "yes")
	c.Grow(2.5, "b", "yes")
	h.Observe(0.1, "a")
	h.Observe(0.5, "a")
	h.Observe(7, "a")
	var b strings.Builder
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `# HELP asked_total Questions.
# TYPE asked_total counter
asked_total{who="a",what="quote \" slash \\ line\nend"} 1
asked_total{who="b",what="yes"} 4.5
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{who="a",le="0.1"} 1
took_seconds_bucket{who="a",le="1"} 2
took_seconds_bucket{who="a",le="+Inf"} 3
took_seconds_sum{who="a"} 7.6
took_seconds_count{who="a"} 3
# HELP now Now.
# TYPE now gauge
now{who="x"} 1.5
now{who="y"} -2
# HELP alone Without labels.
# TYPE alone gauge
alone 3
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}
