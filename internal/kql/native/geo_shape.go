package native

import (
	"math"
	"slices"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"logkeep/internal/kql/libm"
)

// GeoLineLength is geo_line_length.
func GeoLineLength(a []any) (any, error) {
	lines, ok := readLines(a[0])
	if !ok {
		return nil, nil
	}
	sum := s1.Angle(0)
	for _, l := range lines {
		sum += l.Length()
	}
	return meters(sum), nil
}

// GeoLineCentroid is geo_line_centroid.
func GeoLineCentroid(a []any) (any, error) {
	lines, ok := readLines(a[0])
	if !ok {
		return nil, nil
	}
	var sum s2.Point
	for _, l := range lines {
		sum.Vector = sum.Add(l.Centroid().Vector)
	}
	return pointGeometry(s2.Point{Vector: sum.Normalize()})
}

// GeoLineInterpolate is geo_line_interpolate_point(line, fraction).
func GeoLineInterpolate(a []any) (any, error) {
	lines, ok := readLines(a[0])
	f := a[1].(float64)
	if !ok || len(lines) != 1 || !(f >= 0 && f <= 1) {
		return nil, nil
	}
	p, _ := lines[0].Interpolate(f)
	return pointGeometry(p)
}

// GeoLineLocate is geo_line_locate_point(line, longitude, latitude, spheroid): a fraction.
func GeoLineLocate(a []any) (any, error) {
	lines, ok := readLines(a[0])
	p, ok2 := points(a[1:3])
	if !ok || !ok2 || len(lines) != 1 {
		return nil, nil
	}
	if spheroid, _ := a[3].(bool); spheroid {
		return spheroidLocate(lines[0], s2.LatLngFromPoint(p[0]))
	}
	q, next := lines[0].Project(p[0])
	return lines[0].Uninterpolate(q, next), nil
}

