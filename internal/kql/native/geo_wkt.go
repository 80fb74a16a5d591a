package native

import "strings"

// GeoFromWKT is geo_from_wkt: well-known text as GeoJSON.
func GeoFromWKT(a []any) (any, error) {
	r := &wktReader{s: a[0].(string)}
	v, ok := r.geometry(0)
	r.blank()
	if !ok || r.i != len(r.s) {
		return nil, nil
	}
	return v.out()
}

type wktReader struct {
	s string
	i int
}

func (r *wktReader) blank() {
	for r.i < len(r.s) && strings.IndexByte(" \t\r\n", r.s[r.i]) >= 0 {
		r.i++
	}
}

func (r *wktReader) take(c byte) bool {
	r.blank()
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

// word reads letters, or what a number is made of.
func (r *wktReader) word() string {
	r.blank()
	start := r.i
	for r.i < len(r.s) && strings.IndexByte(" \t\r\n(),", r.s[r.i]) < 0 {
		r.i++
	}
	return r.s[start:r.i]
}

// wktKind says how each kind is called in GeoJSON and how deep its brackets go.
func wktKind(word string) (name string, depth int, ok bool) {
	switch strings.ToUpper(word) {
	case "POINT":
		return "Point", 0, true
	case "LINESTRING":
		return "LineString", 1, true
	case "POLYGON":
		return "Polygon", 2, true
	case "MULTIPOINT":
		return "MultiPoint", 1, true
	case "MULTILINESTRING":
		return "MultiLineString", 2, true
	case "MULTIPOLYGON":
		return "MultiPolygon", 3, true
	}
	return "", 0, false
}

func (r *wktReader) geometry(nested int) (Value, bool) {
	word := r.word()
	if strings.EqualFold(word, "GEOMETRYCOLLECTION") && nested < maxNesting {
		var parts []Value
		if !r.take('(') {
			return Value{}, false
		}
		for {
			v, ok := r.geometry(nested + 1)
			if !ok {
				return Value{}, false
			}
			parts = append(parts, v)
			if r.take(')') {
				return Value{Kind: Bag, Names: []string{"type", "geometries"}, Items: []Value{str("GeometryCollection"), array(parts)}}, true
			}
			if !r.take(',') {
				return Value{}, false
			}
		}
	}
	name, depth, ok := wktKind(word)
	if !ok {
		return Value{}, false
	}
	if depth == 0 {
		if !r.take('(') {
			return Value{}, false
		}
		p, ok := r.position()
		return geometry(name, p), ok && r.take(')')
	}
	c, ok := r.list(depth)
	return geometry(name, c), ok
}

// list reads lists in brackets, depth of them, of positions.
func (r *wktReader) list(depth int) (Value, bool) {
	if !r.take('(') {
		return Value{}, false
	}
	var out []Value
	for {
		var v Value
		var ok bool
		if depth > 1 {
			v, ok = r.list(depth - 1)
		} else {
			bracket := r.take('(') // MULTIPOINT ((1 2), (3 4))
			v, ok = r.position()
			ok = ok && (!bracket || r.take(')'))
		}
		if !ok {
			return Value{}, false
		}
		out = append(out, v)
		if r.take(')') {
			return array(out), true
		}
		if !r.take(',') {
			return Value{}, false
		}
	}
}

func (r *wktReader) position() (Value, bool) {
	var out []Value
	for {
		w := r.word()
		if w == "" {
			return array(out), len(out) >= 2 && len(out) <= 4
		}
		f, ok := parseReal(w)
		if !ok {
			return Value{}, false
		}
		out = append(out, real(f))
	}
}
