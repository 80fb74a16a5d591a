package syntax

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"sync"
)

// digits are the decimal digits of a positive finite real and the power of ten
// of the last one. They read back as the same real and are the fewest that the
// engine of the language finds: it uses Grisu2 (Loitsch, "Printing
// Floating-Point Numbers Quickly and Accurately with Integers", 2010), which
// leaves the last of seventeen digits where it first fits, not where it is
// nearest. Queries compare such texts, so they are written alike here.
func digits(v float64) (text []byte, exp int) {
	w := floating(v)
	minus, plus := w.bounds()
	power, k := powers().near(plus.e)
	w, plus, minus = w.normal().times(power), plus.times(power), minus.times(power)
	plus.f--
	minus.f++
	return generate(w, plus, plus.f-minus.f, -k)
}

// scaled is the number f·2^e.
type scaled struct {
	f uint64
	e int
}

func floating(v float64) scaled {
	b := math.Float64bits(v)
	f, e := b&(1<<52-1), int(b>>52&0x7ff)
	if e == 0 {
		return scaled{f, -1074}
	}
	return scaled{f | 1<<52, e - 1075}
}

func (x scaled) normal() scaled {
	n := bits.LeadingZeros64(x.f)
	return scaled{x.f << n, x.e - n}
}

// bounds are half way to the neighbours, of the same exponent.
func (x scaled) bounds() (minus, plus scaled) {
	plus = scaled{x.f<<1 + 1, x.e - 1}.normal()
	minus = scaled{x.f<<1 - 1, x.e - 1}
	if x.f == 1<<52 { // the neighbour below is nearer
		minus = scaled{x.f<<2 - 1, x.e - 2}
	}
	return scaled{minus.f << (minus.e - plus.e), plus.e}, plus
}

func (x scaled) times(y scaled) scaled {
	hi, lo := bits.Mul64(x.f, y.f)
	return scaled{hi + lo>>63, x.e + y.e + 64}
}

// The powers of ten are those from -348 in steps of eight.
const (
	firstPower = -348
	stepPower  = 8
	countPower = 87
)

type powersOfTen [countPower]scaled

var powers = sync.OnceValue(func() *powersOfTen {
	var out powersOfTen
	for i := range out {
		p := new(big.Float).SetPrec(2000)
		ten := new(big.Float).SetPrec(2000).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(abs(firstPower+i*stepPower))), nil))
		if p.SetInt64(1); firstPower+i*stepPower < 0 {
			p.Quo(p, ten)
		} else {
			p.Set(ten)
		}
		p.SetPrec(64).SetMode(big.ToNearestEven)
		mant := new(big.Float)
		e := p.MantExp(mant)
		f, _ := mant.SetMantExp(mant, 64).Uint64()
		out[i] = scaled{f, e - 64}
	}
	return &out
})

func abs(n int) int { return max(n, -n) }

// near is the power that brings numbers of exponent e near to one, and its exponent.
func (p *powersOfTen) near(e int) (scaled, int) {
	dk := float64(-61-e)*0.30102999566398114 + 347
	k := int(dk)
	if dk > float64(k) {
		k++
	}
	i := k>>3 + 1
	return p[i], firstPower + i*stepPower
}

func generate(w, plus scaled, delta uint64, exp int) ([]byte, int) {
	one := scaled{1 << -plus.e, plus.e}
	above := plus.f - w.f
	whole, rest := plus.f>>-one.e, plus.f&(one.f-1)
	out := make([]byte, 0, 20)
	left := len(strconv.FormatUint(whole, 10))
	for ten := powTen(left - 1); left > 0; ten /= 10 {
		if d := whole / ten; d != 0 || len(out) > 0 {
			out = append(out, '0'+byte(d))
		}
		whole %= ten
		left--
		if all := whole<<-one.e + rest; all <= delta {
			nearer(out, delta, all, ten<<-one.e, above)
			return out, exp + left
		}
	}
	for places := 1; ; places++ {
		rest, delta = rest*10, delta*10
		if d := rest >> -one.e; d != 0 || len(out) > 0 {
			out = append(out, '0'+byte(d))
		}
		rest &= one.f - 1
		if rest < delta {
			if places < 9 {
				above *= powTen(places)
			} else {
				above = 0 // no nearer: see digits
			}
			nearer(out, delta, rest, one.f, above)
			return out, exp - places
		}
	}
}

func powTen(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// nearer lowers the last digit while that brings the number nearer.
func nearer(text []byte, delta, rest, ten, above uint64) {
	for rest < above && delta-rest >= ten && (rest+ten < above || above-rest > rest+ten-above) {
		text[len(text)-1]--
		rest += ten
	}
}
