package native

import (
	"math"
	"slices"
)

// The form of a season is the median of every phase of the period; the trend
// is what a line, or the mean, makes of the series without its season.

// seasonThreshold is how much a series must be like itself one period later.
const seasonThreshold = 0.6

// repeats finds the lags at which a series is most like itself, the strongest
// first, by the autocorrelation of what is left without the series' line.
func repeats(y []float64, least, most, count int) (lags []int, scores []float64) {
	l, _ := fitLine(y, 0)
	return alike(y, l, least, most, count)
}

// alike is repeats of what is left without a given line.
func alike(y []float64, l line, least, most, count int) (lags []int, scores []float64) {
	d := make([]float64, len(y))
	power := 0.0
	for i, v := range y {
		if !math.IsNaN(v) {
			d[i] = v - l.at(float64(i))
		}
		power += d[i] * d[i]
	}
	n := len(y)
	most = min(most, n-1)
	if power == 0 || least > most {
		return nil, nil
	}
	acf := correlations(d, most+1)
	for k := range acf {
		acf[k] = acf[k] / power * float64(n) / float64(n-k)
	}
	for k := max(least, 1); k <= most; k++ {
		if acf[k] > 0 && acf[k] >= acf[k-1] && (k == most || acf[k] > acf[k+1]) {
			lags = append(lags, k)
		}
	}
	// Multiples of a period are as good as the period: the first that is
	// nearly as strong as the strongest comes before it.
	slices.SortStableFunc(lags, func(i, j int) int {
		if math.Abs(acf[i]-acf[j]) <= 0.02 {
			return i - j
		}
		if acf[i] > acf[j] {
			return -1
		}
		return 1
	})
	for _, k := range lags[:min(count, len(lags))] {
		scores = append(scores, min(1, acf[k]))
	}
	return lags[:len(scores)], scores
}

// correlations sums d[i]*d[i+k] for the lags k below n by way of the Fourier
// transform.
func correlations(d []float64, n int) []float64 {
	size := 1
	for size < 2*len(d) {
		size *= 2
	}
	x := make([]complex128, size)
	for i, v := range d {
		x[i] = complex(v, 0)
	}
	x = fourier(x, -1)
	for i, c := range x {
		x[i] = c * complex(imag(c*1i), -imag(c))
	}
	x = fourier(x, 1)
	out := make([]float64, n)
	for i := range out {
		out[i] = imag(x[i]*1i) / float64(size)
	}
	return out
}

// season finds the period if period is -1: at least 4 points and a third of
// the series at most; 0 means that there is none.
func season(y []float64, period int64, threshold float64) int {
	if period != -1 {
		return int(max(0, period))
	}
	lags, scores := repeats(y, 4, len(y)/3, 1)
	if len(lags) == 0 || scores[0] < threshold {
		return 0
	}
	return lags[0]
}

// seasonal is the median of each phase of the period, as long as total.
func seasonal(y []float64, period, total int) []float64 {
	out := make([]float64, total)
	if period < 1 || period > len(y) {
		return out
	}
	for p := range period {
		var phase []float64
		for i := p; i < len(y); i += period {
			if !math.IsNaN(y[i]) {
				phase = append(phase, y[i])
			}
		}
		m := median(phase)
		for i := p; i < total; i += period {
			out[i] = m
		}
	}
	return out
}

func median(v []float64) float64 {
	slices.Sort(v)
	return quantile(v, 0.5)
}

// quantile is between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	if !(q >= 0) { // nor a number
		q = 0
	}
	k := min(q, 1) * float64(len(sorted)-1)
	i := int(k)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (sorted[i+1]-sorted[i])*(k-float64(i))
}

// A decomposition is a series in its parts.
type decomposition struct{ baseline, seasonal, trend, residual []float64 }

// decompose learns from all but the last test points.
func decompose(y []float64, period int64, trend string, test int64, threshold float64) decomposition {
	n := len(y)
	known := y[:n-int(max(0, min(test, int64(n))))]
	d := decomposition{baseline: make([]float64, n), trend: make([]float64, n), residual: make([]float64, n)}
	d.seasonal = seasonal(known, season(known, period, threshold), n)
	left := make([]float64, len(known))
	for i, v := range known {
		left[i] = v - d.seasonal[i]
	}
	switch l, _ := fitLine(left, 0); trend {
	case "linefit":
		d.trend = l.points(0, n)
	case "none":
	default:
		var known []float64
		for _, v := range left {
			if !math.IsNaN(v) {
				known = append(known, v)
			}
		}
		if len(known) > 0 {
			m := mean(known)
			for i := range d.trend {
				d.trend[i] = m
			}
		}
	}
	for i := range y {
		d.baseline[i] = d.seasonal[i] + d.trend[i]
		d.residual[i] = y[i] - d.baseline[i]
	}
	return d
}

// realOr and wordOr read optional arguments.
func realOr(a any, def float64) float64 {
	if v, ok := a.(float64); ok {
		return v
	}
	return def
}

func wordOr(a any, def string) string {
	if v, ok := a.(string); ok && v != "" {
		return v
	}
	return def
}

// SeriesDecompose is series_decompose(series, period, trend, test_points,
// threshold): baseline, seasonal, trend, residual.
func SeriesDecompose(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok || len(y.v) == 0 {
		return nil, nil
	}
	d := decompose(y.v, optional(a, 1, -1), wordOr(a[2], "avg"), optional(a, 3, 0), realOr(a[4], seasonThreshold))
	return array([]Value{realNumbers(d.baseline), realNumbers(d.seasonal), realNumbers(d.trend), realNumbers(d.residual)}).out()
}

