package parquet

import (
	"encoding/binary"
	"errors"
)

// ErrForm is that a chunk has a form which this package does not read, though
// others may.
var ErrForm = errors.New("parquet: a form that is not read here")

// ErrDamaged is that a chunk is not what its headers say, or these are none.
var ErrDamaged = errors.New("parquet: a page is damaged")

// errShort is that a header goes on behind what was given of it.
var errShort = errors.New("a page's header is longer")

// A header is what the header of a page tells.
type header struct {
	kind         int64
	size, packed int64 // of the body: as it is, and as it lies in the file
	values       int64 // with nulls
	encoding     int64
	levels       int64 // how levels are told
}

// Types of the compact form of Thrift.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
)

// mostNested bounds structs in structs that are skipped.
const mostNested = 8

// readHeader reads the header that b begins with and tells how long it is.
// Others write more into it than appendHeader does; that is skipped.
func readHeader(b []byte) (h header, length int, err error) {
	r := thrift{b: b}
	h.levels = levelsRLE
	r.structure(0, func(number, kind byte) {
		switch {
		case number == 1 && kind == thriftI32:
			h.kind = r.varint()
		case number == 2 && kind == thriftI32:
			h.size = r.varint()
		case number == 3 && kind == thriftI32:
			h.packed = r.varint()
		case (number == 5 || number == 7) && kind == thriftStruct:
			r.structure(1, func(inner, kind byte) {
				switch {
				case inner == 1 && kind == thriftI32:
					h.values = r.varint()
				case inner == 2 && kind == thriftI32:
					h.encoding = r.varint()
				case inner == 3 && kind == thriftI32 && number == 5:
					h.levels = r.varint()
				default:
					r.skip(kind, 2)
				}
			})
		default:
			r.skip(kind, 1)
		}
	})
	if r.err == nil && (h.size < 0 || h.packed < 0 || h.values < 0) {
		r.err = ErrDamaged
	}
	return h, r.at, r.err
}

// A thrift reads the compact form. After an error it gives zeros.
type thrift struct {
	b   []byte
	at  int
	err error
}

func (r *thrift) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *thrift) byte() byte {
	if r.err != nil || r.at >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *thrift) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail(errShort)
		if n < 0 {
			r.err = ErrDamaged
		}
		return 0
	}
	r.at += n
	return v
}

func (r *thrift) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// structure calls field for each field of a struct, to read its value.
func (r *thrift) structure(depth int, field func(number, kind byte)) {
	if depth > mostNested {
		r.fail(ErrDamaged)
	}
	number := byte(0)
	for r.err == nil {
		b := r.byte()
		kind := b & 15
		if b == 0 {
			return
		}
		if number += b >> 4; b>>4 == 0 {
			number = byte(r.varint())
		}
		field(number, kind)
	}
}

func (r *thrift) skip(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.pass(8)
	case thriftBinary:
		r.pass(r.uvarint())
	case thriftStruct:
		r.structure(depth, func(_, kind byte) { r.skip(kind, depth+1) })
	default: // lists are in no header that is known
		r.fail(ErrForm)
	}
}

func (r *thrift) pass(n uint64) {
	if r.err == nil && n > uint64(len(r.b)-r.at) {
		r.fail(errShort)
	}
	if r.err == nil {
		r.at += int(n)
	}
}
