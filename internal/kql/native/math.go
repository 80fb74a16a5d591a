package native

import (
	"math"
	"strconv"
	"strings"

	"logkeep/internal/kql/libm"
)

// RealFunctions are the functions of one real by name.
func RealFunctions() map[string]func([]any) (any, error) {
	wrap := func(f func(float64) float64) func([]any) (any, error) {
		return func(a []any) (any, error) { return f(a[0].(float64)), nil }
	}
	null := func(f func(float64) float64) func([]any) (any, error) { // null where there is no value
		return func(a []any) (any, error) {
			if v := f(a[0].(float64)); !math.IsNaN(v) || math.IsNaN(a[0].(float64)) {
				return v, nil
			}
			return nil, nil
		}
	}
	return map[string]func([]any) (any, error){
		"sqrt": wrap(math.Sqrt), "exp": wrap(libm.Exp), "exp2": wrap(libm.Exp2), "exp10": wrap(func(x float64) float64 { return libm.Pow(10, x) }),
		"log": null(libm.Log), "log10": null(libm.Log10), "log2": null(libm.Log2), "sin": wrap(libm.Sin), "cos": wrap(libm.Cos), "tan": wrap(libm.Tan),
		"asin": wrap(libm.Asin), "acos": wrap(libm.Acos), "atan": wrap(libm.Atan), "cot": wrap(func(x float64) float64 { return 1 / libm.Tan(x) }),
		"degrees": wrap(func(x float64) float64 { return x * 180 / math.Pi }), "radians": wrap(func(x float64) float64 { return x * math.Pi / 180 }),
		"gamma": wrap(libm.Gamma), "loggamma": wrap(func(x float64) float64 { v, _ := math.Lgamma(x); return v }),
		"erf": wrap(libm.Erf), "erfc": wrap(libm.Erfc),
		"sign": wrap(func(x float64) float64 {
			switch {
			case x > 0:
				return 1
			case x < 0:
				return -1
			}
			return x
		}),
	}
}

// Atan2 is atan2(y, x).
func Atan2(a []any) (any, error) { return libm.Atan2(a[0].(float64), a[1].(float64)), nil }

// Pow is pow(base, exponent).
func Pow(a []any) (any, error) { return libm.Pow(a[0].(float64), a[1].(float64)), nil }

// ShiftLeft is binary_shift_left.
func ShiftLeft(a []any) (any, error) {
	n := a[1].(int64)
	if n < 0 {
		return nil, nil
	}
	return a[0].(int64) << uint(n%64), nil
}

// ShiftRight is binary_shift_right.
func ShiftRight(a []any) (any, error) {
	n := a[1].(int64)
	if n < 0 {
		return nil, nil
	}
	return a[0].(int64) >> uint(n%64), nil
}

// ToHex is tohex(number, length).
func ToHex(a []any) (any, error) {
	s := strconv.FormatUint(uint64(a[0].(int64)), 16)
	return strings.Repeat("0", max(0, int(max(0, min(optional(a, 1, 0), 1024)))-len(s))) + s, nil
}

var byteUnits = []string{"Bytes", "KB", "MB", "GB", "TB", "PB", "EB"}

// FormatBytes is format_bytes(number, precision, units, base).
func FormatBytes(a []any) (any, error) {
	v, precision := a[0].(float64), optional(a, 1, 0)
	base := float64(optional(a, 3, 1024))
	unit, _ := a[2].(string)
	i := 0
	for i+1 < len(byteUnits) && (unit != "" && byteUnits[i] != unit || unit == "" && math.Abs(v) >= base) {
		v /= base
		i++
	}
	r, _ := Round([]any{v, precision})
	return strconv.FormatFloat(r.(float64), 'f', -1, 64) + " " + byteUnits[i], nil
}

// WelchTest is the two-sided p value of Welch's test.
func WelchTest(a []any) (any, error) {
	f := func(i int) float64 { return a[i].(float64) }
	v1, v2 := f(1)/f(2), f(4)/f(5)
	t := (f(0) - f(3)) / math.Sqrt(v1+v2)
	df := (v1 + v2) * (v1 + v2) / (v1*v1/(f(2)-1) + v2*v2/(f(5)-1))
	return incompleteBeta(df/2, 0.5, df/(df+t*t)), nil
}

// incompleteBeta is the regularised incomplete beta function, by its continued
// fraction (Lentz).
func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 || x >= 1 {
		return math.Max(0, math.Min(1, x))
	}
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log(1-x)) / a
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	h := d
	for m := 1.0; m < 300; m++ {
		for _, n := range [2]float64{m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)), -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))} {
			if d = 1 + n*d; math.Abs(d) < tiny {
				d = tiny
			}
			if c = 1 + n/c; math.Abs(c) < tiny {
				c = tiny
			}
			d = 1 / d
			h *= d * c
		}
		if math.Abs(d*c-1) < 1e-14 {
			break
		}
	}
	return front * h
}
