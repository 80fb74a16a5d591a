package parquet

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
)

// cells are the cells of one column in the order that they are to have.
type cells struct {
	runs     []run
	rows     int
	holes    []holes // by record
	nullable bool
	nulls    bool // there may be some
}

func newCells(runs []run, rows int, from []arrow.Array, nullable bool) cells {
	c := cells{runs: runs, rows: rows, nullable: nullable, holes: make([]holes, len(from))}
	for i, a := range from {
		if a.NullN() > 0 {
			c.nulls = true
			c.holes[i] = holes{a.NullBitmapBytes(), a.Data().Offset()}
		}
	}
	return c
}

// holes tell which rows of a record have a value.
type holes struct {
	bits []byte // nil: all have one
	at   int    // the bit of row 0
}

func (h *holes) has(row int32) bool {
	if h.bits == nil {
		return true
	}
	i := h.at + int(row)
	return h.bits[i>>3]>>(i&7)&1 != 0
}

// values counts the cells that have a value.
func (c *cells) values() int {
	if !c.nulls {
		return c.rows
	}
	n := 0
	for _, r := range c.runs {
		h := &c.holes[r.record]
		if h.bits == nil {
			n += int(r.end - r.from)
			continue
		}
		for row := r.from; row < r.end; row++ {
			i := h.at + int(row)
			n += int(h.bits[i>>3] >> (i & 7) & 1)
		}
	}
	return n
}

// sample calls f for some cells of a group's column that have a value.
func (c *cells) sample(o *order, f func(record, row int32)) {
	for _, r := range o.sample {
		if c.holes[r.record].has(r.from) {
			f(r.record, r.from)
		}
	}
}

// levels appends which cells have a value, if the column may be without: n of
// them have.
func (p *Writer) levels(b []byte, c *cells, n int) []byte {
	if !c.nullable {
		return b
	}
	at := len(b)
	b = put32(b, 0)
	if n == c.rows || n == 0 {
		b = binary.AppendUvarint(b, uint64(c.rows)<<1)
		b = append(b, byte(min(n, 1)))
	} else {
		b = binary.AppendUvarint(b, uint64(c.rows+7)/8<<1|1)
		var bit, octet byte
		for _, r := range c.runs {
			h := &c.holes[r.record]
			for row := r.from; row < r.end; row++ {
				if h.has(row) {
					octet |= 1 << bit
				}
				if bit++; bit == 8 {
					b = append(b, octet)
					bit, octet = 0, 0
				}
			}
		}
		if bit > 0 {
			b = append(b, octet)
		}
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}
