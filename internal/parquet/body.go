package parquet

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	parquetgo "github.com/apache/arrow-go/v18/parquet"

	"logkeep/internal/template"
)

// A body is a page that was unpacked: which rows have values, and these.
type body struct {
	number      int // of the page; -1: none
	first, rows int
	values      int
	present     Rows // which of the rows have values; nil: all have
	raw         []byte
	lent        bool // raw is what was read
	begun       bool // of a page of templates only the beginning was read: no text can be made
	alone       bool // and the page before was not read
	some        bool // of a page of templates what is looked at is read then: raw has no levels
	levels      int  // bytes of raw that tell which rows have values

	form   form
	page   *template.Page
	texts  []byte   // a buffer that plain is in, if it is not raw
	plain  []byte   // the values as they are; texts with their lengths
	index  []uint32 // where in the dictionary they are
	codes  []uint32 // of the rows, of which some are without a value, if they were asked for
	deltas []int64  // the values, of a column of differences

	found map[*Search]Rows // rows from 0, by what looked for them
}

// A form is in which of its fields a body has its values.
type form uint8

const (
	isPlain form = iota
	isIndexed
	isDeltas
	isTemplates
)

// openPage unpacks a page, unless it is open.
func (c *Column) openPage(number int) error {
	b := &c.body
	if b.number == number && !b.begun && !b.some {
		return nil
	}
	p, further := c.pages[number], c.further(number)
	c.last = number
	present, index, codes, deltas, page := c.leaveBody()
	head, raw, lent, err := c.unpack(p, further)
	if err != nil {
		return err
	}
	*b = body{number: -1, first: p.First, rows: p.Rows, values: p.Rows, raw: raw, lent: lent, page: page, index: index, codes: codes, deltas: deltas}
	rest := raw
	if c.Nullable {
		if head.levels != levelsRLE {
			return ErrForm
		}
		if rest, err = b.readLevels(rest, present); err != nil {
			return err
		}
		b.levels = len(raw) - len(rest)
	}
	switch encoding := parquetgo.Encoding(head.encoding); {
	case encoding == templates && c.Type == arrow.STRING:
		if err := c.readTemplates(); err != nil {
			return err
		}
		if b.page == nil {
			b.page = c.d.takePage()
		}
		if b.form = isTemplates; b.page.Open(c.dict.templates, rest, b.values) != nil {
			return ErrDamaged
		}
	case encoding == parquetgo.Encodings.Plain:
		b.form, b.plain = isPlain, rest
		if size := c.width(); size > 0 && len(rest) < (b.values*size+7)/8 {
			return ErrDamaged
		}
	case encoding == parquetgo.Encodings.RLEDict || encoding == parquetgo.Encodings.PlainDict:
		b.form = isIndexed
		if err := c.openDictionary(); err != nil {
			return err
		}
		if b.index, err = room(c.d, b.index, b.values); err != nil {
			return err
		}
		if b.index, err = readIndexes(b.index, rest, b.values, c.dict.values); err != nil {
			return err
		}
	case encoding == parquetgo.Encodings.DeltaBinaryPacked && c.Type == arrow.INT64:
		b.form = isDeltas
		if b.deltas, err = room(c.d, b.deltas, b.values); err != nil {
			return err
		}
		if b.deltas, err = readDeltas(b.deltas, rest, b.values); err != nil {
			return err
		}
	default:
		return ErrForm
	}
	b.number = number
	return nil
}

// leaveBody gives back what the open page takes, but for what the next one uses again.
func (c *Column) leaveBody() (present Rows, index, codes []uint32, deltas []int64, page *template.Page) {
	b := &c.body
	c.giveBody()
	present, index, codes, deltas, page = b.present, b.index[:0], b.codes[:0], b.deltas[:0], b.page
	*b = body{number: -1, index: index, codes: codes, deltas: deltas, page: page}
	return present, index, codes, deltas, page
}

// beginning is how much of a page of templates is read to see which of its rows have
// which.
const beginning = 3 << 10

// beginPage is openPage for who may do with knowing which templates rows have: of a
// page of templates that is not packed only the beginning is read, unless more was
// needed of the page before. Who needs the texts opens the page after all, or some of it.
func (c *Column) beginPage(number int) error {
	if c.body.number == number {
		return nil
	}
	whole := c.whole
	if c.whole = false; whole {
		return c.openPage(number)
	}
	begun, err := c.begin(number)
	if !begun && err == nil {
		err = c.openPage(number)
	}
	return err
}

