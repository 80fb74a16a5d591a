package parquet

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// A Place is where a column of a row group lies, and what it is.
type Place struct {
	Extent
	From     io.ReaderAt
	Pages    Pages      // nil: as the headers say
	Firsts   []int64    // the first value of each page with rows, of whole numbers that ascend; nil is not known
	Type     arrow.Type // that the column has in records: BOOL, INT32, INT64, FLOAT64 or STRING
	Nullable bool
	Packed   bool // with zstd
	Woven    bool // texts are stored by templates; false is not known
}

// Bounds of what is read here; beyond them it is ErrForm.
const (
	mostRead   = 64 << 20 // bytes of a page, unpacked
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
	Place
	d     *Desk
	pages Pages // with rows, as far as they are known
	next  int64 // where the next page's header is
	rows  int   // of all known pages

	window []byte // of the file, from at on
	at     int64
	last   int   // number of the page that was read last
	whole  bool  // of the page that was searched last texts were needed
	until  int64 // where what is wanted ends, so that nothing behind is read ahead; 0: it is not known
	dict   dict
	body   body
	bits   Bits

	low   int   // of the last call of Since: the page that it ended in
	least int64 // and a value that is not behind what it found
}

// Column begins to read a column.
func (d *Desk) Column(at Place) *Column {
	c := &Column{Place: at, d: d, next: at.Offset, last: -2, least: math.MinInt64, dict: dict{begin: d.begin[:0]}, body: body{number: -1, index: d.index, deltas: d.deltas, present: d.present}, bits: Bits{number: -1}}
	d.index, d.begin, d.deltas, d.present = nil, nil, nil, nil
	if n := len(at.Pages); n > 0 {
		last := at.Pages[n-1]
		c.next, c.rows, c.pages = last.Offset+last.Size, last.First+last.Rows, at.Pages[:n:n]
		if first := at.Pages[0]; first.Rows == 0 {
			c.dict.page, c.pages = first, c.pages[1:]
		}
	}
	return c
}

func (c *Column) add(p Page) {
	if c.next = p.Offset + p.Size; p.Rows == 0 {
		c.dict.page = p
		return
	}
	c.rows += p.Rows
	c.pages = append(c.pages, p)
}

// Close gives the buffers back.
func (c *Column) Close() {
	c.d.give(c.window)
	c.giveBody()
	c.d.give(c.bits.raw)
	c.d.give(c.dict.raw)
	d, b := c.d, &c.body
	d.index, d.begin, d.deltas = keep(d, d.index, b.index), keep(d, d.begin, c.dict.begin), keep(d, d.deltas, b.deltas)
	d.held -= 4 * int64(cap(b.codes)) // which are not kept
	if cap(b.present) > cap(d.present) {
		d.present = b.present
	}
	if b.page != nil {
		b.page.Leave()
		d.page = b.page
	}
	if c.dict.templates != nil {
		d.dict = c.dict.templates
	}
	c.window, c.body, c.dict = nil, body{number: -1}, dict{}
	c.bits.number, c.bits.raw = -1, nil
}

// bytes returns n bytes of the chunk from off on, valid until the next call, and
// reads as many more as may be wanted next.
func (c *Column) bytes(off int64, n int, further int64) ([]byte, error) {
	end := c.Offset + c.Size
	if n < 0 || off < c.Offset || int64(n) > end-off {
		return nil, ErrDamaged
	}
	from := off - c.at
	if from < 0 || from > int64(len(c.window)) {
		c.window, from = c.window[:0], 0
	} else if from+int64(n) <= int64(len(c.window)) {
		return c.window[from : from+int64(n)], nil
	}
	if c.until > 0 {
		further = min(further, c.until-off)
	}
	to := min((off+max(int64(n), further)+together-1)/together*together, end)
	have := copy(c.window, c.window[from:])
	b, err := c.d.take(int(to - off))
	if err != nil {
		return nil, err
	}
	copy(b, c.window[:have])
	c.d.give(c.window)
	c.window, c.at, c.bits.number = b, off, -1
	if err := readFull(c.From, b[have:], off+int64(have)); err != nil {
		c.window = b[:0]
		return nil, err
	}
	c.d.Read += to - off - int64(have)
	return b[:n], nil
}

// Until says which row is the last that is wanted.
func (c *Column) Until(row int) {
	if row < 0 || row >= c.rows { // where the pages lie is not known from the beginning
		return
	}
	if number, err := c.know(row); err == nil {
		c.until = c.pages[number].Offset + c.pages[number].Size
	}
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
	number, _ = slices.BinarySearchFunc(c.pages, row, func(p Page, row int) int {
		if p.First+p.Rows <= row {
			return -1
		}
		return 1
	})
	return number, nil
}

