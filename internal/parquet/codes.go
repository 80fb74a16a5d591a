package parquet

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// A column of few different values has a code for each: its number in the
// dictionary, and one more for no value. Bits have the codes 0 and 1, and a column
// without values has the one. Rows are counted by codes, and what these stand for is
// looked up once.

// Coded is how many codes the column has, of which the last is that of no value if
// it is Nullable. A column that has none is ErrForm, if not here then of Codes.
func (c *Column) Coded() (codes int, err error) {
	if c.Type == arrow.BOOL {
		codes = 2
	} else {
		has, err := c.hasDictionary()
		if err != nil {
			return 0, err
		}
		if !has && !c.Nullable {
			return 0, ErrForm
		}
		if has {
			if err := c.reachAll(); err != nil {
				return 0, err
			}
		}
		codes = c.dict.values
	}
	if c.Nullable {
		codes++
	}
	return codes, nil
}

// Codes are those of the rows of the page that has a row, of which first is the
// number of the first. They are valid until another page is opened.
func (c *Column) Codes(row int) (first int, codes []uint32, err error) {
	number, err := c.know(row)
	if err != nil {
		return 0, nil, err
	}
	if err := c.openPage(number); err != nil {
		return 0, nil, err
	}
	b := &c.body
	switch {
	case b.form == isIndexed || b.values == 0:
	case c.Type == arrow.BOOL && b.form == isPlain:
		if len(b.index) == b.values {
			break // they were made of the bits already
		}
		if b.index, err = room(c.d, b.index, b.values); err != nil {
			return 0, nil, err
		}
		for i := range b.values {
			b.index = append(b.index, uint32(b.plain[i>>3]>>(i&7)&1))
		}
	default:
		return 0, nil, ErrForm
	}
	if b.present == nil {
		return b.first, b.index, nil
	}
	if len(b.codes) == b.rows {
		return b.first, b.codes, nil
	}
	none := uint32(2)
	if c.Type != arrow.BOOL {
		none = uint32(c.dict.values)
	}
	b.codes = b.codes[:0]
	value := 0
	if b.codes, err = room(c.d, b.codes, b.rows); err != nil {
		return 0, nil, err
	}
	for at := range b.rows {
		if b.present.Has(at) {
			b.codes = append(b.codes, b.index[value])
			value++
		} else {
			b.codes = append(b.codes, none)
		}
	}
	return b.first, b.codes, nil
}

// Value is what a code stands for, as Cells take it; ok is false of no value. It is
// valid until the column is closed.
func (c *Column) Value(code int) (value []byte, ok bool) {
	switch {
	case c.Type == arrow.BOOL:
		return bits01[min(code, 1)], code < 2
	case code >= c.dict.values:
		return nil, false
	case c.Type == arrow.STRING:
		return c.dict.text(uint32(code)), true
	}
	size := c.width() / 8
	return c.dict.raw[code*size:][:size], true
}

var bits01 = [2][]byte{{0}, {1}}

// Found are the codes whose text a search finds.
func (c *Column) Found(s *Search) (codes Rows, err error) {
	if c.Type != arrow.STRING {
		return nil, nil
	}
	return c.entries(s)
}

// NewCells has room for n cells of a type that columns have, and that may be without
// a value if it is nullable.
func NewCells(t arrow.Type, nullable bool, n int) *Cells {
	c := Column{Place: Place{Type: t, Nullable: nullable}}
	return c.NewCells(n)
}

// Put appends a cell: a text, the bytes of a number, little-endian, or one that is 0
// or 1, as Value gives them.
func (p *Cells) Put(value string, ok bool) {
	bit := byte(1) << (p.rows & 7)
	if bit == 1 && p.valid != nil {
		p.valid = append(p.valid, 0)
	}
	if bit == 1 && p.kind == arrow.BOOL {
		p.data = append(p.data, 0)
	}
	switch {
	case !ok:
		p.nulls++
		c := Column{Place: Place{Type: p.kind}}
		p.data = append(p.data, make([]byte, c.width()/8)...)
	case p.kind != arrow.BOOL:
		p.data = append(p.data, value...)
	case value[0] != 0:
		p.data[p.rows>>3] |= bit
	}
	if ok && p.valid != nil {
		p.valid[p.rows>>3] |= bit
	}
	if p.rows++; p.kind == arrow.STRING {
		p.ends = append(p.ends, int32(len(p.data)))
	}
}

// PutWide appends a whole number of 64 bits.
func (p *Cells) PutWide(v int64) {
	if p.rows&7 == 0 && p.valid != nil {
		p.valid = append(p.valid, 0)
	}
	if p.valid != nil {
		p.valid[p.rows>>3] |= 1 << (p.rows & 7)
	}
	p.data = binary.LittleEndian.AppendUint64(p.data, uint64(v))
	p.rows++
}

// Since finds, in a column of numbers without nulls that ascend, the first row whose
// value is not less than v, and its value. Its first value is less, and its last is
// not; no v is less than that of the call before. Few pages are opened: it guesses
// where v is, unless it is known.
func (c *Column) Since(v, first, last int64) (row int, value int64, err error) {
	if c.Type != arrow.INT64 || c.Nullable || c.Rows == 0 {
		return 0, 0, ErrForm
	}
	if _, err := c.know(c.Rows - 1); err != nil { // where all pages are
		return 0, 0, err
	}
	// What is before page lo is less than v; what is from page hi on is not, and
	// begins with this row and value.
	lo, hi, from, to := c.low, len(c.pages), max(first, c.least), last
	row = -1
	if c.Firsts != nil {
		if len(c.Firsts) != len(c.pages) {
			return 0, 0, ErrDamaged
		}
		if hi, _ = slices.BinarySearch(c.Firsts, v); hi < len(c.pages) {
			row, value = c.pages[hi].First, c.Firsts[hi]
		}
		lo = max(hi-1, 0)
	}
	for lo < hi {
		number := lo
		if v > from && v < to {
			part := (float64(v) - float64(from)) / (float64(to) - float64(from))
			number = min(lo+int(float64(hi-lo)*part), hi-1)
		}
		if err := c.openPage(number); err != nil {
			return 0, 0, err
		}
		b := &c.body
		if b.form == isIndexed {
			if err := c.reachAll(); err != nil {
				return 0, 0, err
			}
		}
		least, most := c.wide(b, 0), c.wide(b, b.rows-1)
		if c.Firsts != nil && c.Firsts[number] != least {
			return 0, 0, ErrDamaged
		}
		switch {
		case least >= v:
			hi, to, row, value = number, least, b.first, least
		case most < v:
			lo, from = number+1, most
		default:
			i, end := 0, b.rows-1 // the first that is not less
			for i < end {
				if mid := (i + end) / 2; c.wide(b, mid) < v {
					i = mid + 1
				} else {
					end = mid
				}
			}
			c.low, c.least = number, least
			return b.first + i, c.wide(b, i), nil
		}
	}
	if c.low, c.least = min(lo, len(c.pages)-1), from; row < 0 {
		return 0, 0, ErrDamaged
	}
	return row, value, nil
}
