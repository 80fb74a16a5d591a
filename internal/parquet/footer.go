package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Footer is what the footer of a file says, as far as a reader of segments
// asks. The rest stays as it is written, so that a footer of some columns of one
// group is put together and not made anew.
type Footer struct {
	Columns []FooterColumn
	Groups  []FooterGroup
	Pairs   map[string]string

	version int64
	creator []byte
	orders  [][]byte // of the columns' values; nil if it does not say
}

// A FooterColumn is a column of the file.
type FooterColumn struct {
	Name     string
	Optional bool // it may have nulls

	text []byte
}

// A FooterGroup is a row group.
type FooterGroup struct {
	Rows   int64
	Chunks []FooterChunk
}

// A FooterChunk is a column of a row group.
type FooterChunk struct {
	Offset, Size int64  // of its pages, the dictionary included
	Unpacked     int64  // size of these
	Codec        int64  // how pages are packed, by the format's number
	Min, Max     []byte // as PLAIN writes them; nil if it does not say
	Dictionary   bool   // it begins with one, of values
	Templates    bool   // texts stored by templates; Unpacked is what Column.Plain makes of it

	text       []byte
	statistics []byte
}

// Codecs that this package writes.
const (
	CodecNone = 0
	CodecZstd = 6
)

// errFooter reports bytes that are no footer.
var errFooter = errors.New("the footer of the Parquet file can't be read")

// ParseFooter reads a footer: structs of compact Thrift. It keeps b.
func ParseFooter(b []byte) (*Footer, error) {
	f := &Footer{Pairs: map[string]string{}}
	t := &thrift{b: b}
	for id, kind := range t.fields() {
		switch {
		case id == 1 && kind == thriftI32:
			f.version = t.varint()
		case id == 2 && kind == thriftList:
			f.schema(t)
		case id == 4 && kind == thriftList:
			for range t.list(thriftStruct) {
				f.Groups = append(f.Groups, group(t))
			}
		case id == 5 && kind == thriftList:
			for range t.list(thriftStruct) {
				key, value := pair(t)
				if _, twice := f.Pairs[key]; !twice {
					f.Pairs[key] = value
				}
			}
		case id == 6 && kind == thriftBinary:
			f.creator = t.bytes()
		case id == 7 && kind == thriftList:
			for range t.list(thriftStruct) {
				f.orders = append(f.orders, t.raw(thriftStruct))
			}
		default:
			t.skip(kind, 0)
		}
	}
	if t.bad || len(f.Columns) == 0 || f.orders != nil && len(f.orders) != len(f.Columns) {
		return nil, errFooter
	}
	for i, g := range f.Groups {
		if len(g.Chunks) != len(f.Columns) {
			return nil, fmt.Errorf("%w: row group %d has %d columns of %d", errFooter, i, len(g.Chunks), len(f.Columns))
		}
	}
	return f, nil
}

// schema reads the columns, which are all directly below the root.
func (f *Footer) schema(t *thrift) {
	children := int64(0)
	for i := range t.list(thriftStruct) {
		begin := t.at
		var c FooterColumn
		below := int64(0)
		for id, kind := range t.fields() {
			switch {
			case id == 3 && kind == thriftI32:
				c.Optional = t.varint() == 1
			case id == 4 && kind == thriftBinary:
				c.Name = string(t.bytes())
			case id == 5 && kind == thriftI32:
				below = t.varint()
			default:
				t.skip(kind, 0)
			}
		}
		c.text = t.since(begin)
		if i == 0 {
			children = below
			continue
		}
		t.bad = t.bad || below != 0
		f.Columns = append(f.Columns, c)
	}
	t.bad = t.bad || children != int64(len(f.Columns))
}

func group(t *thrift) (g FooterGroup) {
	for id, kind := range t.fields() {
		switch {
		case id == 1 && kind == thriftList:
			n := t.list(thriftStruct)
			g.Chunks = make([]FooterChunk, 0, n)
			for range n {
				g.Chunks = append(g.Chunks, chunkOf(t))
			}
		case id == 3 && kind == thriftI64:
			g.Rows = t.varint()
		default:
			t.skip(kind, 0)
		}
	}
	t.bad = t.bad || g.Rows < 0
	return g
}

