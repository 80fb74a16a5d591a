package native

import (
	"math"
	"strings"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"logkeep/internal/kql/libm"
)

// earth is the radius of the sphere on which distances are measured, in meters.
const earth = 6371010.0

func meters(a s1.Angle) float64 { return a.Radians() * earth }

// point makes a place of degrees; ok is false if there is no such place.
func point(lng, lat float64) (s2.Point, bool) {
	if !(math.Abs(lng) <= 180 && math.Abs(lat) <= 90) {
		return s2.Point{}, false
	}
	return onSphere(lng, lat), true
}

// onSphere and inDegrees turn degrees into a place and back. They are those of
// package s2, but for the library that computes sines: see libm.
func onSphere(lng, lat float64) s2.Point {
	phi, theta := lat*(math.Pi/180), lng*(math.Pi/180)
	c := libm.Cos(phi)
	return s2.Point{Vector: r3.Vector{X: libm.Cos(theta) * c, Y: libm.Sin(theta) * c, Z: libm.Sin(phi)}}
}

func inDegrees(p s2.Point) (lng, lat float64) {
	return libm.Atan2(p.Y, p.X) * (180 / math.Pi), libm.Atan2(p.Z, math.Sqrt(p.X*p.X+p.Y*p.Y)) * (180 / math.Pi)
}

// points reads pairs of longitude and latitude from arguments.
func points(a []any) (out []s2.Point, ok bool) {
	for i := 0; i+1 < len(a); i += 2 {
		lng, ok1 := a[i].(float64)
		lat, ok2 := a[i+1].(float64)
		p, ok3 := point(lng, lat)
		if !ok1 || !ok2 || !ok3 {
			return nil, false
		}
		out = append(out, p)
	}
	return out, true
}

func coordinates(p s2.Point) Value {
	lng, lat := inDegrees(p)
	return array([]Value{real(lng), real(lat)})
}

func geometry(kind string, coordinates Value) Value {
	return Value{Kind: Bag, Names: []string{"type", "coordinates"}, Items: []Value{str(kind), coordinates}}
}

func pointGeometry(p s2.Point) (any, error) { return geometry("Point", coordinates(p)).out() }

func line2(v []s2.Point) Value {
	out := make([]Value, len(v))
	for i, p := range v {
		out[i] = coordinates(p)
	}
	return array(out)
}

// readPoints reads an array of [longitude, latitude]. Longitudes may go around once more.
func readPoints(v Value) (out []s2.Point, ok bool) {
	if v.Kind != Array {
		return nil, false
	}
	for _, x := range v.Items {
		if len(x.Items) < 2 {
			return nil, false
		}
		lng, ok1 := x.Items[0].number()
		lat, ok2 := x.Items[1].number()
		if !ok1 || !ok2 || math.Abs(lng) > 360 || math.Abs(lat) > 90 {
			return nil, false
		}
		out = append(out, onSphere(lng, lat))
	}
	return out, true
}

// readLines reads a LineString or MultiLineString.
func readLines(a any) (out []s2.Polyline, ok bool) {
	v := parse(a)
	kind, _ := v.Get("type")
	c, _ := v.Get("coordinates")
	var parts []Value
	switch strings.ToLower(kind.Str) {
	case "linestring":
		parts = []Value{c}
	case "multilinestring":
		parts = c.Items
	}
	for _, p := range parts {
		v, fine := readPoints(p)
		if !fine || len(v) < 2 {
			return nil, false
		}
		l := s2.Polyline(v)
		if l.Validate() != nil {
			return nil, false
		}
		out = append(out, l)
	}
	return out, len(out) > 0
}

// readPolygons reads a Polygon or MultiPolygon: for each its loops, the first
// of which is the outer one. All are on the left of their edges.
func readPolygons(a any) (out []*s2.Polygon, ok bool) {
	v := parse(a)
	kind, _ := v.Get("type")
	c, _ := v.Get("coordinates")
	var parts []Value
	switch strings.ToLower(kind.Str) {
	case "polygon":
		parts = []Value{c}
	case "multipolygon":
		parts = c.Items
	}
	for _, p := range parts {
		var loops []*s2.Loop
		for _, ring := range p.Items {
			v, fine := readPoints(ring)
			if !fine || len(v) < 4 || !v[0].ApproxEqual(v[len(v)-1]) {
				return nil, false
			}
			l := s2.LoopFromPoints(v[:len(v)-1])
			if l.Validate() != nil || crossesItself(l) {
				return nil, false
			}
			l.Normalize()
			loops = append(loops, l)
		}
		if len(loops) == 0 {
			return nil, false
		}
		polygon := s2.PolygonFromLoops(loops)
		if polygon.Validate() != nil {
			return nil, false
		}
		out = append(out, polygon)
	}
	return out, len(out) > 0
}

// maxSelfCheck is up to how many edges a loop is looked at for crossings.
const maxSelfCheck = 2000

