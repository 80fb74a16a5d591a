package builtin

import "logkeep/internal/kql/native"

// geoRows are the functions on places. Shapes are GeoJSON, their edges are the
// shortest lines on a sphere, distances are meters. A place or shape that
// can't be makes the result null, or an empty string.
func geoRows() []Function {
	g := func(name, sig string, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Doc: doc}
	}
	const two, three = "(longitude1:real, latitude1:real, longitude2:real, latitude2:real", "(longitude:real, latitude:real, "
	return []Function{
		g("geo_distance_2points", two+", spheroid:bool?) real", native.GeoDistance, "The distance of two places."),
		g("geo_azimuth", two+") real", native.GeoAzimuth, "The direction from one place to another, in radians clockwise from the north."),
		g("geo_angle", two+", longitude3:real, latitude3:real) real", native.GeoAngle, "The angle at the second of three places, in radians clockwise."),
		g("geo_point_in_circle", "(longitude:real, latitude:real, center_longitude:real, center_latitude:real, radius:real) bool", native.GeoInCircle, "Whether a place is in a circle."),
		g("geo_point_in_polygon", three+"polygon:dynamic) bool", native.GeoInPolygon, "Whether a place is in a polygon."),
		g("geo_distance_point_to_line", three+"line:dynamic) real", native.GeoToLine(false), "The distance of a place from a line."),
		g("geo_closest_point_on_line", three+"line:dynamic) dynamic", native.GeoToLine(true), "The point of a line that is nearest to a place."),
		g("geo_distance_point_to_polygon", three+"polygon:dynamic) real", native.GeoToPolygon(false), "The distance of a place from a polygon."),
		g("geo_closest_point_on_polygon", three+"polygon:dynamic) dynamic", native.GeoToPolygon(true), "The point of a polygon that is nearest to a place."),
		g("geo_line_length", "(line:dynamic) real", native.GeoLineLength, "The length of a line."),
		g("geo_line_centroid", "(line:dynamic) dynamic", native.GeoLineCentroid, "The middle of a line."),
		g("geo_line_interpolate_point", "(line:dynamic, fraction:real) dynamic", native.GeoLineInterpolate, "The point at a fraction of a line."),
		g("geo_line_locate_point", "(line:dynamic, longitude:real, latitude:real, spheroid:bool?) real", native.GeoLineLocate, "The fraction of a line at which it is nearest to a place."),
		g("geo_line_simplify", "(line:dynamic, tolerance:real?) dynamic", native.GeoLineSimplify, "A line with fewer points."),
		g("geo_line_densify", "(line:dynamic, tolerance:real?, preserve_crossing:bool?) dynamic", native.GeoLineDensify, "A line with more points, so that it is straight in degrees."),
		g("geo_line_to_s2cells", "(line:dynamic, level:real?, radius:real?) dynamic", native.LineS2Cells, "The S2 cells that a line goes through."),
		g("geo_polygon_area", "(polygon:dynamic) real", native.GeoPolygonArea, "The area of a polygon."),
		g("geo_polygon_perimeter", "(polygon:dynamic) real", native.GeoPolygonPerimeter, "The length of a polygon's edges."),
		g("geo_polygon_centroid", "(polygon:dynamic) dynamic", native.GeoPolygonCentroid, "The middle of a polygon."),
		g("geo_polygon_densify", "(polygon:dynamic, tolerance:real?, preserve_crossing:bool?) dynamic", native.GeoPolygonDensify, "A polygon with more points, so that its edges are straight in degrees."),
		g("geo_polygon_to_s2cells", "(polygon:dynamic, level:real?, radius:real?) dynamic", native.PolygonS2Cells, "The S2 cells that meet a polygon."),
		g("geo_polygon_simplify", "(polygon:dynamic, tolerance:real?) dynamic", native.GeoPolygonSimplify, "A polygon with fewer points."),
		g("geo_polygon_to_h3cells", "(polygon:dynamic, resolution:real?, radius:real?) dynamic", native.PolygonH3Cells, "The H3 cells whose middle is inside of a polygon."),
		g("geo_intersects_2lines", "(a:dynamic, b:dynamic) bool", native.GeoLinesIntersect, "Whether two lines meet."),
		g("geo_intersects_line_with_polygon", "(line:dynamic, polygon:dynamic) bool", native.GeoLinePolygonIntersect, "Whether a line and a polygon meet."),
		g("geo_intersects_2polygons", "(a:dynamic, b:dynamic) bool", native.GeoPolygonsIntersect, "Whether two polygons meet."),
		g("geo_intersection_2lines", "(a:dynamic, b:dynamic) dynamic", native.GeoLinesIntersection, "Where two lines meet."),
		g("geo_intersection_line_with_polygon", "(line:dynamic, polygon:dynamic) dynamic", native.GeoLinePolygonIntersection, "The pieces of a line inside of a polygon."),
		g("geo_intersection_2polygons", "(a:dynamic, b:dynamic) dynamic", native.GeoPolygonsIntersection, "What two polygons have in common."),
		g("geo_union_polygons_array", "(polygons:dynamic) dynamic", native.GeoPolygonsUnion, "The area of several polygons together."),
		g("geo_union_lines_array", "(lines:dynamic) dynamic", native.GeoLinesUnion, "Several lines together, every edge once."),
		g("geo_simplify_polygons_array", "(polygons:dynamic, tolerance:real?) dynamic", native.GeoPolygonsSimplify, "The area of several polygons together, with fewer points."),
		g("geo_point_buffer", three+"radius:real, tolerance:real?) dynamic", native.GeoPointBuffer, "The area around a place."),
		g("geo_line_buffer", "(line:dynamic, radius:real, tolerance:real?) dynamic", native.GeoLineBuffer, "The area around a line."),
		g("geo_polygon_buffer", "(polygon:dynamic, radius:real, tolerance:real?) dynamic", native.GeoPolygonBuffer, "A polygon and the area around it."),
		g("geo_from_wkt", "(text) dynamic", native.GeoFromWKT, "Well-known text as GeoJSON."),
		g("geo_point_to_geohash", three+"accuracy:real?) string", native.GeohashOf, "The geohash of a place."),
		g("geo_geohash_to_central_point", "(geohash:string) dynamic", native.GeohashCenter, "The middle of a geohash."),
		g("geo_geohash_to_polygon", "(geohash:string) dynamic", native.GeohashPolygon, "The rectangle of a geohash."),
		g("geo_geohash_neighbors", "(geohash:string) dynamic", native.GeohashNeighbors, "The geohashes around one."),
		g("geo_point_to_s2cell", three+"level:real?) string", native.S2CellOf, "The S2 cell of a place."),
		g("geo_s2cell_to_central_point", "(cell:string) dynamic", native.S2CellCenter, "The middle of an S2 cell."),
		g("geo_s2cell_to_polygon", "(cell:string) dynamic", native.S2CellPolygon, "The polygon of an S2 cell."),
		g("geo_s2cell_neighbors", "(cell:string) dynamic", native.S2CellNeighbors, "The S2 cells around one."),
		g("geo_point_to_h3cell", three+"resolution:real?) string", native.H3CellOf, "The H3 cell of a place."),
		g("geo_h3cell_to_central_point", "(cell:string) dynamic", native.H3Center, "The middle of an H3 cell."),
		g("geo_h3cell_to_polygon", "(cell:string) dynamic", native.H3Polygon, "The polygon of an H3 cell."),
		g("geo_h3cell_level", "(cell:string) int", native.H3Level, "The resolution of an H3 cell."),
		g("geo_h3cell_parent", "(cell:string, resolution:real?) string", native.H3Parent, "The H3 cell around one."),
		g("geo_h3cell_children", "(cell:string, resolution:real?) dynamic", native.H3Children, "The H3 cells inside of one."),
		g("geo_h3cell_rings", "(cell:string, distance:real) dynamic", native.H3Rings, "The H3 cells around one, ring by ring."),
		g("geo_h3cell_neighbors", "(cell:string) dynamic", native.H3Neighbors, "The H3 cells next to one."),
	}
}
