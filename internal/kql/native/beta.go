package native

import "math"

// BetaPDF is beta_pdf(x, alpha, beta).
func BetaPDF(a []any) (any, error) {
	x, p, q := a[0].(float64), a[1].(float64), a[2].(float64)
	if !(x >= 0 && x <= 1 && p > 0 && q > 0) {
		return math.NaN(), nil
	}
	return math.Exp((p-1)*math.Log(x) + (q-1)*math.Log1p(-x) - logBeta(p, q)), nil
}

func logBeta(p, q float64) float64 {
	a, _ := math.Lgamma(p)
	b, _ := math.Lgamma(q)
	c, _ := math.Lgamma(p + q)
	return a + b - c
}

// BetaCDF is beta_cdf(x, alpha, beta). Parameters that can't be give 1, as in
// the engine of the language.
func BetaCDF(a []any) (any, error) {
	x, p, q := a[0].(float64), a[1].(float64), a[2].(float64)
	switch {
	case !(x >= 0 && x <= 1):
		return math.NaN(), nil
	case !(p > 0 && q > 0):
		return 1.0, nil
	}
	return incompleteBeta(p, q, x), nil
}

// BetaInv is beta_inv(probability, alpha, beta), by halving.
func BetaInv(a []any) (any, error) {
	want, p, q := a[0].(float64), a[1].(float64), a[2].(float64)
	if !(want >= 0 && want <= 1 && p > 0 && q > 0) {
		return math.NaN(), nil
	}
	lo, hi := 0.0, 1.0
	for range 200 {
		mid := (lo + hi) / 2
		if mid == lo || mid == hi {
			break
		}
		if incompleteBeta(p, q, mid) < want {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2, nil
}
