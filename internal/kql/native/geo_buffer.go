package native

import (
	"math"
	"slices"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"logkeep/internal/kql/libm"
)

// A buffer makes the area around a shape: its edges moved to the right, and
// arcs around its corners.
type buffer struct {
	radius, step float64 // radians
}

// newBuffer reads radius and tolerance in meters; ok is false if they can't be.
func newBuffer(radius, tolerance any) (b buffer, ok bool) {
	r, isReal := radius.(float64)
	t := realOr(tolerance, 10)
	if !isReal || !(r > 0) || !(t > 0) || r > earth || t > earth {
		return b, false
	}
	// An edge of this angle is by the tolerance nearer than the radius.
	return buffer{r / earth, 2 * libm.Acos(1-math.Min(t/r, 0.9))}, true
}

// side is the direction to the right of the edge from a to b.
func side(a, b s2.Point) s2.Point { return s2.Point{Vector: b.Cross(a.Vector).Normalize()} }

// at is the point beside v in a direction.
func (b buffer) at(v, direction s2.Point) s2.Point {
	return s2.Point{Vector: v.Mul(libm.Cos(b.radius)).Add(direction.Mul(libm.Sin(b.radius))).Normalize()}
}

// turn is the angle from one direction at v to another, to the left.
func turn(v, from, to s2.Point) float64 {
	return libm.Atan2(v.Dot(from.Cross(to.Vector)), from.Dot(to.Vector))
}

// arc adds the points around v from one direction to another, without the last.
func (b buffer) arc(out []s2.Point, v, from, to s2.Point, angle float64) []s2.Point {
	across := s2.Point{Vector: v.Cross(from.Vector)}
	for x := 0.0; x < angle-1e-9; x += b.step {
		d := s2.Point{Vector: from.Mul(libm.Cos(x)).Add(across.Mul(libm.Sin(x)))}
		out = append(out, b.at(v, d))
	}
	return out
}

// corner goes around the vertex v between two edges.
func (b buffer) corner(out []s2.Point, before, v, after s2.Point) []s2.Point {
	from, to := side(before, v), side(v, after)
	angle := turn(v, from, to)
	if angle < 0 { // to the right: what is too much lies inside
		return append(out, b.at(v, from), v, b.at(v, to))
	}
	return append(b.arc(out, v, from, to, angle), b.at(v, to))
}

// ring is the loop around a closed ring with the area on its left.
func (b buffer) ring(v []s2.Point) (out []s2.Point) {
	n := len(v)
	for i := range v {
		out = b.corner(out, v[(i+n-1)%n], v[i], v[(i+1)%n])
	}
	return out
}

// line is the loop around a line: there and back, with half circles at its ends.
func (b buffer) line(l s2.Polyline) (out []s2.Point) {
	n := len(l)
	end := func(v, from s2.Point) {
		to := s2.Point{Vector: from.Mul(-1)}
		out = append(b.arc(out, v, from, to, math.Pi), b.at(v, to))
	}
	end(l[0], side(l[1], l[0]))
	for i := 1; i < n-1; i++ {
		out = b.corner(out, l[i-1], l[i], l[i+1])
	}
	end(l[n-1], side(l[n-2], l[n-1]))
	for i := n - 2; i > 0; i-- {
		out = b.corner(out, l[i+1], l[i], l[i-1])
	}
	return out
}

// outlined makes polygons of loops, of which parts may lie over each other.
func outlined(loops [][]s2.Point) (any, error) {
	if len(loops) == 1 {
		if l := s2.LoopFromPoints(loops[0]); l.Validate() == nil && !crossesItself(l) {
			return polygonsGeometry([]*s2.Polygon{s2.PolygonFromLoops([]*s2.Loop{l})}, func(r []s2.Point) []s2.Point { return r }).out()
		}
	}
	o, err := newOverlay(loops)
	if err != nil {
		return nil, err
	}
	return polygonsGeometry(polygonsOf(o.area(1)), func(r []s2.Point) []s2.Point { return r }).out()
}

// GeoPointBuffer is geo_point_buffer(longitude, latitude, radius, tolerance).
func GeoPointBuffer(a []any) (any, error) {
	p, ok := points(a[:2])
	b, ok2 := newBuffer(a[2], a[3])
	if !ok || !ok2 {
		return nil, nil
	}
	n := max(int(math.Ceil(2*math.Pi/b.step)), 3)
	l := s2.RegularLoop(p[0], s1.Angle(b.radius), n)
	return polygonsGeometry([]*s2.Polygon{s2.PolygonFromLoops([]*s2.Loop{l})}, func(r []s2.Point) []s2.Point { return r }).out()
}

// GeoLineBuffer is geo_line_buffer(line, radius, tolerance).
func GeoLineBuffer(a []any) (any, error) {
	lines, ok := readLines(a[0])
	b, ok2 := newBuffer(a[1], a[2])
	if !ok || !ok2 {
		return nil, nil
	}
	var loops [][]s2.Point
	for _, l := range lines {
		loops = append(loops, b.line(l))
	}
	return outlined(loops)
}

// GeoPolygonBuffer is geo_polygon_buffer(polygon, radius, tolerance).
func GeoPolygonBuffer(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	b, ok2 := newBuffer(a[1], a[2])
	if !ok || !ok2 {
		return nil, nil
	}
	var loops [][]s2.Point
	for _, g := range polygons {
		for _, l := range g.Loops() {
			ring := slices.Clone(l.Vertices())
			if l.IsHole() {
				slices.Reverse(ring)
			}
			loops = append(loops, b.ring(ring))
		}
	}
	return outlined(loops)
}
