package native

import "math"

// A line is a straight line with what is known of how well it fits.
type line struct{ slope, interception, rsquare, variance, rvariance float64 }

func (l line) at(x float64) float64 { return l.interception + l.slope*x }

// fitLine finds the line nearest to the points (from, y[0]), (from+1, y[1]), …
// by least squares. Missing points are passed over. Variances are of a sample.
func fitLine(y []float64, from int) (l line, sse float64) {
	var n, sx, sy float64
	for i, v := range y {
		if !math.IsNaN(v) {
			n, sx, sy = n+1, sx+float64(from+i), sy+v
		}
	}
	if n == 0 {
		return line{}, 0
	}
	mx, my := sx/n, sy/n
	var xx, xy, yy float64
	for i, v := range y {
		if !math.IsNaN(v) {
			dx, dy := float64(from+i)-mx, v-my
			xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
		}
	}
	if xx > 0 {
		l.slope = xy / xx
	}
	l.interception = my - l.slope*mx
	for i, v := range y {
		if !math.IsNaN(v) {
			d := v - l.at(float64(from+i))
			sse += d * d
		}
	}
	if n > 1 {
		l.variance, l.rvariance = yy/(n-1), sse/(n-1)
	}
	if yy > 0 {
		l.rsquare = 1 - sse/yy
	}
	return l, sse
}

func (l line) points(from, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = l.at(float64(from + i))
	}
	return out
}

// base is the interception as the language counts it: its first point is 1.
func (l line) base() float64 { return l.at(-1) }

// SeriesFitLine is series_fit_line: rsquare, slope, variance, rvariance, interception, line_fit.
func SeriesFitLine(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok || len(y.v) == 0 {
		return nil, nil
	}
	l, _ := fitLine(y.v, 0)
	return array([]Value{real(l.rsquare), real(l.slope), real(l.variance), real(l.rvariance), real(l.base()), realNumbers(l.points(0, len(y.v)))}).out()
}

// SeriesFit2Lines is series_fit_2lines: the two lines, meeting anywhere, that
// fit best.
func SeriesFit2Lines(a []any) (any, error) {
	y, ok := numbers(a[0])
	n := len(y.v)
	if !ok || n < 4 || n > maxTwoLines {
		return nil, nil
	}
	split, best := 0, math.Inf(1)
	for k := 2; k <= n-2; k++ {
		_, l := fitLine(y.v[:k], 0)
		_, r := fitLine(y.v[k:], k)
		if l+r < best {
			split, best = k, l+r
		}
	}
	left, _ := fitLine(y.v[:split], 0)
	right, _ := fitLine(y.v[split:], split)
	whole, _ := fitLine(y.v, 0)
	yy := whole.variance * float64(n-1)
	rsquare := 0.0
	if yy > 0 {
		rsquare = 1 - best/yy
	}
	fit := append(left.points(0, split), right.points(split, n-split)...)
	out := []Value{real(rsquare), long(int64(split)), real(whole.variance), real(best / float64(n-1)), realNumbers(fit)}
	for _, l := range []line{right, left} {
		out = append(out, real(l.rsquare), real(l.slope), real(l.base()), real(l.variance), real(l.rvariance))
	}
	return array(out).out()
}

// maxTwoLines bounds series_fit_2lines, whose work grows with the square.
const maxTwoLines = 10_000

