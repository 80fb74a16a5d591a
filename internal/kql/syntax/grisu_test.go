package syntax

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// What is written reads back, and is never longer than seventeen digits.
func TestRealsReadBack(t *testing.T) {
	for text, v := range map[string]float64{
		"0.30000000000000007": 0.1 + 0.2, "40.764323000000008": 40.764323000000005, "50.25000000000001": 50.25000000000001,
		"0.3333333333333333": 1.0 / 3, "5E-324": 5e-324, "1.7976931348623157E+308": math.MaxFloat64, "0.1": 0.1, "100.0": 100, "1E+15": 1e15, "-2.5": -2.5,
	} {
		if text == "0.30000000000000007" {
			x := 0.1 // computed as a query does, not as a constant
			v = x + 0.2
		}
		if got := FormatReal(v); got != text {
			t.Errorf("%v is written %s, want %s", v, got, text)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		v := math.Float64frombits(r.Uint64() &^ (1 << 63))
		if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 {
			continue
		}
		text, exp := digits(v)
		back, err := strconv.ParseFloat(string(text)+"e"+strconv.Itoa(exp), 64)
		if err != nil || back != v || len(text) > 17 {
			t.Fatalf("%v is written %se%d", v, text, exp)
		}
	}
}