// GeoLineSimplify is geo_line_simplify(line, tolerance). A line that is shorter
// than the tolerance disappears.
func GeoLineSimplify(a []any) (any, error) {
	lines, ok := readLines(a[0])
	tolerance := realOr(a[1], 10)
	if !ok || !(tolerance >= 0) || tolerance > earth {
		return nil, nil
	}
	var out [][]s2.Point
	for _, l := range lines {
		var kept []s2.Point
		for _, i := range l.SubsampleVertices(s1.Angle(tolerance / earth)) {
			kept = append(kept, l[i])
		}
		if len(kept) > 2 || len(kept) == 2 && float64(kept[0].Distance(kept[1]))*earth >= tolerance {
			out = append(out, kept)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return linesGeometry(out).out()
}

func linesGeometry(lines [][]s2.Point) Value {
	if len(lines) == 1 {
		return geometry("LineString", line2(lines[0]))
	}
	var parts []Value
	for _, l := range lines {
		parts = append(parts, line2(l))
	}
	return geometry("MultiLineString", array(parts))
}

// A place in degrees, as it was written: longitude and latitude.
type degrees [2]float64

func (d degrees) point() s2.Point { return onSphere(d[0], d[1]) }

func readDegrees(v Value) []degrees {
	out := make([]degrees, len(v.Items))
	for i, x := range v.Items {
		out[i][0], _ = x.Items[0].number()
		out[i][1], _ = x.Items[1].number()
	}
	return out
}

// tessellate halves the edges of a line until straight lines in degrees stay
// within the tolerance of what is drawn on the sphere.
func tessellate(v []degrees, tolerance float64) []s2.Point {
	out := []s2.Point{v[0].point()}
	var split func(a, b degrees, depth int)
	split = func(a, b degrees, depth int) {
		p, q := a.point(), b.point()
		far := math.Abs(a[0]-b[0]) >= 180
		for _, t := range [...]float64{0.25, 0.5, 0.75} {
			m := degrees{a[0] + t*(b[0]-a[0]), a[1] + t*(b[1]-a[1])}.point()
			far = far || meters(m.Distance(s2.Interpolate(t, p, q))) > tolerance
		}
		if far && depth < 20 {
			m := degrees{(a[0] + b[0]) / 2, (a[1] + b[1]) / 2}
			split(a, m, depth+1)
			split(m, b, depth+1)
			return
		}
		out = append(out, q)
	}
	for i := range len(v) - 1 {
		split(v[i], v[i+1], 0)
	}
	return out
}

// unwrap cuts a line where it crosses the meridian of 180 degrees.
func unwrap(v []s2.Point) (out [][]s2.Point) {
	const edge = 179.999999999999
	last := []s2.Point{v[0]}
	for i := 1; i < len(v); i++ {
		a, _ := inDegrees(v[i-1])
		b, _ := inDegrees(v[i])
		if math.Abs(a-b) > 180 {
			n := v[i-1].Cross(v[i].Vector)
			lat := libm.Atan(n.X/n.Z) * 180 / math.Pi
			last = append(last, degrees{math.Copysign(edge, a), lat}.point())
			out = append(out, last)
			last = []s2.Point{degrees{math.Copysign(edge, b), lat}.point()}
		}
		last = append(last, v[i])
	}
	return append(out, last)
}

func validTolerance(a any) (float64, bool) {
	t := realOr(a, 10)
	return t, t >= 0.1 && t <= 10000
}

// crossing turns edges that go around most of the world into those that cross the
// meridian of 180 degrees instead.
func crossing(v []degrees) []degrees {
	out := slices.Clone(v)
	for i := 1; i < len(out); i++ {
		out[i][0] += 360 * math.Round((out[i-1][0]-out[i][0])/360)
	}
	return out
}

// GeoLineDensify is geo_line_densify(line, tolerance, preserve_crossing): an edge
// is what is straight in degrees, or with preserve_crossing the shorter way.
func GeoLineDensify(a []any) (any, error) {
	lines, ok := readLines(a[0])
	tolerance, ok2 := validTolerance(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	v := parse(a[0])
	c, _ := v.Get("coordinates")
	parts := []Value{c}
	if len(lines) > 1 {
		parts = c.Items
	}
	var out [][]s2.Point
	for _, p := range parts {
		if a[2] == true {
			out = append(out, tessellate(crossing(readDegrees(p)), tolerance))
		} else {
			out = append(out, unwrap(tessellate(readDegrees(p), tolerance))...)
		}
	}
	return linesGeometry(out).out()
}

// GeoPolygonDensify is geo_polygon_densify(polygon, tolerance, preserve_crossing).
func GeoPolygonDensify(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	tolerance, ok2 := validTolerance(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	written := map[s2.Point]degrees{}
	note := func(v Value) {
		for _, d := range readDegrees(v) {
			written[d.point()] = d
		}
	}
	v := parse(a[0])
	c, _ := v.Get("coordinates")
	for _, part := range c.Items {
		for _, ring := range part.Items {
			if len(ring.Items) > 0 && ring.Items[0].Kind == Array {
				note(ring)
			}
		}
		if len(part.Items) > 0 && len(part.Items[0].Items) > 0 && part.Items[0].Items[0].Kind != Array {
			note(part)
		}
	}
	return polygonsGeometry(polygons, func(ring []s2.Point) []s2.Point {
		line := make([]degrees, len(ring))
		for i, p := range ring {
			line[i] = written[p]
		}
		if a[2] == true {
			line = crossing(line)
		}
		return tessellate(line, tolerance)
	}).out()
}

// GeoPolygonSimplify is geo_polygon_simplify(polygon, tolerance).
func GeoPolygonSimplify(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	tolerance := realOr(a[1], 10)
	if !ok || !(tolerance >= 0) || tolerance > earth {
		return nil, nil
	}
	gone := false
	v := polygonsGeometry(polygons, func(ring []s2.Point) []s2.Point {
		l := s2.Polyline(ring)
		var kept []s2.Point
		for _, i := range l.SubsampleVertices(s1.Angle(tolerance / earth)) {
			kept = append(kept, l[i])
		}
		gone = gone || len(kept) < 4
		return kept
	})
	if gone {
		return nil, nil
	}
	return v.out()
}

// polygonsGeometry writes polygons; change gets every ring closed.
func polygonsGeometry(polygons []*s2.Polygon, change func([]s2.Point) []s2.Point) Value {
	var parts []Value
	for _, g := range polygons {
		var rings []Value
		for _, l := range g.Loops() {
			ring := slices.Clone(l.Vertices())
			rings = append(rings, line2(change(append(ring, ring[0]))))
		}
		parts = append(parts, array(rings))
	}
	if len(parts) == 1 {
		return geometry("Polygon", parts[0])
	}
	return geometry("MultiPolygon", array(parts))
}

// apart reports whether no polygon meets another; measures of those that do
// would count what they share twice.
func apart(polygons []*s2.Polygon) bool {
	for i, g := range polygons {
		for _, h := range polygons[i+1:] {
			if g.Intersects(h) {
				return false
			}
		}
	}
	return true
}

// disjoint are polygons of the same area that do not meet.
func disjoint(polygons []*s2.Polygon) ([]*s2.Polygon, error) {
	if apart(polygons) {
		return polygons, nil
	}
	rings, err := united(polygons)
	return polygonsOf(rings), err
}

// GeoPolygonArea is geo_polygon_area, in square meters.
func GeoPolygonArea(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	if !ok {
		return nil, nil
	}
	polygons, err := disjoint(polygons)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, g := range polygons {
		sum += g.Area()
	}
	return sum * earth * earth, nil
}

// GeoPolygonPerimeter is geo_polygon_perimeter.
func GeoPolygonPerimeter(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	if !ok {
		return nil, nil
	}
	polygons, err := disjoint(polygons)
	if err != nil {
		return nil, err
	}
	sum := s1.Angle(0)
	for _, e := range polygonEdges(polygons) {
		sum += e.V0.Distance(e.V1)
	}
	return meters(sum), nil
}

// GeoPolygonCentroid is geo_polygon_centroid.
func GeoPolygonCentroid(a []any) (any, error) {
	polygons, ok := readPolygons(a[0])
	if !ok {
		return nil, nil
	}
	polygons, err := disjoint(polygons)
	if err != nil {
		return nil, err
	}
	var sum s2.Point
	for _, g := range polygons {
		sum.Vector = sum.Add(g.Centroid().Vector)
	}
	return pointGeometry(s2.Point{Vector: sum.Normalize()})
}

// meet reports whether any edge of one list touches or crosses one of the other.
func meet(x, y []s2.Edge) bool {
	for _, e := range x {
		for _, f := range y {
			if s2.CrossingSign(e.V0, e.V1, f.V0, f.V1) != s2.DoNotCross {
				return true
			}
		}
	}
	return false
}

// GeoLinesIntersect is geo_intersects_2lines.
func GeoLinesIntersect(a []any) (any, error) {
	x, ok := readLines(a[0])
	y, ok2 := readLines(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	return meet(lineEdges(x), lineEdges(y)), nil
}

// GeoLinePolygonIntersect is geo_intersects_line_with_polygon.
func GeoLinePolygonIntersect(a []any) (any, error) {
	x, ok := readLines(a[0])
	y, ok2 := readPolygons(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	return inside(x[0][0], y) || meet(lineEdges(x), polygonEdges(y)), nil
}

// GeoPolygonsIntersect is geo_intersects_2polygons.
func GeoPolygonsIntersect(a []any) (any, error) {
	x, ok := readPolygons(a[0])
	y, ok2 := readPolygons(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	for _, g := range x {
		for _, h := range y {
			if g.Intersects(h) {
				return true, nil
			}
		}
	}
	return meet(polygonEdges(x), polygonEdges(y)), nil
}

// pointsGeometry is nothing, a point or several.
func pointsGeometry(v []s2.Point) Value {
	switch len(v) {
	case 0:
		return Value{Kind: Bag, Names: []string{"type", "geometries"}, Items: []Value{str("GeometryCollection"), array([]Value{})}}
	case 1:
		return geometry("Point", coordinates(v[0]))
	}
	return geometry("MultiPoint", line2(v))
}

// GeoLinesIntersection is geo_intersection_2lines: points, or the lines that
// both have in common.
func GeoLinesIntersection(a []any) (any, error) {
	x, ok := readLines(a[0])
	y, ok2 := readLines(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	var crossings []s2.Point
	var common [][]s2.Point
	for _, e := range lineEdges(x) {
		for _, f := range lineEdges(y) {
			if e == f || e.V0 == f.V1 && e.V1 == f.V0 {
				if n := len(common); n > 0 && common[n-1][len(common[n-1])-1] == e.V0 {
					common[n-1] = append(common[n-1], e.V1)
				} else {
					common = append(common, []s2.Point{e.V0, e.V1})
				}
				continue
			}
			var p s2.Point
			switch s2.CrossingSign(e.V0, e.V1, f.V0, f.V1) {
			case s2.Cross:
				p = s2.Intersection(e.V0, e.V1, f.V0, f.V1)
			case s2.MaybeCross:
				p = e.V0
				if e.V1 == f.V0 || e.V1 == f.V1 {
					p = e.V1
				}
			default:
				continue
			}
			if !slices.Contains(crossings, p) {
				crossings = append(crossings, p)
			}
		}
	}
	if len(common) > 0 {
		return linesGeometry(common).out()
	}
	return pointsGeometry(crossings).out()
}

// GeoLinePolygonIntersection is geo_intersection_line_with_polygon: the pieces
// of the line that lie inside.
func GeoLinePolygonIntersection(a []any) (any, error) {
	x, ok := readLines(a[0])
	y, ok2 := readPolygons(a[1])
	if !ok || !ok2 {
		return nil, nil
	}
	walls := polygonEdges(y)
	var pieces [][]s2.Point
	for _, e := range lineEdges(x) {
		cuts := []float64{0, 1}
		total := e.V0.Distance(e.V1)
		for _, w := range walls {
			if s2.CrossingSign(e.V0, e.V1, w.V0, w.V1) == s2.Cross {
				p := s2.Intersection(e.V0, e.V1, w.V0, w.V1)
				cuts = append(cuts, float64(e.V0.Distance(p)/total))
			}
		}
		slices.Sort(cuts)
		at := func(t float64) s2.Point {
			switch t {
			case 0:
				return e.V0
			case 1:
				return e.V1
			}
			return s2.Interpolate(t, e.V0, e.V1)
		}
		for i := range len(cuts) - 1 {
			if cuts[i] == cuts[i+1] || !inside(at((cuts[i]+cuts[i+1])/2), y) {
				continue
			}
			from, to := at(cuts[i]), at(cuts[i+1])
			if n := len(pieces); n > 0 && pieces[n-1][len(pieces[n-1])-1] == from {
				pieces[n-1] = append(pieces[n-1], to)
			} else {
				pieces = append(pieces, []s2.Point{from, to})
			}
		}
	}
	if len(pieces) == 0 {
		return pointsGeometry(nil).out()
	}
	return linesGeometry(pieces).out()
}
