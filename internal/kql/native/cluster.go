package native

import (
	"math"
)

func real64(f float64) Value { return Value{Kind: Real, Real: f} }

// Basket finds the combinations of values that are frequent. It takes rows of
// [weight, value…], the least share of the whole and the most columns, and
// answers rows of [number, weight, percent, value…].
func Basket(a []any) (any, error) {
	s := newItemset(parse(a[0]).Items, 1)
	share, _ := a[1].(float64)
	most, _ := a[2].(int64)
	var out []Value
	for i, c := range s.frequent(math.Max(share*s.total, 1), int(most)) {
		out = append(out, s.row(c, long(int64(i)), long(int64(c.weight)), real64(100*c.weight/s.total)))
	}
	return array(out).out()
}

// Autocluster finds few combinations that cover much and say much. size weighs
// how much against how exactly, from 0 to 1. Rows are as for Basket.
func Autocluster(a []any) (any, error) {
	s := newItemset(parse(a[0]).Items, 1)
	size, _ := a[1].(float64)
	const least, leastNew, most = 0.01, 0.03, 10
	list := s.frequent(math.Max(least*s.total, 1), len(s.values))
	covered := make([]bool, len(s.cells))
	var out []Value
	for len(out) < most {
		var best *combination
		score := 0.0
		for _, c := range list {
			fresh := 0.0
			for _, r := range c.rows {
				if !covered[r] {
					fresh += s.weight[r]
				}
			}
			if fresh < leastNew*s.total {
				continue
			}
			if x := math.Pow(fresh/s.total, size) * math.Pow(float64(c.dimensions())/float64(len(s.values)), 1-size); x > score*(1+1e-12) {
				best, score = c, x
			}
		}
		if best == nil {
			break
		}
		for _, r := range best.rows {
			covered[r] = true
		}
		out = append(out, s.row(best, long(int64(len(out))), long(int64(best.weight)), real64(100*best.weight/s.total)))
	}
	return array(out).out()
}

// Diffpatterns finds combinations that are much more frequent in one of two
// sets. It takes rows of [weight, weight in A, weight in B, value…], the least
// difference of shares and the most columns, and answers rows of
// [number, A, B, percent of A, percent of B, difference, value…].
func Diffpatterns(a []any) (any, error) {
	rows := parse(a[0]).Items
	s := newItemset(rows, 3)
	least, _ := a[1].(float64)
	most, _ := a[2].(int64)
	var inA, inB []float64
	var allA, allB float64
	for _, r := range rows {
		x, _ := r.Items[1].number()
		y, _ := r.Items[2].number()
		inA, inB = append(inA, x), append(inB, y)
		allA, allB = allA+x, allB+y
	}
	if allA == 0 || allB == 0 {
		return "[]", nil
	}
	list := s.frequent(math.Max(least*math.Min(allA, allB), 1), int(most))
	covered := make([]bool, len(rows))
	var out []Value
	for len(out) < 100 {
		var best *combination
		var bestA, bestB, score float64
		for _, c := range list {
			var x, y, freshA, freshB float64
			for _, r := range c.rows {
				x, y = x+inA[r], y+inB[r]
				if !covered[r] {
					freshA, freshB = freshA+inA[r], freshB+inB[r]
				}
			}
			if math.Abs(x/allA-y/allB) < least || math.Abs(freshA/allA-freshB/allB) < least {
				continue
			}
			if d := math.Abs(freshA/allA - freshB/allB); d > score*(1+1e-12) {
				best, bestA, bestB, score = c, x, y, d
			}
		}
		if best == nil {
			break
		}
		for _, r := range best.rows {
			covered[r] = true
		}
		p, q := 100*bestA/allA, 100*bestB/allB
		out = append(out, s.row(best, long(int64(len(out))), long(int64(bestA)), long(int64(bestB)), real64(p), real64(q), real64(math.Abs(p-q))))
	}
	return array(out).out()
}
