package native

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/golang/geo/r2"
	"github.com/golang/geo/s2"

	"logkeep/internal/kql/libm"
)

// An overlay puts loops over each other and keeps the area around which they go
// often enough. It works on a plane that touches the sphere in the middle of the
// loops: there the shortest lines of the sphere are straight.
type overlay struct {
	x, y, z s2.Point // z is where the plane touches
	loops   [][]r2.Point
}

// Limits of an overlay: how far a point may be from the middle, and how many
// edges there may be, each of which is compared with each other.
const (
	mostAngle = 80 * math.Pi / 180
	mostEdges = 3000
)

var errTooWide = errors.New("logkeep: shapes that reach around a quarter of the earth, or have thousands of edges, can't be put together")

func newOverlay(loops [][]s2.Point) (*overlay, error) {
	var sum s2.Point
	edges := 0
	for _, l := range loops {
		edges += len(l)
		for _, p := range l {
			sum.Vector = sum.Add(p.Vector)
		}
	}
	o := &overlay{z: s2.Point{Vector: sum.Normalize()}}
	o.x = s2.Point{Vector: s2.Ortho(o.z).Vector}
	o.y = s2.Point{Vector: o.z.Cross(o.x.Vector).Normalize()}
	for _, l := range loops {
		ring := make([]r2.Point, 0, len(l))
		for _, p := range l {
			d := p.Dot(o.z.Vector)
			if d < libm.Cos(mostAngle) || edges > mostEdges {
				return nil, errTooWide
			}
			q := r2.Point{X: p.Dot(o.x.Vector) / d, Y: p.Dot(o.y.Vector) / d}
			if n := len(ring); n == 0 || ring[n-1].Sub(q).Norm() > near {
				ring = append(ring, q)
			}
		}
		if len(ring) > 2 {
			o.loops = append(o.loops, ring)
		}
	}
	return o, nil
}

// near is how close two points of the plane are the same, about 0.01 millimeters.
const near = 2e-12

func (o *overlay) back(p r2.Point) s2.Point {
	v := o.x.Mul(p.X).Add(o.y.Mul(p.Y)).Add(o.z.Vector)
	return s2.Point{Vector: v.Normalize()}
}

// An arc is a piece of an edge between two places where edges meet.
type arc struct{ from, to r2.Point }

// arcs cuts all edges where they meet.
func (o *overlay) arcs() (out []arc) {
	var edges []arc
	for _, l := range o.loops {
		for i, p := range l {
			if q := l[(i+1)%len(l)]; p.Sub(q).Norm() > near {
				edges = append(edges, arc{p, q})
			}
		}
	}
	for i, e := range edges {
		d := e.to.Sub(e.from)
		n := d.Norm()
		cuts := []float64{0, 1}
		for j, f := range edges {
			if i == j || !e.box().Intersects(f.box()) {
				continue
			}
			for _, p := range [2]r2.Point{f.from, f.to} { // an end on this edge
				t := p.Sub(e.from).Dot(d) / (n * n)
				if t > 0 && t < 1 && p.Sub(e.from.Add(d.Mul(t))).Norm() <= near {
					cuts = append(cuts, t)
				}
			}
			g := f.to.Sub(f.from)
			c := d.Cross(g)
			if c == 0 {
				continue
			}
			t, u := f.from.Sub(e.from).Cross(g)/c, f.from.Sub(e.from).Cross(d)/c
			if t > 0 && t < 1 && u > 0 && u < 1 {
				cuts = append(cuts, t)
			}
		}
		slices.Sort(cuts)
		last := e.from
		for _, t := range cuts[1:] {
			p := e.from.Add(d.Mul(t))
			if t == 1 {
				p = e.to
			}
			if p.Sub(last).Norm() > near {
				out = append(out, arc{last, p})
				last = p
			}
		}
	}
	return out
}

func (a arc) box() r2.Rect { return r2.RectFromPoints(a.from, a.to).ExpandedByMargin(near) }

// winding is how often the loops go around a point.
func (o *overlay) winding(p r2.Point) (n int) {
	for _, l := range o.loops {
		for i, a := range l {
			b := l[(i+1)%len(l)]
			if a.Y <= p.Y == (b.Y <= p.Y) {
				continue
			}
			if side := b.Sub(a).Cross(p.Sub(a)); a.Y <= p.Y && side > 0 {
				n++
			} else if a.Y > p.Y && side < 0 {
				n--
			}
		}
	}
	return n
}

// area returns the loops around the area around which all loops go at least
// least times: it lies on their left.
func (o *overlay) area(least int) (out [][]s2.Point) {
	var kept []arc
	for _, a := range o.arcs() {
		mid, d := a.from.Add(a.to).Mul(0.5), a.to.Sub(a.from)
		step := r2.Point{X: -d.Y, Y: d.X}.Mul(min(1e-3, 3e-10/d.Norm()))
		if o.winding(mid.Add(step)) < least || o.winding(mid.Sub(step)) >= least {
			continue
		}
		if !slices.ContainsFunc(kept, func(k arc) bool { return k.from.Sub(a.from).Norm() <= 2*near && k.to.Sub(a.to).Norm() <= 2*near }) {
			kept = append(kept, a)
		}
	}
	used := make([]bool, len(kept))
	for i := range kept {
		if used[i] {
			continue
		}
		var ring []r2.Point
		for at := i; at >= 0 && !used[at]; {
			used[at] = true
			ring = append(ring, kept[at].from)
			at = o.next(kept, used, kept[at])
		}
		if len(ring) > 2 {
			out = append(out, o.smooth(ring))
		}
	}
	return out
}

