package native

import (
	"slices"

	"github.com/golang/geo/s2"
)

// widened gives the polygon of all that is within a radius of a shape, by the
// function that makes buffers of such shapes. nil stands for what can't be; for
// no radius it is the shape itself.
func widened(shape, radius any, buffer func([]any) (any, error)) (any, error) {
	r := realOr(radius, 0)
	switch {
	case r == 0:
		return shape, nil
	case !(r > 0):
		return nil, nil
	}
	// A buffer's edges are nearer than its radius, by the tolerance at most.
	return buffer([]any{shape, r * 1.01, r / 100})
}

// GeoLinesUnion is geo_union_lines_array(lines): every edge once, put together
// to lines as long as can be without choosing at a fork.
func GeoLinesUnion(a []any) (any, error) {
	var u lineUnion
	for _, v := range parse(a[0]).Items {
		text, err := v.out()
		if err != nil {
			return nil, nil
		}
		lines, ok := readLines(text)
		if !ok {
			return nil, nil
		}
		for _, l := range lines {
			for i := 1; i < len(l); i++ {
				u.add(l[i-1], l[i])
			}
		}
	}
	if len(u.order) == 0 {
		return nil, nil
	}
	return linesGeometry(u.lines()).out()
}

// A lineUnion is edges by their ends, both ways.
type lineUnion struct {
	next  map[s2.Point][]s2.Point
	order []s2.Point // ends, as they came
}

func (u *lineUnion) add(from, to s2.Point) {
	if from == to || slices.Contains(u.next[from], to) {
		return
	}
	if u.next == nil {
		u.next = map[s2.Point][]s2.Point{}
	}
	for _, e := range [...][2]s2.Point{{from, to}, {to, from}} {
		if u.next[e[0]] == nil {
			u.order = append(u.order, e[0])
		}
		u.next[e[0]] = append(u.next[e[0]], e[1])
	}
}

// lines takes the edges out, line by line: first those that begin at an end or a
// fork, then what is left, which is rings.
func (u *lineUnion) lines() (out [][]s2.Point) {
	ends := map[s2.Point]bool{}
	for p, next := range u.next {
		ends[p] = len(next) != 2
	}
	for _, rings := range []bool{false, true} {
		for _, p := range u.order {
			for (ends[p] || rings) && len(u.next[p]) > 0 {
				line := []s2.Point{p}
				for at := p; len(u.next[at]) > 0 && (len(line) == 1 || !ends[at]); {
					to := u.next[at][0]
					u.drop(at, to)
					u.drop(to, at)
					line, at = append(line, to), to
				}
				out = append(out, line)
			}
		}
	}
	return out
}

func (u *lineUnion) drop(from, to s2.Point) {
	u.next[from] = slices.DeleteFunc(slices.Clone(u.next[from]), func(p s2.Point) bool { return p == to })
}
