package template

import (
	"encoding/binary"
	"math"
	"slices"
)

// A Page is the texts of a page, as a Coder wrote them. The zero value is ready for
// Open, and is kept for the next page. It is not safe for concurrent use.
type Page struct {
	d        *Dictionary
	body     []byte // with slack behind it
	size     int    // bytes of all texts
	present  []int
	payloads []Span // of the present templates
	index    []uint16

	// While texts are made.
	at     []uint32    // by present template, how far its payload is read
	of     []*Template // the present ones that were asked for, else nil
	wanted []bool
	picks  []picked
	chains []chain // by present template
	steps  []step
	begun  []Span // of steps, by present template; empty: not made yet

	more func(from, end int) error // reads bytes of body; nil: all are there

	// While they are followed.
	values []uint32 // by present template; begins has where they begin
	begins []uint32
	room   [mostHex + slack]byte // for what is in a hole
}

// mostTexts bounds the bytes that the texts of a page have.
const mostTexts = 64 << 20

// Open begins to read a page of so many values. It keeps body, of which the caller
// must change nothing as long as the page is read; it is copied if it has no room for
// 32 bytes behind it.
func (p *Page) Open(d *Dictionary, body []byte, values int) error {
	n := len(body)
	if cap(body)-n < slack {
		body = append(make([]byte, 0, n+slack), body...)
	}
	if err := p.parse(d, body, n, values); err != nil {
		return err
	}
	p.body = body[:n+slack]
	return nil
}

// Slack is how many bytes there are to be behind the bytes of a page for Rest.
const Slack = slack

// Rest makes a page that was begun as good as one that is open, with no more read of it
// than what is looked at: more reads some bytes of the page, from from up to end, into
// their places in body, which has those of all the page and Slack. What it returns is
// returned by whoever needed them. The page keeps body, as Open does.
func (p *Page) Rest(body []byte, more func(from, end int) error) {
	p.body, p.more = body, more
}

// Leave lets go of what the page was opened with; it may be opened again.
func (p *Page) Leave() { p.d, p.body, p.more = nil, nil, nil }

// need makes the payload of the i-th present template known.
func (p *Page) need(i int) error {
	if p.more == nil {
		return nil
	}
	return p.more(int(p.payloads[i].From), int(p.payloads[i].End))
}

// Begin is Open of a page of so many bytes of which only the first are there: which
// templates values have is known then, and nothing of their texts. It reports false if
// more is needed; then Open tells whether the page is damaged.
func (p *Page) Begin(d *Dictionary, body []byte, size, values int) bool {
	p.body = nil
	return p.parse(d, body, size, values) == nil
}

// parse reads what is before the payloads of a page of n bytes, of which body are the
// first ones.
func (p *Page) parse(d *Dictionary, body []byte, n, values int) error {
	p.d, p.more = d, nil
	p.present, p.of, p.payloads, p.index = p.present[:0], p.of[:0], p.payloads[:0], p.index[:0]
	p.steps, p.begun = p.steps[:0], p.begun[:0]
	size, at := uvarint(body, 0)
	if at < 0 || size > mostTexts {
		return ErrDamaged
	}
	count, at := uvarint(body, at)
	if at < 0 || count > uint64(values) || count > uint64(d.Len()) || count > uint64(n-at)/2 || count == 0 && values > 0 {
		return ErrDamaged
	}
	number, sizes := uint64(0), uint64(0)
	for i := range int(count) {
		var more, bytes uint64
		if more, at = uvarint(body, at); at < 0 || more == 0 && i > 0 {
			return ErrDamaged
		}
		if bytes, at = uvarint(body, at); at < 0 {
			return ErrDamaged
		}
		if number += more; number >= uint64(d.Len()) || bytes > math.MaxInt32-sizes {
			return ErrDamaged
		}
		p.present, p.of, p.begun = append(p.present, int(number)), append(p.of, nil), append(p.begun, Span{})
		p.payloads = append(p.payloads, Span{uint32(sizes), uint32(sizes + bytes)})
		sizes += bytes
	}
	if at >= len(body) || body[at] > 16 {
		return ErrDamaged
	}
	width := int(body[at])
	at++
	begin := at + (values*width+7)/8
	if begin > len(body) || uint64(n-begin) != sizes {
		return ErrDamaged
	}
	for i := range p.payloads {
		p.payloads[i].From += uint32(begin)
		p.payloads[i].End += uint32(begin)
	}
	if !p.indexes(body[at:], values, width) {
		return ErrDamaged
	}
	// So much can come of these payloads at most.
	most := 0
	for _, number := range p.present {
		most = max(most, d.most[number])
	}
	if p.size = int(size); int64(size) > int64(sizes)+int64(most)*int64(values) {
		return ErrDamaged
	}
	return nil
}

// template is the i-th present one.
func (p *Page) template(i int) *Template {
	t := p.of[i]
	if t == nil {
		t = p.d.Template(p.present[i])
		p.of[i] = t
	}
	return t
}