func crossesItself(l *s2.Loop) bool {
	n := l.NumVertices()
	if n > maxSelfCheck {
		return false
	}
	for i := range n {
		for j := i + 2; j < n; j++ {
			if i == 0 && j == n-1 {
				continue
			}
			if s2.CrossingSign(l.Vertex(i), l.Vertex(i+1), l.Vertex(j), l.Vertex(j+1)) == s2.Cross {
				return true
			}
		}
	}
	return false
}

// GeoDistance is geo_distance_2points, on the sphere unless the fifth argument asks for the spheroid.
func GeoDistance(a []any) (any, error) {
	p, ok := points(a[:4])
	if !ok {
		return nil, nil
	}
	p0, p1 := s2.LatLngFromPoint(p[0]), s2.LatLngFromPoint(p[1])
	if spheroid, _ := a[4].(bool); spheroid {
		return spheroidDistance(p0, p1), nil
	}
	dlat, dlng := libm.Sin((p1.Lat-p0.Lat).Radians()/2), libm.Sin((p1.Lng-p0.Lng).Radians()/2)
	h := dlat*dlat + libm.Cos(p0.Lat.Radians())*libm.Cos(p1.Lat.Radians())*dlng*dlng
	return 2 * earth * libm.Asin(math.Sqrt(min(1, h))), nil
}

// bearing is the direction from p to q, clockwise from the north.
func bearing(p, q s2.Point) float64 {
	a, b := s2.LatLngFromPoint(p), s2.LatLngFromPoint(q)
	d := (b.Lng - a.Lng).Radians()
	la, lb := a.Lat.Radians(), b.Lat.Radians()
	t := libm.Atan2(libm.Sin(d)*libm.Cos(lb), libm.Cos(la)*libm.Sin(lb)-libm.Sin(la)*libm.Cos(lb)*libm.Cos(d))
	return around(t)
}

func around(angle float64) float64 {
	if angle < 0 {
		angle += 2 * math.Pi
	}
	return angle
}

// GeoAzimuth is geo_azimuth.
func GeoAzimuth(a []any) (any, error) {
	p, ok := points(a)
	if !ok || p[0] == p[1] {
		return nil, nil
	}
	return bearing(p[0], p[1]), nil
}

// GeoAngle is geo_angle: clockwise from the first line to the second, seen from the middle point.
func GeoAngle(a []any) (any, error) {
	p, ok := points(a)
	if !ok || p[0] == p[1] || p[1] == p[2] {
		return nil, nil
	}
	return around(bearing(p[1], p[2]) - bearing(p[1], p[0])), nil
}

// GeoInCircle is geo_point_in_circle.
func GeoInCircle(a []any) (any, error) {
	d, err := GeoDistance(a)
	radius := a[4].(float64)
	if d == nil || err != nil || !(radius >= 0) {
		return nil, err
	}
	return d.(float64) <= radius, nil
}

// GeoInPolygon is geo_point_in_polygon.
func GeoInPolygon(a []any) (any, error) {
	p, ok := points(a[:2])
	polygons, ok2 := readPolygons(a[2])
	if !ok || !ok2 {
		return nil, nil
	}
	return inside(p[0], polygons), nil
}

func inside(p s2.Point, polygons []*s2.Polygon) bool {
	for _, g := range polygons {
		if g.ContainsPoint(p) {
			return true
		}
	}
	return false
}

// edges lists the edges of lines or of polygons.
func lineEdges(lines []s2.Polyline) (out []s2.Edge) {
	for _, l := range lines {
		for i := range l.NumEdges() {
			out = append(out, l.Edge(i))
		}
	}
	return out
}

func polygonEdges(polygons []*s2.Polygon) (out []s2.Edge) {
	for _, g := range polygons {
		for i := range g.NumEdges() {
			out = append(out, g.Edge(i))
		}
	}
	return out
}

// nearest finds the point on edges that is nearest to p.
func nearest(p s2.Point, edges []s2.Edge) (best s2.Point, d s1.Angle) {
	d = s1.InfAngle()
	for _, e := range edges {
		if x := s2.DistanceFromSegment(p, e.V0, e.V1); x < d {
			d, best = x, s2.Project(p, e.V0, e.V1)
		}
	}
	return best, d
}

// GeoToLine is geo_distance_point_to_line (closest false) and geo_closest_point_on_line.
func GeoToLine(closest bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		p, ok := points(a[:2])
		lines, ok2 := readLines(a[2])
		if !ok || !ok2 {
			return nil, nil
		}
		q, d := nearest(p[0], lineEdges(lines))
		if closest {
			return pointGeometry(q)
		}
		return meters(d), nil
	}
}

// GeoToPolygon is geo_distance_point_to_polygon and geo_closest_point_on_polygon.
func GeoToPolygon(closest bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		p, ok := points(a[:2])
		polygons, ok2 := readPolygons(a[2])
		if !ok || !ok2 {
			return nil, nil
		}
		q, d := p[0], s1.Angle(0)
		if !inside(p[0], polygons) {
			q, d = nearest(p[0], polygonEdges(polygons))
		}
		if closest {
			return pointGeometry(q)
		}
		return meters(d), nil
	}
}