// nextPage reads the header of the next page of which nothing is known.
func (c *Column) nextPage() error {
	left := c.Offset + c.Size - c.next
	for size := int64(64); ; size *= 4 {
		size = min(size, left)
		b, err := c.bytes(c.next, int(size), c.further(len(c.pages)))
		if err != nil {
			return err
		}
		h, length, ok := readHeader(b)
		if !ok && size < left && size <= longHeader {
			continue
		}
		p := Page{Offset: c.next, Size: int64(length) + h.packed, First: c.rows}
		switch {
		case !ok || h.packed > left-int64(length):
			return ErrDamaged
		case h.kind == typeDictionary && len(c.pages) == 0 && c.dict.page.Size == 0:
		case h.kind == typeData:
			if h.values == 0 || h.values > int64(c.Rows-c.rows) {
				return ErrDamaged
			}
			p.Rows = int(h.values)
		default:
			return ErrForm
		}
		c.add(p)
		return nil
	}
}

// unpack returns what the header of a page says, and its body in a buffer that is
// to be given back, unless it is lent: then it is valid until bytes is called.
func (c *Column) unpack(p Page, further int64) (h header, b []byte, lent bool, err error) {
	h, packed, err := c.page(p, further)
	if err != nil {
		return h, nil, false, err
	}
	body, bare := c.bare(h, packed)
	if bare && c.dict.templates != nil && c.Pages != nil { // nothing more is read while the page is open
		return h, body, true, nil
	}
	if b, err = c.d.take(int(h.size)); err != nil {
		return h, nil, false, err
	}
	if bare {
		copy(b, body)
		return h, b, false, nil
	}
	if err := c.d.unzstd(b, packed); err != nil {
		c.d.give(b)
		return h, nil, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return h, b, false, nil
}

// page returns what the header of a page says, and its body as it lies in the file,
// valid until bytes is called again.
func (c *Column) page(p Page, further int64) (h header, packed []byte, err error) {
	if packed, err = c.bytes(p.Offset, int(p.Size), further); err != nil {
		return h, nil, err
	}
	h, length, ok := readHeader(packed)
	packed = packed[length:]
	if !ok || h.packed != int64(len(packed)) || !c.Packed && h.packed != h.size || (h.kind == typeDictionary) != (p.Rows == 0) || p.Rows > 0 && h.values != int64(p.Rows) {
		return h, nil, ErrDamaged
	}
	if h.size > mostRead || h.kind != typeDictionary && h.kind != typeData {
		return h, nil, ErrForm
	}
	return h, packed, nil
}

// bare is a page's body if it lies in the file as it is.
func (c *Column) bare(h header, packed []byte) (body []byte, ok bool) {
	if !c.Packed || parquetgo.Encoding(h.encoding) == templates && h.packed == h.size {
		return packed, true
	}
	return stored(packed, int(h.size))
}

// each opens the pages that have some of the rows, which are numbered from base,
// one after another, and calls do with each; do says whether to go on.
func (c *Column) each(base int, of Rows, do func(*body) (bool, error)) error {
	return c.eachPage(base, of, c.openPage, do)
}

// eachPage is each with the pages opened in a way.
func (c *Column) eachPage(base int, of Rows, open func(number int) error, do func(*body) (bool, error)) error {
	end := len(of) * 64
	for row := of.Next(0, end); row < end; {
		if base+row >= c.Rows {
			return errRow
		}
		number, err := c.know(base + row)
		if err != nil {
			return err
		}
		if err := open(number); err != nil {
			return err
		}
		if more, err := do(&c.body); err != nil || !more {
			return err
		}
		p := c.pages[number]
		row = of.Next(p.First+p.Rows-base, end)
	}
	return nil
}

var errRow = errors.New("internal error: a row is asked for that the column does not have")

// PageEnd is the row behind those of the page that has a row.
func (c *Column) PageEnd(row int) (int, error) {
	number, err := c.know(row)
	if err != nil {
		return 0, err
	}
	return c.pages[number].First + c.pages[number].Rows, nil
}

// readFull fills b with what is at off. A file that ends before is io.ErrUnexpectedEOF.
func readFull(from io.ReaderAt, b []byte, off int64) error {
	_, err := from.ReadAt(b, off)
	if err != nil && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
