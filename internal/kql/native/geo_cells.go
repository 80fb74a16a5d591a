package native

import (
	"math"
	"strings"

	"github.com/golang/geo/s2"
	"github.com/uber/h3-go/v4"
)

// maxCells bounds the coverings of shapes.
const maxCells = 65_536

// wholeIn reads an optional number that must be a whole one within bounds.
func wholeIn(a any, def, least, most int) (int, bool) {
	f := realOr(a, float64(def))
	return int(f), f == math.Trunc(f) && f >= float64(least) && f <= float64(most)
}

const geohashDigits = "0123456789bcdefghjkmnpqrstuvwxyz"

// GeohashOf is geo_point_to_geohash(longitude, latitude, accuracy).
func GeohashOf(a []any) (any, error) {
	_, ok := points(a[:2])
	n, ok2 := wholeIn(a[2], 5, 1, 18)
	if !ok || !ok2 {
		return "", nil
	}
	return geohash(a[0].(float64), a[1].(float64), n), nil
}

func geohash(lng, lat float64, n int) string {
	lo, hi := [2]float64{-180, -90}, [2]float64{180, 90}
	at := [2]float64{lng, lat}
	var b strings.Builder
	for i := range n {
		digit := 0
		for k := range 5 {
			axis := (i*5 + k) % 2
			mid := (lo[axis] + hi[axis]) / 2
			digit <<= 1
			if at[axis] >= mid {
				digit |= 1
				lo[axis] = mid
			} else {
				hi[axis] = mid
			}
		}
		b.WriteByte(geohashDigits[digit])
	}
	return b.String()
}

// geohashBox finds the corner in the south-west and the one in the north-east.
func geohashBox(s string) (lo, hi [2]float64, ok bool) {
	lo, hi = [2]float64{-180, -90}, [2]float64{180, 90}
	if s == "" || len(s) > 18 {
		return lo, hi, false
	}
	for i, r := range []byte(s) {
		digit := strings.IndexByte(geohashDigits, r)
		if digit < 0 {
			return lo, hi, false
		}
		for k := range 5 {
			axis := (i*5 + k) % 2
			mid := (lo[axis] + hi[axis]) / 2
			if digit>>(4-k)&1 == 1 {
				lo[axis] = mid
			} else {
				hi[axis] = mid
			}
		}
	}
	return lo, hi, true
}

func pair2(lng, lat float64) Value { return array([]Value{real(lng), real(lat)}) }

// GeohashCenter is geo_geohash_to_central_point.
func GeohashCenter(a []any) (any, error) {
	lo, hi, ok := geohashBox(a[0].(string))
	if !ok {
		return nil, nil
	}
	return geometry("Point", pair2((lo[0]+hi[0])/2, (lo[1]+hi[1])/2)).out()
}

// GeohashPolygon is geo_geohash_to_polygon.
func GeohashPolygon(a []any) (any, error) {
	lo, hi, ok := geohashBox(a[0].(string))
	if !ok {
		return nil, nil
	}
	first := pair2(lo[0], lo[1])
	return geometry("Polygon", array([]Value{array([]Value{first, pair2(hi[0], lo[1]), pair2(hi[0], hi[1]), pair2(lo[0], hi[1]), first})})).out()
}

// GeohashNeighbors is geo_geohash_neighbors: from the west over the south and the east to the north.
func GeohashNeighbors(a []any) (any, error) {
	s := a[0].(string)
	lo, hi, ok := geohashBox(s)
	if !ok {
		return nil, nil
	}
	w, h := hi[0]-lo[0], hi[1]-lo[1]
	var out []Value
	for _, d := range [][2]float64{{-1, 0}, {-1, -1}, {0, -1}, {1, -1}, {1, 1}, {1, 0}, {0, 1}, {-1, 1}} {
		lng, lat := (lo[0]+hi[0])/2+d[0]*w, (lo[1]+hi[1])/2+d[1]*h
		if math.Abs(lat) > 90 {
			continue
		}
		out = append(out, str(geohash(math.Remainder(lng, 360), lat, len(s))))
	}
	return array(out).out()
}