// SeriesFitPoly is series_fit_poly(y, x, degree): rsquare, coefficients from
// the highest power down, variance, rvariance, poly_fit.
func SeriesFitPoly(a []any) (any, error) {
	y, ok := numbers(a[0])
	x, given := numbers(a[1])
	degree := optional(a, 2, 2)
	if !ok || len(y.v) == 0 || degree < 1 || degree > 10 || given && len(x.v) != len(y.v) {
		return nil, nil
	}
	if !given {
		x.v = make([]float64, len(y.v))
		for i := range x.v {
			x.v[i] = float64(i)
		}
	}
	c, ok := polynomial(x.v, y.v, int(degree))
	if !ok {
		return nil, nil
	}
	fit := make([]float64, len(y.v))
	var n, sum, sse, yy float64
	for i := range fit {
		for _, k := range c {
			fit[i] = fit[i]*x.v[i] + k
		}
		n, sum = n+1, sum+y.v[i]
	}
	for i, v := range y.v {
		sse += (v - fit[i]) * (v - fit[i])
		yy += (v - sum/n) * (v - sum/n)
	}
	return array([]Value{real(1 - sse/yy), realNumbers(c), real(yy / (n - 1)), real(sse / (n - 1)), realNumbers(fit)}).out()
}

// polynomial solves the normal equations on x moved and scaled to [-1, 1], in
// which high powers do no harm, and gives the coefficients of x itself.
func polynomial(x, y []float64, degree int) ([]float64, bool) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	mid, half := (lo+hi)/2, (hi-lo)/2
	if half == 0 || math.IsNaN(half) || math.IsInf(half, 0) {
		return nil, false
	}
	m := degree + 1
	rows := make([][]float64, m)
	for i := range rows {
		rows[i] = make([]float64, m+1)
	}
	powers := make([]float64, 2*m)
	for i, v := range x {
		t, p := (v-mid)/half, 1.0
		for k := range powers {
			powers[k], p = p, p*t
		}
		for r := range m {
			for c := range m {
				rows[r][c] += powers[r+c]
			}
			rows[r][m] += powers[r] * y[i]
		}
	}
	b, ok := solve(rows)
	if !ok {
		return nil, false
	}
	// b[k] belongs to ((x-mid)/half)^k: multiply out, highest power first.
	out := []float64{b[m-1]}
	for k := m - 2; k >= 0; k-- {
		next := make([]float64, len(out)+1)
		for i, v := range out {
			next[i] += v / half
			next[i+1] -= v * mid / half
		}
		next[len(next)-1] += b[k]
		out = next
	}
	return out, true
}

// solve does elimination with pivots on rows of coefficients and right side.
func solve(rows [][]float64) ([]float64, bool) {
	n := len(rows)
	for c := range n {
		p := c
		for r := c + 1; r < n; r++ {
			if math.Abs(rows[r][c]) > math.Abs(rows[p][c]) {
				p = r
			}
		}
		rows[c], rows[p] = rows[p], rows[c]
		if v := rows[c][c]; v == 0 || math.IsNaN(v) {
			return nil, false
		}
		for r := range n {
			if r == c {
				continue
			}
			f := rows[r][c] / rows[c][c]
			for k := c; k <= n; k++ {
				rows[r][k] -= f * rows[c][k]
			}
		}
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = rows[i][n] / rows[i][i]
	}
	return out, true
}

// SeriesStats is series_stats(series, ignore_nonfinite): min, min_idx, max,
// max_idx, avg, stdev, variance, sum, len.
func SeriesStats(a []any) (any, error) {
	x, ok := numbers(a[0])
	if !ok {
		return nil, nil
	}
	ignore, _ := a[1].(bool)
	var v []float64
	lo, hi := -1, -1
	for i, f := range x.v {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			if !ignore {
				return array(make([]Value, 9)).out()
			}
			continue
		}
		v = append(v, f)
		if lo < 0 || f < x.v[lo] {
			lo = i
		}
		if hi < 0 || f > x.v[hi] {
			hi = i
		}
	}
	if len(v) == 0 {
		return array(make([]Value, 9)).out()
	}
	m, sum, squares := mean(v), 0.0, 0.0
	for _, f := range v {
		sum += f
		squares += (f - m) * (f - m)
	}
	variance := 0.0
	if len(v) > 1 {
		variance = squares / float64(len(v)-1)
	}
	return array([]Value{real(x.v[lo]), long(int64(lo)), real(x.v[hi]), long(int64(hi)), real(m), real(math.Sqrt(variance)), real(variance), real(sum), long(int64(len(v)))}).out()
}
