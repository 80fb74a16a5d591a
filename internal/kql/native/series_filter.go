package native

import (
	"math"
	"math/cmplx"
)

// SeriesFIR is series_fir(series, filter, normalize, center). What lies before
// and behind the series counts as 0.
func SeriesFIR(a []any) (any, error) {
	x, ok1 := numbers(a[0])
	f, ok2 := numbers(a[1])
	if !ok1 || !ok2 || len(f.v) == 0 {
		return nil, nil
	}
	normalize, given := a[2].(bool)
	center, _ := a[3].(bool)
	if !given {
		normalize = true
	}
	sum := 0.0
	for _, w := range f.v {
		sum += w
	}
	if !normalize || sum == 0 {
		sum = 1
	}
	shift := 0
	if center {
		shift = len(f.v) / 2
	}
	out := make([]float64, len(x.v))
	for i := range out {
		for j, w := range f.v {
			if k := i - j + shift; k >= 0 && k < len(x.v) && !math.IsNaN(x.v[k]) {
				out[i] += w * x.v[k]
			}
		}
		out[i] /= sum
	}
	return realNumbers(out).out()
}

// SeriesIIR is series_iir(series, numerators, denominators).
func SeriesIIR(a []any) (any, error) {
	x, ok1 := numbers(a[0])
	num, ok2 := numbers(a[1])
	den, ok3 := numbers(a[2])
	if !ok1 || !ok2 || !ok3 || len(den.v) == 0 || den.v[0] == 0 {
		return nil, nil
	}
	out := make([]float64, len(x.v))
	for i := range out {
		for j, b := range num.v {
			if j <= i && !math.IsNaN(x.v[i-j]) {
				out[i] += b * x.v[i-j]
			}
		}
		for j, c := range den.v[1:] {
			if j < i {
				out[i] -= c * out[i-j-1]
			}
		}
		out[i] /= den.v[0]
	}
	return realNumbers(out).out()
}

// filled runs f over the elements of an array with those that are missing
// marked: null, or equal to the placeholder if one is given.
func filled(a any, placeholder any, f func(items []Value, missing []bool)) (any, error) {
	v := parse(a)
	if v.Kind != Array {
		return nil, nil
	}
	mark := parse(placeholder)
	missing := make([]bool, len(v.Items))
	for i, x := range v.Items {
		missing[i] = x.Kind == Null || mark.Kind != Null && equal(x, mark)
	}
	f(v.Items, missing)
	return v.out()
}

// SeriesFillForward is series_fill_forward(series, placeholder).
func SeriesFillForward(a []any) (any, error) {
	return filled(a[0], a[1], func(items []Value, missing []bool) {
		for i := 1; i < len(items); i++ {
			if missing[i] {
				items[i], missing[i] = items[i-1], missing[i-1]
			}
		}
	})
}

// SeriesFillBackward is series_fill_backward(series, placeholder).
func SeriesFillBackward(a []any) (any, error) {
	return filled(a[0], a[1], func(items []Value, missing []bool) {
		for i := len(items) - 2; i >= 0; i-- {
			if missing[i] {
				items[i], missing[i] = items[i+1], missing[i+1]
			}
		}
	})
}

// SeriesFillConst is series_fill_const(series, constant, placeholder).
func SeriesFillConst(a []any) (any, error) {
	c := parse(a[1])
	if c.Kind == Null {
		c = long(0)
	}
	return filled(a[0], a[2], func(items []Value, missing []bool) {
		for i := range items {
			if missing[i] {
				items[i] = c
			}
		}
	})
}

// SeriesFillLinear is series_fill_linear(series, placeholder, fill_edges, constant):
// what is missing lies on the line between its neighbours; at the edges it is
// the neighbour. If nothing is there at all, the constant fills the series.
func SeriesFillLinear(a []any) (any, error) {
	edges, given := a[2].(bool)
	if !given {
		edges = true
	}
	c := parse(a[3])
	if c.Kind == Null {
		c = long(0)
	}
	return filled(a[0], a[1], func(items []Value, missing []bool) {
		last, whole := -1, true
		for i := range items {
			if missing[i] {
				continue
			}
			whole = whole && items[i].Kind == Long
			switch {
			case last >= 0:
				between(items, last, i)
			case edges:
				for j := range i {
					items[j] = items[i]
				}
			}
			last = i
		}
		for i := last + 1; i < len(items); i++ {
			switch {
			case last < 0:
				items[i] = c
			case edges:
				items[i] = items[last]
			}
		}
		for i, x := range items {
			f, ok := x.number()
			switch {
			case !ok:
			case whole && last >= 0: // what lies between is cut, not rounded
				items[i] = long(int64(f))
			default:
				items[i] = real(f)
			}
		}
	})
}

// between puts the elements between from and to on a line.
func between(items []Value, from, to int) {
	x, ok1 := items[from].number()
	y, ok2 := items[to].number()
	if !ok1 || !ok2 {
		return
	}
	for i := from + 1; i < to; i++ {
		items[i] = real(x + (y-x)*float64(i-from)/float64(to-from))
	}
}

// SeriesFFT is series_fft (sign -1) and series_ifft (sign 1): an array of the
// real and one of the imaginary parts.
func SeriesFFT(sign float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		re, ok := numbers(a[0])
		if !ok {
			return nil, nil
		}
		x := make([]complex128, len(re.v))
		im, _ := numbers(a[1])
		for i := range x {
			x[i] = complex(re.v[i], 0)
			if i < len(im.v) {
				x[i] = complex(re.v[i], im.v[i])
			}
		}
		y := fourier(x, sign)
		outRe, outIm := make([]float64, len(y)), make([]float64, len(y))
		for i, c := range y {
			if sign > 0 {
				c /= complex(float64(len(y)), 0)
			}
			outRe[i], outIm[i] = imag(c*1i), imag(c) // the name real is taken
		}
		return array([]Value{realNumbers(outRe), realNumbers(outIm)}).out()
	}
}

// fourier is the discrete Fourier transform: by halves where the length is
// even, term by term where it is odd.
func fourier(x []complex128, sign float64) []complex128 {
	n := len(x)
	out := make([]complex128, n)
	if n%2 == 0 && n > 2 {
		even, odd := make([]complex128, n/2), make([]complex128, n/2)
		for i := range even {
			even[i], odd[i] = x[2*i], x[2*i+1]
		}
		even, odd = fourier(even, sign), fourier(odd, sign)
		for k := range even {
			t := cmplx.Rect(1, sign*2*math.Pi*float64(k)/float64(n)) * odd[k]
			out[k], out[k+n/2] = even[k]+t, even[k]-t
		}
		return out
	}
	for k := range out {
		for i, v := range x {
			out[k] += v * cmplx.Rect(1, sign*2*math.Pi*float64(k*i%n)/float64(n))
		}
	}
	return out
}
