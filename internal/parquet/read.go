package parquet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Chunk tells where a column of a row group lies in a file, and what it is.
type Chunk struct {
	From      io.ReaderAt
	Off, Size int64
	Rows      int
	Type      arrow.Type // that the column has in records: BOOL, INT32, INT64, FLOAT64 or STRING
	Nullable  bool
	Packed    bool // with zstd
}

// Bounds of what is read here; beyond them it is ErrForm.
const (
	mostPage   = 64 << 20 // bytes of a page, unpacked
	longHeader = 64 << 10
)

// How far is read on behind what is asked for: pages that are read one after
// another, in one go; of others, what lies in a sealed chunk with it anyway.
const (
	ahead    = 256 << 10
	together = 16 << 10
)

// A Column reads the pages of a chunk in any order. Those that it is not asked
// for are not unpacked, nor read but for their headers. It is not safe for
// concurrent use, and to be closed.
type Column struct {
	Chunk
	d     *Desk
	pages []page // as far as they are known
	next  int64  // where the next page's header is
	rows  int    // of all known pages

	window []byte // of the file, from at on
	at     int64
	last   int // number of the page that was read last
	dict   dict
	body   body
}

// A page is where a page's body lies, and what its header says.
type page struct {
	off         int64
	head        header
	first, rows int
}

// Column begins to read a chunk.
func (d *Desk) Column(c Chunk) *Column {
	col := &Column{Chunk: c, d: d, next: c.Off, last: -2, body: body{number: -1, index: d.index, deltas: d.deltas, present: d.present}}
	d.index, d.deltas, d.present = nil, nil, nil
	return col
}

// Close gives the buffers back.
func (c *Column) Close() {
	c.d.give(c.window)
	c.d.give(c.body.raw)
	c.d.give(c.dict.raw)
	if b := &c.body; cap(b.index)+cap(b.deltas)+cap(b.present) > 0 {
		c.d.index, c.d.deltas, c.d.present = b.index, b.deltas, b.present
	}
	c.window, c.body, c.dict = nil, body{number: -1}, dict{}
}

// bytes returns n bytes of the chunk from off on, valid until the next call, and
// reads as many more as may be wanted next.
func (c *Column) bytes(off int64, n int, further int64) ([]byte, error) {
	end := c.Off + c.Size
	if n < 0 || off < c.Off || int64(n) > end-off {
		return nil, ErrDamaged
	}
	from := off - c.at
	if from < 0 || from > int64(len(c.window)) {
		c.window, from = c.window[:0], 0
	} else if from+int64(n) <= int64(len(c.window)) {
		return c.window[from : from+int64(n)], nil
	}
	to := min((off+max(int64(n), further)+together-1)/together*together, end)
	have := copy(c.window, c.window[from:])
	b, err := c.d.take(int(to - off))
	if err != nil {
		return nil, err
	}
	copy(b, c.window[:have])
	c.d.give(c.window)
	c.window, c.at = b, off
	if _, err := c.From.ReadAt(b[have:], off+int64(have)); err != nil {
		c.window = b[:0]
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	c.d.Read += to - off - int64(have)
	return b[:n], nil
}

// further is how much is worth reading with the page behind the last one.
func (c *Column) further(number int) int64 {
	if number == c.last+1 {
		return ahead
	}
	return 0
}

// know finds the page that has a row.
func (c *Column) know(row int) (number int, err error) {
	for row >= c.rows {
		if err := c.nextPage(); err != nil {
			return 0, err
		}
	}
	number, _ = slices.BinarySearchFunc(c.pages, row, func(p page, row int) int {
		if p.first+p.rows <= row {
			return -1
		}
		return 1
	})
	return number, nil
}

// nextPage reads the header of the next page of which nothing is known.
func (c *Column) nextPage() error {
	left := c.Off + c.Size - c.next
	var h header
	var length int
	for size := int64(64); ; size *= 4 {
		size = min(size, left)
		b, err := c.bytes(c.next, int(size), c.further(len(c.pages)))
		if err != nil {
			return err
		}
		h, length, err = readHeader(b)
		if err == nil {
			break
		}
		if !errors.Is(err, errShort) {
			return err
		}
		if size == left || size > longHeader {
			return ErrDamaged
		}
	}
	p := page{off: c.next + int64(length), head: h, first: c.rows}
	if h.packed > left-int64(length) || !c.Packed && h.packed != h.size {
		return ErrDamaged
	}
	if h.size > mostPage {
		return ErrForm
	}
	c.next = p.off + h.packed
	switch {
	case h.kind == typeDictionary && len(c.pages) == 0 && c.dict.page == nil:
		c.dict.page = &p
		return nil
	case h.kind == typeData:
		if h.values == 0 || h.values > int64(c.Rows-c.rows) {
			return ErrDamaged
		}
		p.rows = int(h.values)
		c.rows += p.rows
		c.pages = append(c.pages, p)
		return nil
	}
	return ErrForm
}

// unpack returns the body of a page, in a buffer that is to be given back.
func (c *Column) unpack(p page, further int64) ([]byte, error) {
	packed, err := c.bytes(p.off, int(p.head.packed), further)
	if err != nil {
		return nil, err
	}
	b, err := c.d.take(int(p.head.size))
	if err != nil {
		return nil, err
	}
	if !c.Packed {
		copy(b, packed)
		return b, nil
	}
	if err := c.d.unzstd(b, packed); err != nil {
		c.d.give(b)
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, nil
}

// each opens the pages that have some of the rows, one after another, and calls
// do with each; do says whether to go on.
func (c *Column) each(of Rows, do func(*body) (bool, error)) error {
	for row := of.Next(0, c.Rows); row < c.Rows; {
		number, err := c.know(row)
		if err != nil {
			return err
		}
		if err := c.openPage(number); err != nil {
			return err
		}
		if more, err := do(&c.body); err != nil || !more {
			return err
		}
		p := c.pages[number]
		row = of.Next(p.first+p.rows, c.Rows)
	}
	return nil
}

// PageEnd is the row behind those of the page that has a row.
func (c *Column) PageEnd(row int) (int, error) {
	number, err := c.know(row)
	if err != nil {
		return 0, err
	}
	return c.pages[number].first + c.pages[number].rows, nil
}
