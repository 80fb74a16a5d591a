package native

import (
	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"
)

// Cells of one shape in a lookup: more of them tell more places apart, and make
// more rows.
const lookupCells = 16

// leaf numbers the smallest cells along the curve, in the order of int64.
func leaf(c s2.CellID) int64 { return int64(uint64(c) ^ 1<<63) }

// GeoLeaf is the number of the smallest cell in which a place lies.
func GeoLeaf(a []any) (any, error) {
	p, ok := points(a[:2])
	if !ok {
		return nil, nil
	}
	return leaf(s2.CellFromPoint(p[0]).ID()), nil
}

// GeoCovering is the cells in or near which a polygon or line lies, as ranges
// [first, last] of GeoLeaf that do not overlap. No place that is at most radius
// meters away lies outside of them; many that are farther away do not either.
func GeoCovering(a []any) (any, error) {
	radius, ok := a[1].(float64)
	if !ok || !(radius >= 0) {
		return nil, nil
	}
	coverer := s2.RegionCoverer{MaxLevel: s2.MaxLevel, MaxCells: lookupCells}
	var cells s2.CellUnion
	if polygons, ok := readPolygons(a[0]); ok {
		for _, p := range polygons {
			cells = append(cells, coverer.Covering(p)...)
		}
	} else if lines, ok := readLines(a[0]); ok {
		for i := range lines {
			cells = append(cells, coverer.Covering(&lines[i])...)
		}
	}
	cells.Normalize()
	if radius > 0 && len(cells) > 0 {
		cells.ExpandByRadius(s1.Angle(radius/earth)*1.000001, 2)
		cells = coverer.Covering(&cells)
	}
	out := make([]Value, len(cells))
	for i, c := range cells {
		out[i] = array([]Value{long(leaf(c.RangeMin())), long(leaf(c.RangeMax()))})
	}
	return array(out).out()
}