// begin reads the beginning of a page of templates that is not packed; ok is false if
// it is not such a page, or a short one.
func (c *Column) begin(number int) (ok bool, err error) {
	if !c.Woven || c.Pages == nil || c.pages[number].Size <= beginning {
		return false, nil
	}
	if err := c.readTemplates(); err != nil {
		return false, err
	}
	p := c.pages[number]
	if _, err := c.bytes(p.Offset, beginning, 0); err != nil {
		return false, err
	}
	raw := c.window[p.Offset-c.at:] // there may be more of it
	raw = raw[:min(int64(len(raw)), p.Size)]
	h, length, ok := readHeader(raw)
	if !ok || parquetgo.Encoding(h.encoding) != templates || h.packed != h.size || p.Size != int64(length)+h.size || h.size > mostRead || h.kind != typeData || h.values != int64(p.Rows) {
		return false, nil
	}
	present, index, codes, deltas, page := c.leaveBody()
	if page == nil {
		page = c.d.takePage()
	}
	b := &c.body
	*b = body{number: -1, first: p.First, rows: p.Rows, values: p.Rows, raw: raw, lent: true, begun: true, form: isTemplates, page: page, index: index, codes: codes, deltas: deltas}
	rest := raw[length:]
	if c.Nullable {
		if h.levels != levelsRLE {
			return false, ErrForm
		}
		b.present = present
		if rest, err = b.readLevels(rest, present); err != nil { // there may be more of them
			return false, nil
		}
	}
	b.levels = len(raw) - len(rest)
	if !page.Begin(c.dict.templates, rest, int(h.size)-(len(raw)-length-len(rest)), b.values) {
		return false, nil
	}
	b.number, b.alone, c.last = number, number != c.last+1, number
	return true, nil
}

// giveBody gives the buffers of the open page back.
func (c *Column) giveBody() {
	if !c.body.lent {
		c.d.give(c.body.raw)
	}
	c.d.give(c.body.texts)
}

// width is how many bits a plain value has; 0 is that each text has its own.
func (c *Column) width() int {
	switch c.Type {
	case arrow.BOOL:
		return 1
	case arrow.INT32:
		return 32
	case arrow.STRING:
		return 0
	}
	return 64
}

// readLevels reads which rows have values, and returns what is behind.
func (b *body) readLevels(raw []byte, kept Rows) (rest []byte, err error) {
	if len(raw) < 4 {
		return nil, ErrDamaged
	}
	n := binary.LittleEndian.Uint32(raw)
	if raw = raw[4:]; uint64(n) > uint64(len(raw)) {
		return nil, ErrDamaged
	}
	h := hybrid{b: raw[:n], width: 1}
	if len(kept) < (b.rows+63)/64 {
		kept = NewRows(b.rows)
	}
	clear(kept)
	b.values = 0
	for row := 0; row < b.rows; {
		count, value, packed, err := h.run(b.rows - row)
		if err != nil {
			return nil, err
		}
		switch {
		case packed == nil && value > 1:
			return nil, ErrDamaged
		case packed == nil && value == 1:
			kept.AddRange(row, row+count)
			b.values += count
		case packed != nil:
			for i := range count {
				if packed[i>>3]>>(i&7)&1 != 0 {
					kept.Add(row + i)
					b.values++
				}
			}
		}
		row += count
	}
	if b.present = kept; b.values == b.rows {
		b.present = nil
	}
	return raw[n:], nil
}