func chunkOf(t *thrift) (c FooterChunk) {
	begin := t.at
	dictionary := int64(0)
	for id, kind := range t.fields() {
		if id != 3 || kind != thriftStruct {
			t.skip(kind, 0)
			continue
		}
		for id, kind := range t.fields() {
			switch {
			case id == 4 && kind == thriftI32:
				c.Codec = t.varint()
			case id == 6 && kind == thriftI64:
				c.Unpacked = t.varint()
			case id == 7 && kind == thriftI64:
				c.Size = t.varint()
			case id == 9 && kind == thriftI64:
				c.Offset = t.varint()
			case id == 11 && kind == thriftI64:
				dictionary = t.varint()
			case id == 12 && kind == thriftStruct:
				begin := t.at
				c.Min, c.Max = bounds(t)
				c.statistics = t.since(begin)
			case id == 13 && kind == thriftList:
				for range t.list(thriftStruct) {
					c.Templates = pageEncoding(t) == int64(templates) || c.Templates
				}
			default:
				t.skip(kind, 0)
			}
		}
	}
	// A chunk begins with its dictionary, if it has one.
	if dictionary > 0 {
		c.Offset, c.Dictionary = min(c.Offset, dictionary), !c.Templates
	}
	c.text = t.since(begin)
	return c
}

// pageEncoding reads of pages of a kind what encoding they have.
func pageEncoding(t *thrift) (encoding int64) {
	for id, kind := range t.fields() {
		if id == 2 && kind == thriftI32 {
			encoding = t.varint()
		} else {
			t.skip(kind, 0)
		}
	}
	return encoding
}

// bounds reads statistics: fields 5 and 6 are those in the order of the column's
// type, 1 and 2 what writers before had.
func bounds(t *thrift) (least, most []byte) {
	var of [7][]byte
	for id, kind := range t.fields() {
		if (id == 1 || id == 2 || id == 5 || id == 6) && kind == thriftBinary {
			of[id] = t.bytes()
		} else {
			t.skip(kind, 0)
		}
	}
	if of[5] != nil && of[6] != nil {
		return of[6], of[5]
	}
	if of[1] != nil && of[2] != nil {
		return of[2], of[1]
	}
	return nil, nil
}

func pair(t *thrift) (key, value string) {
	for id, kind := range t.fields() {
		switch {
		case id == 1 && kind == thriftBinary:
			key = string(t.bytes())
		case id == 2 && kind == thriftBinary:
			value = string(t.bytes())
		default:
			t.skip(kind, 0)
		}
	}
	return key, value
}

// Of makes a footer of a file that has of one group those columns only for which
// present is true, at the same offsets; but those that plain has by column are as
// Column.Plain made them. Pairs are left out: they tell of all.
func (f *Footer) Of(group int, present []bool, plain map[int]PlainChunk) []byte {
	g := f.Groups[group]
	n, size, unpacked, packed := 0, 128+len(f.creator), int64(0), int64(0)
	texts := make([][]byte, len(present))
	for i, here := range present {
		if here {
			n++
			texts[i] = g.Chunks[i].text
			stored := g.Chunks[i].Size
			if at, ok := plain[i]; ok {
				texts[i], stored = g.Chunks[i].appendPlainChunk(nil, f.Columns[i].Name, g.Rows, at), at.Size
			}
			size += len(f.Columns[i].text) + len(texts[i]) + 8
			unpacked += g.Chunks[i].Unpacked
			packed += stored
		}
	}
	b := appendI32(make([]byte, 0, size), 0, 1, int(f.version))
	b = appendList(appendField(b, 1, 2, thriftList), n+1, thriftStruct)
	b = appendRoot(b, n)
	for i, here := range present {
		if here {
			b = append(b, f.Columns[i].text...)
		}
	}
	b = binary.AppendVarint(appendField(b, 2, 3, thriftI64), g.Rows)
	b = appendList(appendField(b, 3, 4, thriftList), 1, thriftStruct)
	b = appendList(appendField(b, 0, 1, thriftList), n, thriftStruct)
	for i, here := range present {
		if here {
			b = append(b, texts[i]...)
		}
	}
	b = binary.AppendVarint(appendField(b, 1, 2, thriftI64), unpacked)
	b = binary.AppendVarint(appendField(b, 2, 3, thriftI64), g.Rows)
	b = binary.AppendVarint(appendField(b, 3, 6, thriftI64), packed)
	b = append(b, 0)
	b = append(binary.AppendUvarint(appendField(b, 4, 6, thriftBinary), uint64(len(f.creator))), f.creator...)
	if f.orders != nil {
		b = appendList(appendField(b, 6, 7, thriftList), n, thriftStruct)
		for i, here := range present {
			if here {
				b = append(b, f.orders[i]...)
			}
		}
	}
	return append(b, 0)
}

// appendRoot appends the first element of a schema of n columns.
func appendRoot(b []byte, n int) []byte {
	const name = "schema"
	b = append(append(appendField(b, 0, 4, thriftBinary), byte(len(name))), name...)
	return append(appendI32(b, 4, 5, n), 0)
}

// appendList appends the head of a list.
func appendList(b []byte, n int, kind byte) []byte {
	if n < 15 {
		return append(b, byte(n)<<4|kind)
	}
	return binary.AppendUvarint(append(b, 0xf0|kind), uint64(n))
}
