package parquet

import (
	"encoding/binary"
	"iter"
)

// Kinds of values in compact Thrift.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// A thrift reads structs of compact Thrift. After something that can't be read
// it is bad, and all that it gives is empty.
type thrift struct {
	b   []byte
	at  int
	bad bool
}

// fail makes it bad and ends it.
func (t *thrift) fail() {
	t.bad = true
	t.at = len(t.b)
}

func (t *thrift) byte() byte {
	if t.at >= len(t.b) {
		t.fail()
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.b[t.at:])
	if n <= 0 {
		t.fail()
		return 0
	}
	t.at += n
	return v
}

// varint is a number of 16, 32 or 64 bits.
func (t *thrift) varint() int64 {
	v, n := binary.Varint(t.b[t.at:])
	if n <= 0 {
		t.fail()
		return 0
	}
	t.at += n
	return v
}

func (t *thrift) bytes() []byte {
	n := t.uvarint()
	if n > uint64(len(t.b)-t.at) {
		t.fail()
		return nil
	}
	b := t.b[t.at : t.at+int(n) : t.at+int(n)]
	t.at += int(n)
	return b
}

// since is what was read from begin on.
func (t *thrift) since(begin int) []byte {
	if t.bad {
		return nil
	}
	return t.b[begin:t.at:t.at]
}

// fields gives the number and the kind of each field of a struct, whose value is
// to be read before the next.
func (t *thrift) fields() iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		id := int64(0)
		for {
			head := t.byte()
			if t.bad || head == 0 {
				return
			}
			if delta := head >> 4; delta > 0 {
				id += int64(delta)
			} else {
				id = t.varint()
			}
			if id < 0 || id > 1<<15 {
				t.fail()
			}
			if t.bad || !yield(int(id), head&15) {
				return
			}
		}
	}
}

// list reads the head of a list of a kind, and returns how many it has.
func (t *thrift) list(kind byte) int {
	head := t.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = t.uvarint()
	}
	if n > 0 && head&15 != kind || n > uint64(len(t.b)-t.at) { // each takes a byte at least
		t.fail()
		return 0
	}
	return int(n)
}

// raw reads a value as it is written.
func (t *thrift) raw(kind byte) []byte {
	begin := t.at
	t.skip(kind, 0)
	return t.since(begin)
}

// skip reads over a field's value, that lies so deep in others.
func (t *thrift) skip(kind byte, depth int) {
	if depth > 32 {
		t.fail()
		return
	}
	switch kind {
	case thriftTrue, thriftFalse: // the kind is the value
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.varint()
	case thriftDouble:
		if len(t.b)-t.at < 8 {
			t.fail()
			return
		}
		t.at += 8
	case thriftBinary:
		t.bytes()
	case thriftList, thriftSet:
		head := t.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = t.uvarint()
		}
		if n > uint64(len(t.b)-t.at) {
			t.fail()
		}
		for ; n > 0 && !t.bad; n-- {
			t.skipElement(head&15, depth+1)
		}
	case thriftMap:
		n := t.uvarint()
		if n == 0 {
			return
		}
		kinds := t.byte()
		if n > uint64(len(t.b)-t.at) {
			t.fail()
		}
		for ; n > 0 && !t.bad; n-- {
			t.skipElement(kinds>>4, depth+1)
			t.skipElement(kinds&15, depth+1)
		}
	case thriftStruct:
		for _, kind := range t.fields() {
			t.skip(kind, depth+1)
		}
	default:
		t.fail()
	}
}

// skipElement is skip for what lies in a list, where a truth value takes a byte.
func (t *thrift) skipElement(kind byte, depth int) {
	if kind == thriftTrue || kind == thriftFalse {
		t.byte()
		return
	}
	t.skip(kind, depth)
}