// textEnd is where a text ends whose length stands at at.
func textEnd(b []byte, at int) (end int, ok bool) {
	if at > len(b)-4 {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(b[at:])
	at += 4
	return at + int(n), uint64(n) <= uint64(len(b)-at)
}

// A hybrid reads runs of equal values, and groups of eight that are packed.
type hybrid struct {
	b     []byte
	width int
}

// run reads a run of at most so many values: equal ones, or packed ones, of
// which packed has all bytes that count values take; it is not to be appended to.
func (h *hybrid) run(most int) (count int, value uint32, packed []byte, err error) {
	head, n := binary.Uvarint(h.b)
	if n <= 0 || head>>1 == 0 || head>>1 > 1<<31 {
		return 0, 0, nil, ErrDamaged
	}
	h.b = h.b[n:]
	if head&1 == 0 {
		bytes := (h.width + 7) / 8
		if bytes > len(h.b) {
			return 0, 0, nil, ErrDamaged
		}
		for i := range bytes {
			value |= uint32(h.b[i]) << (8 * i)
		}
		h.b = h.b[bytes:]
		return int(min(head>>1, uint64(most))), value, nil, nil
	}
	count = int(min(head>>1*8, uint64(most)))
	// The last group may be cut short behind the last value.
	size := min(head>>1*uint64(h.width), uint64(len(h.b)))
	if packed = h.b[:size]; uint64(count)*uint64(h.width) > size*8 {
		return 0, 0, nil, ErrDamaged
	}
	h.b = h.b[size:]
	return count, 0, packed, nil
}

// readIndexes appends as many indexes as there are values, all below of.
func readIndexes(index []uint32, b []byte, values, of int) ([]uint32, error) {
	if values == 0 {
		return index, nil
	}
	if len(b) == 0 || b[0] > 32 {
		return nil, ErrDamaged
	}
	h := hybrid{b[1:], int(b[0])}
	index = slices.Grow(index, values)
	most := uint32(0)
	for len(index) < values {
		count, value, packed, err := h.run(values - len(index))
		if err != nil {
			return nil, err
		}
		if packed == nil {
			most = max(most, value)
			for range count {
				index = append(index, value)
			}
			continue
		}
		at := len(index)
		index = index[:at+count]
		most = max(most, unpackBits(index[at:], packed, h.width))
	}
	if int64(most) >= int64(of) {
		return nil, ErrDamaged
	}
	return index, nil
}

// Bounds of what others may write as differences.
const (
	mostBlock = 1 << 16
	mostParts = 1 << 8
)

// readDeltas appends the values of a page of differences.
func readDeltas(to []int64, b []byte, values int) ([]int64, error) {
	var head [3]uint64 // values in a block, parts of a block, values in all
	for i := range head {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, ErrDamaged
		}
		head[i], b = v, b[n:]
	}
	last, n := binary.Varint(b)
	block, parts := head[0], head[1]
	if n <= 0 || head[2] != uint64(values) || block == 0 || block > mostBlock || parts == 0 || parts > mostParts || block%parts != 0 || block/parts%8 != 0 {
		return nil, ErrDamaged
	}
	b = b[n:]
	if values == 0 {
		return to, nil
	}
	to = append(slices.Grow(to, values), last)
	part := int(block / parts)
	for left := values - 1; left > 0; {
		least, n := binary.Varint(b)
		if n <= 0 || len(b)-n < int(parts) {
			return nil, ErrDamaged
		}
		widths := b[n : n+int(parts)]
		b = b[n+int(parts):]
		for _, width := range widths {
			if left == 0 {
				break
			}
			size := part / 8 * int(width)
			if width > 64 || size > len(b) {
				return nil, ErrDamaged
			}
			at := len(to)
			to = to[:at+min(part, left)]
			last = addUp(to[at:], b[:size], int(width), last, least)
			b, left = b[size:], left-(len(to)-at)
		}
	}
	return to, nil
}

// ordinals tells rows by the number of their value, in ascending order.
type ordinals struct {
	present    Rows
	row, value int // value is how many values there are before row
}

func (o *ordinals) rowOf(value int) int {
	if o.present == nil {
		return value
	}
	for {
		w := o.present[o.row>>6] >> (o.row & 63)
		if n := bits.OnesCount64(w); o.value+n <= value {
			o.value += n
			o.row = o.row&^63 + 64
			continue
		}
		for range value - o.value {
			w &= w - 1
		}
		o.row, o.value = o.row+bits.TrailingZeros64(w), value
		return o.row
	}
}

// valueOf is how many values there are before a row, and whether it has one. Rows
// are asked for in ascending order.
func (o *ordinals) valueOf(row int) (value int, ok bool) {
	if o.present == nil {
		return row, true
	}
	o.value += o.present.CountRange(o.row, row)
	o.row = row
	return o.value, o.present.Has(row)
}
