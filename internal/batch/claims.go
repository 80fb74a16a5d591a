package batch

import (
	"encoding/binary"
	"errors"

	flatbuffers "github.com/google/flatbuffers/go"
)

var errClaims = errors.New("malformed Arrow stream")

// claims refuses a stream whose tables claim more entries than there are bytes, or
// that has what Encode never writes. Arrow's readers make room for all that is
// claimed before they look for it, and for a process that asks for too much there
// is no error, only its end. It panics where a table points out of the stream.
//
//	stream  = message… mark(4) zero(4)
//	message = mark(4) size(4) tables body
func claims(payload []byte) error {
	for len(payload) >= 8 {
		size := int(int32(binary.LittleEndian.Uint32(payload[4:])))
		if binary.LittleEndian.Uint32(payload) != 0xffffffff || size < 0 || size > len(payload)-8 {
			return errClaims
		}
		if size == 0 {
			return nil
		}
		tables := payload[8 : 8+size]
		payload = payload[8+size:]
		message := flatbuffers.Table{Bytes: tables, Pos: flatbuffers.GetUOffsetT(tables)}
		kind, header := byte(0), flatbuffers.Table{}
		if at := message.Offset(6); at != 0 {
			kind = message.GetByte(message.Pos + flatbuffers.UOffsetT(at))
		}
		at := message.Offset(8)
		if at == 0 {
			return errClaims
		}
		message.Union(&header, flatbuffers.UOffsetT(at))
		ok := false
		switch kind {
		case 1: // a schema: fields, metadata, features
			ok = few(header, 6, 8, 10) && plainFields(header)
		case 3: // a batch: nodes, buffers, counts of buffers
			ok = few(header, 6, 8, 12)
		}
		body := int64(0)
		if at := message.Offset(10); at != 0 {
			body = message.GetInt64(message.Pos + flatbuffers.UOffsetT(at))
		}
		if !ok || body < 0 {
			return errClaims
		}
		if body > int64(len(payload)) {
			return nil // it was cut, which its reader tells
		}
		payload = payload[body:]
	}
	return nil
}

// few reports whether no vector of these places in a table has more entries than
// fit the bytes.
func few(t flatbuffers.Table, places ...flatbuffers.VOffsetT) bool {
	for _, place := range places {
		if at := t.Offset(place); at != 0 {
			if n := t.VectorLen(flatbuffers.UOffsetT(at)); n < 0 || n > len(t.Bytes)/4 {
				return false
			}
		}
	}
	return true
}

// plainFields reports whether all fields of a schema are of the types that carry
// columns, without children and dictionaries.
func plainFields(schema flatbuffers.Table) bool {
	at := schema.Offset(6)
	if at == 0 {
		return true
	}
	first := schema.Vector(flatbuffers.UOffsetT(at))
	for i := range schema.VectorLen(flatbuffers.UOffsetT(at)) {
		f := flatbuffers.Table{Bytes: schema.Bytes, Pos: schema.Indirect(first + 4*flatbuffers.UOffsetT(i))}
		kind := byte(0)
		if at := f.Offset(8); at != 0 {
			kind = f.GetByte(f.Pos + flatbuffers.UOffsetT(at))
		}
		switch kind {
		case 2, 3, 5, 6: // Int, FloatingPoint, Utf8, Bool
		default:
			return false
		}
		if f.Offset(12) != 0 || !few(f, 16) {
			return false
		}
		if at := f.Offset(14); at != 0 && f.VectorLen(flatbuffers.UOffsetT(at)) != 0 {
			return false
		}
	}
	return true
}