// S2CellOf is geo_point_to_s2cell(longitude, latitude, level).
func S2CellOf(a []any) (any, error) {
	p, ok := points(a[:2])
	level, ok2 := wholeIn(a[2], 11, 0, 30)
	if !ok || !ok2 {
		return "", nil
	}
	return s2.CellIDFromLatLng(s2.LatLngFromPoint(p[0])).Parent(level).ToToken(), nil
}

func s2cell(a any) (s2.CellID, bool) {
	s := a.(string)
	id := s2.CellIDFromToken(s)
	return id, id.IsValid() && strings.EqualFold(id.ToToken(), s)
}

// S2CellCenter is geo_s2cell_to_central_point.
func S2CellCenter(a []any) (any, error) {
	id, ok := s2cell(a[0])
	if !ok {
		return nil, nil
	}
	return pointGeometry(id.Point())
}

// S2CellPolygon is geo_s2cell_to_polygon.
func S2CellPolygon(a []any) (any, error) {
	id, ok := s2cell(a[0])
	if !ok {
		return nil, nil
	}
	c := s2.CellFromCellID(id)
	var ring []s2.Point
	for k := range 5 {
		ring = append(ring, c.Vertex(k%4))
	}
	return geometry("Polygon", array([]Value{line2(ring)})).out()
}

// S2CellNeighbors is geo_s2cell_neighbors.
func S2CellNeighbors(a []any) (any, error) {
	id, ok := s2cell(a[0])
	if !ok {
		return nil, nil
	}
	return tokens(id.AllNeighbors(id.Level())).out()
}

func tokens(ids []s2.CellID) Value {
	out := make([]Value, len(ids))
	for i, id := range ids {
		out[i] = str(id.ToToken())
	}
	return array(out)
}

// covering lists the cells of one level that meet regions.
func covering(regions []s2.Region, level int) Value {
	c := &s2.RegionCoverer{MinLevel: level, MaxLevel: level, MaxCells: maxCells}
	var all s2.CellUnion
	for _, r := range regions {
		all = append(all, c.Covering(r)...)
	}
	all.Normalize()
	all.Denormalize(level, 1)
	if len(all) > maxCells {
		return Value{}
	}
	return tokens(all)
}

// tooFine refuses coverings that would have far too many cells before any
// is computed: area and length are in units of the sphere.
func tooFine(area, length float64, level int) bool {
	side := math.Ldexp(1.4, -level)
	return area/(side*side)+2*length/side > 2*maxCells
}

// PolygonS2Cells is geo_polygon_to_s2cells(polygon, level, radius).
func PolygonS2Cells(a []any) (any, error) {
	shape, err := widened(a[0], a[2], GeoPolygonBuffer)
	if err != nil || shape == nil {
		return nil, err
	}
	polygons, ok := readPolygons(shape)
	level, ok2 := wholeIn(a[1], 11, 0, 30)
	if !ok || !ok2 {
		return nil, nil
	}
	var regions []s2.Region
	area, length := 0.0, 0.0
	for _, g := range polygons {
		regions, area = append(regions, g), area+g.Area()
	}
	for _, e := range polygonEdges(polygons) {
		length += e.V0.Distance(e.V1).Radians()
	}
	if tooFine(area, length, level) {
		return nil, nil
	}
	return covering(regions, level).out()
}

// LineS2Cells is geo_line_to_s2cells(line, level, radius).
func LineS2Cells(a []any) (any, error) {
	if realOr(a[2], 0) != 0 {
		shape, err := widened(a[0], a[2], GeoLineBuffer)
		if err != nil || shape == nil {
			return nil, err
		}
		return PolygonS2Cells([]any{shape, a[1], nil})
	}
	lines, ok := readLines(a[0])
	level, ok2 := wholeIn(a[1], 11, 0, 30)
	if !ok || !ok2 {
		return nil, nil
	}
	var regions []s2.Region
	length := 0.0
	for i := range lines {
		regions, length = append(regions, &lines[i]), length+lines[i].Length().Radians()
	}
	if tooFine(0, length, level) {
		return nil, nil
	}
	return covering(regions, level).out()
}

