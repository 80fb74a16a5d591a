package native

import "math"

// A series is an array of numbers. What is null or no number is NaN; whole
// says that all numbers are longs, so that the result can be longs too.
type series struct {
	v     []float64
	whole bool
}

// numbers reads an array argument as a series; ok is false if it is none.
func numbers(a any) (s series, ok bool) {
	v := parse(a)
	if v.Kind != Array {
		return s, false
	}
	s = series{v: make([]float64, len(v.Items)), whole: true}
	for i, x := range v.Items {
		f, is := x.number()
		switch {
		case !is:
			f = math.NaN()
		case x.Kind != Long:
			s.whole = false
		}
		s.v[i] = f
	}
	return s, true
}

// realNumbers makes an array of reals; what is not finite is null.
func realNumbers(v []float64) Value {
	out := make([]Value, len(v))
	for i, f := range v {
		if !math.IsNaN(f) {
			out[i] = real(f)
		}
	}
	return array(out)
}

// value gives a series back, as longs if it is whole.
func (s series) value() Value {
	if !s.whole {
		return realNumbers(s.v)
	}
	out := make([]Value, len(s.v))
	for i, f := range s.v {
		if !math.IsNaN(f) {
			out[i] = long(int64(f))
		}
	}
	return array(out)
}

// operand reads an argument of series_add and the like: an array, or a number
// that stands for as many as the other array has.
func operand(a any, n int) (series, bool) {
	if s, ok := numbers(a); ok {
		return s, true
	}
	x := parse(a)
	f, ok := x.number()
	if !ok {
		return series{}, false
	}
	s := series{v: make([]float64, n), whole: x.Kind == Long}
	for i := range s.v {
		s.v[i] = f
	}
	return s, true
}

// pair reads both operands and makes them equally long.
func pair(a []any) (x, y series, ok bool) {
	n := max(len(parse(a[0]).Items), len(parse(a[1]).Items))
	x, ok1 := operand(a[0], n)
	y, ok2 := operand(a[1], n)
	if !ok1 || !ok2 || parse(a[0]).Kind != Array && parse(a[1]).Kind != Array {
		return x, y, false
	}
	for len(x.v) < n {
		x.v = append(x.v, math.NaN())
	}
	for len(y.v) < n {
		y.v = append(y.v, math.NaN())
	}
	return x, y, true
}

// SeriesBinary computes element by element; whole says whether longs give longs.
func SeriesBinary(whole bool, f func(x, y float64) float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, y, ok := pair(a)
		if !ok {
			return nil, nil
		}
		out := series{v: make([]float64, len(x.v)), whole: whole && x.whole && y.whole}
		for i := range out.v {
			out.v[i] = f(x.v[i], y.v[i])
		}
		return out.value().out()
	}
}

// SeriesCompare compares element by element.
func SeriesCompare(f func(x, y float64) bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, y, ok := pair(a)
		if !ok {
			return nil, nil
		}
		out := make([]Value, len(x.v))
		for i := range out {
			if !math.IsNaN(x.v[i]) && !math.IsNaN(y.v[i]) {
				out[i] = boolean(f(x.v[i], y.v[i]))
			}
		}
		return array(out).out()
	}
}

// SeriesUnary computes a function of each element.
func SeriesUnary(whole bool, f func(float64) float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, ok := numbers(a[0])
		if !ok {
			return nil, nil
		}
		for i := range x.v {
			if !math.IsNaN(x.v[i]) {
				x.v[i] = f(x.v[i])
			}
		}
		x.whole = x.whole && whole
		return x.value().out()
	}
}

// Sign is -1, 0 or 1.
func Sign(f float64) float64 {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return f
}

// SeriesSum is series_sum.
func SeriesSum(a []any) (any, error) {
	return fold(a[0], 0, func(sum, x float64) float64 { return sum + x })
}

// SeriesProduct is series_product.
func SeriesProduct(a []any) (any, error) {
	return fold(a[0], 1, func(p, x float64) float64 { return p * x })
}

// SeriesMagnitude is series_magnitude: the length of the vector.
func SeriesMagnitude(a []any) (any, error) {
	v, err := fold(a[0], 0, func(sum, x float64) float64 { return sum + x*x })
	if f, ok := v.(float64); ok {
		return math.Sqrt(f), err
	}
	return v, err
}

func fold(a any, start float64, f func(acc, x float64) float64) (any, error) {
	x, ok := numbers(a)
	if !ok {
		return nil, nil
	}
	for _, v := range x.v {
		if !math.IsNaN(v) {
			start = f(start, v)
		}
	}
	return start, nil
}

// SeriesDot is series_dot_product.
func SeriesDot(a []any) (any, error) {
	x, y, ok := pair(a)
	if !ok {
		return nil, nil
	}
	return dot(x.v, y.v), nil
}

func dot(x, y []float64) (sum float64) {
	for i := range x {
		sum += x[i] * y[i]
	}
	return sum
}

// SeriesPearson is series_pearson_correlation.
func SeriesPearson(a []any) (any, error) {
	x, ok1 := numbers(a[0])
	y, ok2 := numbers(a[1])
	if !ok1 || !ok2 || len(x.v) != len(y.v) || len(x.v) == 0 {
		return nil, nil
	}
	mx, my := mean(x.v), mean(y.v)
	var xx, yy, xy float64
	for i := range x.v {
		dx, dy := x.v[i]-mx, y.v[i]-my
		xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
	}
	r := xy / math.Sqrt(xx) / math.Sqrt(yy)
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return nil, nil
	}
	return r, nil
}

// SeriesCosine is series_cosine_similarity, with the magnitudes if they are known.
func SeriesCosine(a []any) (any, error) {
	x, ok1 := numbers(a[0])
	y, ok2 := numbers(a[1])
	if !ok1 || !ok2 || len(x.v) != len(y.v) || len(x.v) == 0 {
		return nil, nil
	}
	mx, ok1 := a[2].(float64)
	my, ok2 := a[3].(float64)
	if !ok1 {
		mx = math.Sqrt(dot(x.v, x.v))
	}
	if !ok2 {
		my = math.Sqrt(dot(y.v, y.v))
	}
	r := dot(x.v, y.v) / (mx * my)
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return nil, nil
	}
	return r, nil
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