// next is the arc that goes on where one ends, the one most to the left if there are several, so
// that loops which touch in a point stay apart; -1 if there is none.
func (o *overlay) next(kept []arc, used []bool, a arc) int {
	best, angle := -1, 0.0
	in := a.to.Sub(a.from)
	for i, k := range kept {
		if used[i] || k.from.Sub(a.to).Norm() > 4*near {
			continue
		}
		d := k.to.Sub(k.from)
		if turn := libm.Atan2(in.Cross(d), in.Dot(d)); best < 0 || turn > angle {
			best, angle = i, turn
		}
	}
	return best
}

// smooth leaves out points between arcs that were one edge.
func (o *overlay) smooth(ring []r2.Point) (out []s2.Point) {
	for i, p := range ring {
		a, b := ring[(i+len(ring)-1)%len(ring)], ring[(i+1)%len(ring)]
		if d := b.Sub(a); math.Abs(d.Cross(p.Sub(a))) <= near*d.Norm() && p.Sub(a).Dot(b.Sub(p)) > 0 {
			continue
		}
		out = append(out, o.back(p))
	}
	return out
}

// ringsOf are the loops of polygons with the area on their left.
func ringsOf(polygons []*s2.Polygon) (out [][]s2.Point) {
	for _, g := range polygons {
		for _, l := range g.Loops() {
			ring := slices.Clone(l.Vertices())
			if l.IsHole() {
				slices.Reverse(ring)
			}
			out = append(out, ring)
		}
	}
	return out
}

// united is the area of all polygons together.
func united(polygons []*s2.Polygon) ([][]s2.Point, error) {
	o, err := newOverlay(ringsOf(polygons))
	if err != nil {
		return nil, err
	}
	return o.area(1), nil
}

// polygonsOf makes polygons of loops: those that go the other way are holes of
// the smallest one around them.
func polygonsOf(rings [][]s2.Point) (out []*s2.Polygon) {
	var shells, holes []*s2.Loop
	for _, r := range rings {
		l := s2.LoopFromPoints(r)
		if l.TurningAngle() >= 0 {
			shells = append(shells, l)
			continue
		}
		l.Invert()
		holes = append(holes, l)
	}
	slices.SortStableFunc(shells, func(a, b *s2.Loop) int { return cmp.Compare(a.Area(), b.Area()) })
	of := make([][]*s2.Loop, len(shells))
	for _, h := range holes {
		for i, s := range shells {
			if s.ContainsPoint(h.Centroid()) || s.ContainsPoint(h.Vertex(0)) {
				of[i] = append(of[i], h)
				break
			}
		}
	}
	for i, s := range shells {
		out = append(out, s2.PolygonFromLoops(append([]*s2.Loop{s}, of[i]...)))
	}
	return out
}

// GeoPolygonsUnion is geo_union_polygons_array(polygons).
func GeoPolygonsUnion(a []any) (any, error) {
	polygons, ok := readPolygonArray(a[0])
	if !ok {
		return nil, nil
	}
	rings, err := united(polygons)
	if err != nil {
		return nil, err
	}
	return polygonsGeometry(polygonsOf(rings), func(r []s2.Point) []s2.Point { return r }).out()
}

// readPolygonArray reads an array of polygons.
func readPolygonArray(a any) (out []*s2.Polygon, ok bool) {
	for _, v := range parse(a).Items {
		text, err := v.out()
		if err != nil {
			return nil, false
		}
		list, fine := readPolygons(text)
		if !fine {
			return nil, false
		}
		out = append(out, list...)
	}
	return out, len(out) > 0
}

// GeoPolygonsSimplify is geo_simplify_polygons_array(polygons, tolerance): the
// polygons put together, with fewer points.
func GeoPolygonsSimplify(a []any) (any, error) {
	tolerance := realOr(a[1], 10)
	if !(tolerance >= 0) || tolerance > earth {
		return nil, nil
	}
	whole, err := GeoPolygonsUnion(a[:1])
	if err != nil || whole == nil {
		return nil, err
	}
	return GeoPolygonSimplify([]any{whole, tolerance})
}

// GeoPolygonsIntersection is geo_intersection_2polygons: what both have in
// common, an area, else the points in which they touch.
func GeoPolygonsIntersection(a []any) (any, error) {
	x, ok := readPolygons(a[0])
	y, ok2 := readPolygons(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	xs, err := united(x)
	if err != nil {
		return nil, err
	}
	ys, err := united(y)
	if err != nil {
		return nil, err
	}
	o, err := newOverlay(slices.Concat(xs, ys))
	if err != nil {
		return nil, err
	}
	if rings := o.area(2); len(rings) > 0 {
		return polygonsGeometry(polygonsOf(rings), func(r []s2.Point) []s2.Point { return r }).out()
	}
	const touch = 1e-9 // radians, some millimeters
	var points []s2.Point
	for _, pair := range [2][2][]*s2.Polygon{{x, y}, {y, x}} {
		walls := polygonEdges(pair[1])
		for _, e := range polygonEdges(pair[0]) {
			_, d := nearest(e.V0, walls)
			if d < touch && !slices.ContainsFunc(points, func(p s2.Point) bool { return p.Distance(e.V0) < touch }) {
				points = append(points, e.V0)
			}
		}
	}
	return pointsGeometry(points).out()
}