// indexes reads which templates values have.
func (p *Page) indexes(b []byte, values, width int) bool {
	p.index = slices.Grow(p.index, values)[:values]
	mask := uint32(1)<<width - 1
	most, i := uint16(0), 0
	if width <= 14 { // a word has four, wherever in a byte they begin
		for bit := 0; i+4 <= values && bit>>3+8 <= len(b); i, bit = i+4, bit+4*width {
			w, to := binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7), (*[4]uint16)(p.index[i:])
			for k := range to {
				n := uint16(uint32(w) & mask)
				w >>= width & 63
				to[k] = n
				most = max(most, n)
			}
		}
	}
	for bit := i * width; i < values; i, bit = i+1, bit+width {
		var word [4]byte
		var v uint32
		if at := bit >> 3; at+4 <= len(b) {
			v = binary.LittleEndian.Uint32(b[at:])
		} else {
			copy(word[:], b[at:])
			v = binary.LittleEndian.Uint32(word[:])
		}
		n := uint16(v >> (bit & 7) & mask)
		p.index[i] = n
		most = max(most, n)
	}
	return values == 0 || int(most) < len(p.present)
}

// Those adds the values to a set that have one of some present templates.
func (p *Page) Those(of []bool, set []uint64) {
	if !slices.Contains(of, true) {
		return
	}
	var bits [1 << 8]uint64
	if len(of) > len(bits) {
		for value, n := range p.index {
			if of[n] {
				set[value>>6] |= 1 << (value & 63)
			}
		}
		return
	}
	for i, is := range of {
		if is {
			bits[i] = 1
		}
	}
	for from := 0; from < len(p.index); from += 64 {
		w := uint64(0)
		for i, n := range p.index[from:min(from+64, len(p.index))] {
			w |= bits[uint8(n)] << (i & 63)
		}
		set[from>>6] |= w
	}
}

// Present are the numbers of the templates that the page has, ascending. The caller
// must not change them.
func (p *Page) Present() []int { return p.present }

// At is which of the present templates a value has.
func (p *Page) At(value int) int { return int(p.index[value]) }

// Payload is how many bytes the values take of the i-th present template.
func (p *Page) Payload(i int) int { return int(p.payloads[i].End - p.payloads[i].From) }

// Values counts the values.
func (p *Page) Values() int { return len(p.index) }

// Size is how many bytes all texts have.
func (p *Page) Size() int { return p.size }

// Room is how many bytes Plain needs.
func (p *Page) Room() int { return p.size + 4*len(p.index) + slack }

// Plain writes all texts to b, each behind its length in 4 bytes, little-endian, and
// returns what it has written. b has Room bytes.
func (p *Page) Plain(b []byte) ([]byte, error) {
	p.begin()
	for i := range p.payloads {
		if err := p.need(i); err != nil {
			return nil, err
		}
	}
	n := 0
	for _, i := range p.index {
		end, ok := p.text(b, n+4, int(i))
		if !ok {
			return nil, ErrDamaged
		}
		binary.LittleEndian.PutUint32(b[n:], uint32(end-n-4))
		n = end
	}
	if n != p.size+4*len(p.index) || !p.read() {
		return nil, ErrDamaged
	}
	return b[:n], nil
}

// begin begins to read payloads.
func (p *Page) begin() {
	p.at = p.at[:0]
	for _, s := range p.payloads {
		p.at = append(p.at, s.From)
	}
}

// read reports whether all payloads were read to their ends.
func (p *Page) read() bool {
	for i, s := range p.payloads {
		if p.at[i] != s.End {
			return false
		}
	}
	return true
}

// text writes the next text of the i-th present template to b from n on. It needs
// slack bytes more than the text has.
func (p *Page) text(b []byte, n, i int) (end int, ok bool) {
	t := p.template(i)
	at, behind := int(p.at[i]), int(p.payloads[i].End)
	for k, kind := range t.kinds {
		if n = put(b, n, t.literals[k]); n < 0 {
			return 0, false
		}
		switch {
		case kind == Digits:
			v := uint64(p.body[at]) // there is slack
			if at++; v >= 0x80 {
				v &= 0x7f
				for shift := 7; ; shift += 7 {
					c := p.body[at]
					at++
					v |= uint64(c&0x7f) << shift
					if c < 0x80 {
						break
					}
					if shift == 63 {
						return 0, false
					}
				}
			}
			if at > behind || n+mostDigits >= len(b) {
				return 0, false
			}
			size := spell(b[n:n+mostDigits+1], v)
			if size == 0 {
				return 0, false
			}
			n += size
		case kind > Hex:
			size := int(kind - Hex)
			if (size+1)/2 > behind-at || n+size+slack > len(b) {
				return 0, false
			}
			getHex(b[n:], p.body[at:], size)
			at, n = at+(size+1)/2, n+size
		default:
			size, from := uvarint(p.body[:behind], at)
			if from < 0 || size > uint64(behind-from) || size > uint64(len(b)-n) {
				return 0, false
			}
			n += copy(b[n:], p.body[from:from+int(size)])
			at = from + int(size)
		}
	}
	p.at[i] = uint32(at)
	n = put(b, n, t.literals[len(t.kinds)])
	return n, n >= 0
}

// put copies a literal, which has slack behind it, to b from n on, which is to have
// as much. It returns where the literal ends, or -1.
func put(b []byte, n int, literal []byte) int {
	size := len(literal)
	if n+size+slack > len(b) {
		return -1
	}
	if size > 64 {
		return n + copy(b[n:], literal)
	}
	for i := 0; i < size; i += 16 {
		*(*[16]byte)(b[n+i:]) = *(*[16]byte)(literal[i : i+16])
	}
	return n + size
}