// SeriesForecast is series_decompose_forecast(series, points, period, trend, threshold).
func SeriesForecast(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok || len(y.v) == 0 {
		return nil, nil
	}
	d := decompose(y.v, optional(a, 2, -1), wordOr(a[3], "linefit"), optional(a, 1, 0), realOr(a[4], seasonThreshold))
	return array([]Value{realNumbers(d.baseline)}).out()
}

// SeriesAnomalies is series_decompose_anomalies(series, threshold, period,
// trend, test_points, method, season_threshold): ad_flag, ad_score, baseline.
func SeriesAnomalies(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok || len(y.v) == 0 {
		return nil, nil
	}
	test := optional(a, 4, 0)
	d := decompose(y.v, optional(a, 2, -1), wordOr(a[3], "avg"), test, realOr(a[6], seasonThreshold))
	low, high := 0.1, 0.9
	if wordOr(a[5], "ctukey") == "tukey" {
		low, high = 0.25, 0.75
	}
	scores := outliers(d.residual, math.NaN(), low, high, test)
	threshold := realOr(a[1], 1.5)
	flags := make([]Value, len(scores))
	for i, s := range scores {
		switch {
		case s > threshold:
			flags[i] = long(1)
		case s < -threshold:
			flags[i] = long(-1)
		default:
			flags[i] = long(0)
		}
	}
	return array([]Value{array(flags), realNumbers(scores), realNumbers(d.baseline)}).out()
}

// tukeyScale makes scores of the fence between the 10th and the 90th
// percentile comparable with those between the quartiles.
const tukeyScale = 2.772605605507915

// outliers scores how far values lie outside of a fence, in widths of it.
func outliers(y []float64, ignore, low, high float64, test int64) []float64 {
	var known []float64
	for _, v := range y[:len(y)-int(max(0, min(test, int64(len(y)))))] {
		if !math.IsNaN(v) && v != ignore {
			known = append(known, v)
		}
	}
	slices.Sort(known)
	lo, hi := quantile(known, low), quantile(known, high)
	scale := 1.0
	if low != 0.25 || high != 0.75 {
		scale = tukeyScale
	}
	out := make([]float64, len(y))
	for i, v := range y {
		switch {
		case hi <= lo || v == ignore:
		case v > hi:
			out[i] = (v - hi) / (hi - lo) * scale
		case v < lo:
			out[i] = (v - lo) / (hi - lo) * scale
		}
	}
	return out
}

// SeriesOutliers is series_outliers(series, kind, ignore, min_percentile,
// max_percentile, test_points).
func SeriesOutliers(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok {
		return nil, nil
	}
	low, high := realOr(a[3], 10)/100, realOr(a[4], 90)/100
	if wordOr(a[1], "ctukey") == "tukey" {
		low, high = 0.25, 0.75
	}
	return realNumbers(outliers(y.v, realOr(a[2], math.NaN()), low, high, optional(a, 5, 0))).out()
}

// SeriesSeasonal is series_seasonal(series, period, test_points).
func SeriesSeasonal(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok {
		return nil, nil
	}
	n := len(y.v)
	known := y.v[:n-int(max(0, min(optional(a, 2, 0), int64(n))))]
	return realNumbers(seasonal(known, season(known, optional(a, 1, -1), seasonThreshold), n)).out()
}

// Periods of fewer points, and of more than half of the series, are none. A
// likeness below leastScore is chance.
const (
	leastPeriod = 4
	leastScore  = 0.1
)

// significance is how much a series that is alike at a lag says of a period: the
// fewer times the series has seen it, the less.
func significance(likeness float64, lag, n int) float64 {
	return likeness * math.Sqrt(1-float64(lag)/float64(n))
}

// level is the line of a series' mean.
func level(y []float64) line {
	var known []float64
	for _, v := range y {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return line{}
	}
	return line{interception: mean(known)}
}

// SeriesPeriods is series_periods_detect(series, min, max, count): periods, scores.
func SeriesPeriods(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok {
		return nil, nil
	}
	n := len(y.v)
	within := func(x any, low float64) float64 {
		if f := x.(float64); f >= low {
			return min(f, float64(n))
		}
		return low
	}
	least, most := int(math.Ceil(within(a[1], leastPeriod))), min(int(within(a[2], 0)), n/2)
	lags, scores := alike(y.v, level(y.v), least, most, n)
	count := int(max(0, min(a[3].(int64), int64(n))))
	out, strength := make([]float64, count), make([]float64, count) // zeros where nothing was found
	found := 0
	for i, k := range lags {
		s := significance(scores[i], k, n)
		if found < count && s >= seasonThreshold && !slices.ContainsFunc(lags[:i], func(of int) bool { return k%of == 0 }) {
			out[found], strength[found] = float64(k), s
			found++
		}
	}
	return array([]Value{realNumbers(out), realNumbers(strength)}).out()
}

// SeriesValidate is series_periods_validate(series, periods…): periods, scores.
func SeriesValidate(a []any) (any, error) {
	y, ok := numbers(a[0])
	if !ok {
		return nil, nil
	}
	var out, scores []float64
	for _, p := range a[1:] {
		f, _ := p.(float64)
		n, score := len(y.v), 0.0
		if k := int(math.Round(max(1, min(f, float64(n))))); k >= leastPeriod && k <= n/2 {
			if lags, found := alike(y.v, level(y.v), max(2, k-1), k+1, 1); len(lags) > 0 && found[0] >= leastScore {
				score = significance(found[0], lags[0], n)
			}
		}
		out, scores = append(out, f), append(scores, score)
	}
	return array([]Value{realNumbers(out), realNumbers(scores)}).out()
}
