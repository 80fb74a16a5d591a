package parquet

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// Bits are the codes of a page's rows as they lie in it. Where few rows are wanted
// their codes are taken out of the bits where they stand, and the others' are not.
type Bits struct {
	First, Rows int

	number int // of the page; -1: none
	width  int
	codes  int // are below this
	runs   []codeRun
	raw    []byte // a buffer that bits are in, if they are not in the file's bytes
	some   [block]uint32
}

// A codeRun is the codes of rows up to end, which is left out: all the same, or packed.
type codeRun struct {
	begin, end int // from the page's first row
	code       uint32
	bits       []byte // nil: all are code
}

// Bits are the codes of the rows of the page that has a row, valid until another
// page is opened or the column is closed. It is nil of a page that has them in no such
// form, or rows without a value: Codes has these. Coded must have been asked before.
func (c *Column) Bits(row int) (*Bits, error) {
	number, err := c.know(row)
	if err != nil {
		return nil, err
	}
	p := &c.bits
	if p.number == number {
		return p, nil
	}
	at, further := c.pages[number], c.further(number)
	head, body, err := c.page(at, further)
	if err != nil {
		return nil, err
	}
	encoding := parquetgo.Encoding(head.encoding)
	plain := c.Type == arrow.BOOL && encoding == parquetgo.Encodings.Plain
	if !plain && encoding != parquetgo.Encodings.RLEDict && encoding != parquetgo.Encodings.PlainDict {
		return nil, nil
	}
	c.last, p.number = number, -1
	p.First, p.Rows, p.runs = at.First, at.Rows, p.runs[:0]
	if in, ok := c.bare(head, body); ok {
		body = in
	} else {
		if cap(p.raw) < int(head.size) {
			c.d.give(p.raw)
			if p.raw, err = c.d.take(int(head.size)); err != nil {
				return nil, err
			}
		}
		p.raw = p.raw[:head.size]
		if err := c.d.unzstd(p.raw, body); err != nil {
			return nil, ErrDamaged
		}
		body = p.raw
	}
	if c.Nullable {
		if head.levels != levelsRLE {
			return nil, ErrForm
		}
		all, rest, err := allPresent(body, at.Rows)
		if !all || err != nil {
			return nil, err
		}
		body = rest
	}
	if plain {
		if len(body) < (at.Rows+7)/8 {
			return nil, ErrDamaged
		}
		p.width, p.codes = 1, 2
		p.runs = append(p.runs, codeRun{end: at.Rows, bits: body})
	} else if err := p.read(body, c.dict.values); err != nil {
		return nil, err
	}
	p.number = number
	return p, nil
}

// allPresent reads levels as long as they tell that rows have values. What is behind
// them is told only if all have.
func allPresent(body []byte, rows int) (all bool, rest []byte, err error) {
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return false, nil, ErrDamaged
	}
	n := int(binary.LittleEndian.Uint32(body)) + 4
	h := hybrid{b: body[4:n], width: 1}
	for row := 0; row < rows; {
		count, value, packed, err := h.run(rows - row)
		if err != nil {
			return false, nil, err
		}
		for i := range count {
			if packed != nil {
				value = uint32(packed[i>>3] >> (i & 7) & 1)
			}
			if value != 1 {
				return false, nil, nil
			}
			if packed == nil {
				break
			}
		}
		row += count
	}
	return true, body[n:], nil
}

// read finds the runs.
func (p *Bits) read(b []byte, codes int) error {
	if len(b) == 0 || b[0] > 32 {
		return ErrDamaged
	}
	p.width, p.codes = int(b[0]), codes
	h := hybrid{b[1:], p.width}
	for row := 0; row < p.Rows; {
		count, code, packed, err := h.run(p.Rows - row)
		if err != nil || packed == nil && int64(code) >= int64(codes) {
			return ErrDamaged
		}
		p.runs = append(p.runs, codeRun{row, row + count, code, packed})
		row += count
	}
	return nil
}

