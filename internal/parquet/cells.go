package parquet

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
)

// A run is rows that lie one after another in one record.
type run struct{ record, from, end int32 }

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

// take makes the cells those of the next rows of left, of the first of which skip
// rows are taken already: at most n. It appends their runs to cut.
func (c *cells) take(cut, left []run, skip int32, n int) (runs, rest []run, skipped int32) {
	c.rows = 0
	for len(left) > 0 && c.rows < n {
		r := left[0]
		r.from += skip
		if over := int(r.end-r.from) - (n - c.rows); over > 0 {
			r.end -= int32(over)
		}
		cut = append(cut, r)
		c.rows += int(r.end - r.from)
		if skip = 0; r.end < left[0].end {
			skip = r.end - left[0].from
			break
		}
		left = left[1:]
	}
	c.runs = cut
	return cut, left, skip
}

// sample calls f for some cells that have a value, from all over the column.
func (c *cells) sample(f func(record, row int32)) {
	step := max(1, c.rows/sampled)
	skip := 0
	for _, r := range c.runs {
		row := int(r.from) + skip
		for ; row < int(r.end); row += step {
			if c.holes[r.record].has(int32(row)) {
				f(r.record, int32(row))
			}
		}
		skip = row - int(r.end)
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
