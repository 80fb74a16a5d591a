package parquet

import "errors"

// ErrForm is that a column has a form which this package does not read, though
// others may.
var ErrForm = errors.New("parquet: a form that is not read here")

// ErrDamaged is that a page is not what its header says, or there is no header.
var ErrDamaged = errors.New("parquet: a page is damaged")

// A header is what the header of a page tells.
type header struct {
	kind         int64
	size, packed int64 // of the body: as it is, and as it lies in the file
	values       int64 // with nulls
	encoding     int64
	levels       int64 // how levels are told
}

// readHeader reads the header that b begins with and tells how long it is; ok is
// false if b ends within it, or has none. Others write more into it than
// appendHeader does; that is skipped.
func readHeader(b []byte) (h header, length int, ok bool) {
	t := &thrift{b: b}
	h.levels = levelsRLE
	for id, kind := range t.fields() {
		switch {
		case id == 1 && kind == thriftI32:
			h.kind = t.varint()
		case id == 2 && kind == thriftI32:
			h.size = t.varint()
		case id == 3 && kind == thriftI32:
			h.packed = t.varint()
		case (id == 5 || id == 7) && kind == thriftStruct:
			for inner, kind := range t.fields() {
				switch {
				case inner == 1 && kind == thriftI32:
					h.values = t.varint()
				case inner == 2 && kind == thriftI32:
					h.encoding = t.varint()
				case inner == 3 && kind == thriftI32 && id == 5:
					h.levels = t.varint()
				default:
					t.skip(kind, 1)
				}
			}
		default:
			t.skip(kind, 0)
		}
	}
	return h, t.at, !t.bad && h.size >= 0 && h.packed >= 0 && h.values >= 0
}