// A Choice is some codes.
type Choice struct {
	Rows           // by code
	few  [4]uint32 // all of them, if they are few, and some again
	many bool
	n    int // at least, if they are many
}

// One is the code, if there is only one.
func (c *Choice) One() (code uint32, ok bool) { return c.few[0], c.n == 1 }

// NewChoice has a set of codes at hand, of which there is one at least.
func NewChoice(of Rows) *Choice {
	c := &Choice{Rows: of}
	end := len(of) * 64
	for code := of.Next(0, end); code < end; code = of.Next(code+1, end) {
		if c.n == len(c.few) {
			c.many = true
			return c
		}
		for i := c.n; i < len(c.few); i++ {
			c.few[i] = uint32(code)
		}
		c.n++
	}
	return c
}

// block is how many codes are looked at together.
const block = 512

// Find appends which of the rows from from up to end, of those of the page, have one
// of the chosen codes.
func (p *Bits) Find(rows []uint32, from, end int, of *Choice) []uint32 {
	from, end = from-p.First, end-p.First
	for _, r := range p.runs {
		if r.end <= from || r.begin >= end {
			continue
		}
		first, last := max(from, r.begin), min(end, r.end)
		if r.bits == nil {
			for row := first; row < last && of.has(r.code); row++ {
				rows = append(rows, uint32(p.First+row))
			}
			continue
		}
		for at := first - (first-r.begin)%8; at < last; at += block {
			rows = p.findBlock(rows, r.bits[(at-r.begin)/8*p.width:], at, max(first, at), min(last, at+block), of)
		}
	}
	return rows
}

func (c *Choice) has(code uint32) bool { return int(code>>6) < len(c.Rows) && c.Has(int(code)) }

// findBlock finds among the rows from at on, whose codes b begins with, those from
// first up to last, a block at most behind at.
func (p *Bits) findBlock(rows []uint32, b []byte, at, first, last int, of *Choice) []uint32 {
	n := 0
	if !of.many {
		var found [block / 8]byte
		// What lies behind the run's bits is looked at too, and is not told.
		n = min((last-at)/8, eights(b[:cap(b)], p.width))
		matchEights(found[:], b[:cap(b)], p.width, n, &of.few)
		if n > 0 {
			found[0] &^= 1<<(first-at) - 1
		}
		for i := 0; i < n; i += 8 {
			for w := binary.LittleEndian.Uint64(found[i:]); w != 0; w &= w - 1 {
				rows = append(rows, uint32(p.First+at+8*i+bits.TrailingZeros64(w)))
			}
		}
	}
	some := p.some[:last-at-8*n]
	unpackBits(some, b[n*p.width:], p.width)
	for i, code := range some {
		if row := at + 8*n + i; row >= first && of.has(code) {
			rows = append(rows, uint32(p.First+row))
		}
	}
	return rows
}

// Add makes of each key, of one of these rows of the page, key times size plus the
// row's code. Rows ascend. A code that is none is ErrDamaged.
func (p *Bits) Add(keys, rows []uint32, size uint32) error {
	i, most := 0, uint32(0)
	mask := uint64(1)<<p.width - 1
	for _, r := range p.runs {
		if r.bits == nil {
			for ; i < len(rows) && int(rows[i])-p.First < r.end; i++ {
				keys[i] = keys[i]*size + r.code
			}
			continue
		}
		b := r.bits[:cap(r.bits)]
		for ; i < len(rows) && int(rows[i])-p.First < r.end; i++ {
			bit := (int(rows[i]) - p.First - r.begin) * p.width
			var code uint32
			if at := bit >> 3; at+8 <= len(b) {
				code = uint32(word(b, at) >> (bit & 7) & mask)
			} else {
				code = uint32(bitsAt(b, bit, p.width))
			}
			most = max(most, code)
			keys[i] = keys[i]*size + code
		}
	}
	if len(rows) > 0 && int64(most) >= int64(p.codes) {
		return ErrDamaged
	}
	return nil
}