// H3CellOf is geo_point_to_h3cell(longitude, latitude, resolution).
func H3CellOf(a []any) (any, error) {
	_, ok := points(a[:2])
	level, ok2 := wholeIn(a[2], 6, 0, 15)
	if !ok || !ok2 {
		return "", nil
	}
	return h3.LatLngToCell(h3.NewLatLng(a[1].(float64), a[0].(float64)), level).String(), nil
}

func h3cell(a any) (h3.Cell, bool) {
	c := h3.Cell(h3.IndexFromString(a.(string)))
	return c, c.IsValid() && strings.EqualFold(c.String(), a.(string))
}

func h3Names(cells []h3.Cell) Value {
	out := make([]Value, len(cells))
	for i, c := range cells {
		out[i] = str(c.String())
	}
	return array(out)
}

// H3Center is geo_h3cell_to_central_point.
func H3Center(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok {
		return nil, nil
	}
	ll := c.LatLng()
	return geometry("Point", pair2(ll.Lng, ll.Lat)).out()
}

// H3Polygon is geo_h3cell_to_polygon.
func H3Polygon(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok {
		return nil, nil
	}
	var ring []Value
	for _, ll := range c.Boundary() {
		ring = append(ring, pair2(ll.Lng, ll.Lat))
	}
	return geometry("Polygon", array([]Value{array(append(ring, ring[0]))})).out()
}

// H3Level is geo_h3cell_level.
func H3Level(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok {
		return nil, nil
	}
	return int32(c.Resolution()), nil
}

// H3Parent is geo_h3cell_parent(cell, resolution).
func H3Parent(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok || c.Resolution() == 0 {
		return "", nil
	}
	level, ok := wholeIn(a[1], c.Resolution()-1, 0, c.Resolution()-1)
	if !ok {
		return "", nil
	}
	return c.Parent(level).String(), nil
}

// H3Children is geo_h3cell_children(cell, resolution): at most six levels below.
func H3Children(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok || c.Resolution() == 15 {
		return nil, nil
	}
	level, ok := wholeIn(a[1], c.Resolution()+1, c.Resolution()+1, min(15, c.Resolution()+5))
	if !ok {
		return nil, nil
	}
	return h3Names(c.Children(level)).out()
}

// H3Rings is geo_h3cell_rings(cell, distance): an array for each distance.
func H3Rings(a []any) (any, error) {
	c, ok := h3cell(a[0])
	k, ok2 := wholeIn(a[1], 1, 0, 142)
	if !ok || !ok2 {
		return nil, nil
	}
	var out []Value
	for _, ring := range c.GridDiskDistances(k) {
		out = append(out, h3Names(ring))
	}
	return array(out).out()
}

// H3Neighbors is geo_h3cell_neighbors.
func H3Neighbors(a []any) (any, error) {
	c, ok := h3cell(a[0])
	if !ok {
		return nil, nil
	}
	return h3Names(c.GridDiskDistances(1)[1]).out()
}

// PolygonH3Cells is geo_polygon_to_h3cells(polygon, resolution, radius): the cells
// whose middle is inside.
func PolygonH3Cells(a []any) (any, error) {
	around, err := widened(a[0], a[2], GeoPolygonBuffer)
	if err != nil || around == nil {
		return nil, err
	}
	polygons, ok := readPolygons(around)
	level, ok2 := wholeIn(a[1], 6, 0, 15)
	if !ok || !ok2 {
		return nil, nil
	}
	var out []h3.Cell
	for _, g := range polygons {
		if g.Area()*earth*earth/h3.HexagonAreaAvgM2(level) > maxCells {
			return nil, nil
		}
		var shape h3.GeoPolygon
		for i, l := range g.Loops() {
			var ring h3.GeoLoop
			for _, p := range l.Vertices() {
				lng, lat := inDegrees(p)
				ring = append(ring, h3.NewLatLng(lat, lng))
			}
			if i == 0 {
				shape.GeoLoop = ring
			} else {
				shape.Holes = append(shape.Holes, ring)
			}
		}
		out = append(out, h3.PolygonToCells(shape, level)...)
	}
	return h3Names(out).out()
}
