package native

import (
	"math"
	"math/big"

	"logkeep/internal/kql/syntax"
)

// Round is round(number, precision); halves go away from zero.
func Round(a []any) (any, error) {
	v, digits := a[0].(float64), optional(a, 1, 0)
	if math.IsNaN(v) || math.IsInf(v, 0) || digits > 20 || digits < -300 {
		return v, nil
	}
	if digits <= 0 {
		p := math.Pow(10, float64(-digits))
		return math.Round(v/p) * p, nil
	}
	p := math.Pow(10, float64(digits))
	if r := math.Round(v*p) / p; !math.IsInf(r, 0) {
		return r, nil
	}
	return v, nil
}

// RoundLong is round(long, precision): only a negative precision changes one.
func RoundLong(a []any) (any, error) {
	v, digits := a[0].(int64), optional(a, 1, 0)
	if digits >= 0 {
		return v, nil
	}
	if digits < -18 {
		return int64(0), nil
	}
	p := int64(1)
	for range -digits {
		p *= 10
	}
	rest := v % p
	v -= rest
	switch { // halves go away from zero; what no long holds stays as it is cut off
	case rest >= p-rest && v <= math.MaxInt64-p:
		v += p
	case -rest >= p+rest && v >= math.MinInt64+p:
		v -= p
	}
	return v, nil
}

// RoundInt is round(int, precision).
func RoundInt(a []any) (any, error) {
	v, ok := a[0].(int64) // a constant
	if n, narrow := a[0].(int32); !ok && narrow {
		v = int64(n)
	}
	r, err := RoundLong([]any{v, a[1]})
	if n := r.(int64); err == nil && n == int64(int32(n)) {
		return int32(n), nil
	}
	return nil, err
}

// RoundDecimal is round(decimal, precision).
func RoundDecimal(a []any) (any, error) {
	v, ok := new(big.Rat).SetString(a[0].(string))
	digits := optional(a, 1, 0)
	if !ok || digits > 34 || digits < -34 {
		return a[0], nil
	}
	p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(digits, -digits)), nil))
	if digits < 0 {
		p.Inv(p)
	}
	half := big.NewRat(1, 2)
	if v.Sign() < 0 {
		half.Neg(half)
	}
	v.Add(v.Mul(v, p), half)
	n := new(big.Int).Quo(v.Num(), v.Denom())
	return syntax.FormatDecimal(v.Quo(v.SetInt(n), p)), nil
}

// DecimalCeiling is ceiling(decimal).
func DecimalCeiling(a []any) (any, error) {
	v, ok := new(big.Rat).SetString(a[0].(string))
	if !ok {
		return nil, nil
	}
	n, rest := new(big.Int).QuoRem(v.Num(), v.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	return syntax.FormatDecimal(v.SetInt(n)), nil
}

// DecimalAbs is abs(decimal).
func DecimalAbs(a []any) (any, error) {
	v, ok := new(big.Rat).SetString(a[0].(string))
	if !ok {
		return nil, nil
	}
	return syntax.FormatDecimal(v.Abs(v)), nil
}
