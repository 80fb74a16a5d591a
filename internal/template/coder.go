package template

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// A Coder stores the texts of a column. It is not safe for concurrent use.
type Coder struct {
	cut cutter
	tmp []byte // a text that nothing can be read behind

	templates []form
	literals  []byte   // of all templates
	parts     []part   // of all templates
	slots     []uint32 // number of a template, by its hash; open addressing, a power of two
	seed      uint64   // so that nobody can choose texts that meet
	odd       int      // texts that have template 0

	// The page. The arena has payloads as they come.
	size  int
	cells []cell
	arena []byte
	count []cell // by template: how many values of the page have it, how long their payloads are; then where they go
	local []uint32
	used  []uint32 // templates of the page, ascending
}

// A form is a template while texts are stored by it.
type form struct {
	hash    uint64
	literal int // where its literals begin in all of them
	size    int // of its literals
	part    int // where its parts begin in all of them
	holes   int
}

// A part is a hole and the size of the literal before it.
type part struct {
	size uint16 // at most mostText
	kind Kind
}

// A cell is one text of the page: its template, and where its payload ends.
type cell struct{ template, end uint32 }

// Reset begins a column.
func (c *Coder) Reset() {
	if c.slots == nil {
		c.slots = make([]uint32, 4*MostTemplates)
		c.seed = maphash.String(maphash.MakeSeed(), "template")
	}
	clear(c.slots)
	c.templates = append(c.templates[:0], form{holes: 1})
	c.literals, c.parts = c.literals[:0], append(c.parts[:0], part{0, Any})
	c.odd = 0
	c.reset()
}

func (c *Coder) reset() { c.size, c.cells, c.arena = 0, c.cells[:0], c.arena[:0] }

// Templates counts the templates of the column until now.
func (c *Coder) Templates() int { return len(c.templates) }

// Odd counts the texts of the column that have template 0.
func (c *Coder) Odd() int { return c.odd }

// Words are the runs of ASCII letters and digits of the text added last that have
// a digit, and its template. They are valid until the next text. Of template 0 there
// are none.
func (c *Coder) Words() (words []Span, template int) {
	n := int(c.cells[len(c.cells)-1].template)
	if n == 0 {
		return nil, 0
	}
	return c.cut.word[:c.cut.words], n
}

// padded is s with 8 bytes behind it.
func (c *Coder) padded(s []byte) []byte {
	if cap(s)-len(s) >= 8 {
		return s
	}
	c.tmp = append(append(c.tmp[:0], s...), 0, 0, 0, 0, 0, 0, 0, 0)
	return c.tmp[:len(s)]
}

// Add adds a text to the page. It reads what lies behind the text in its slice, but
// does not use it.
func (c *Coder) Add(text []byte) {
	c.size += len(text)
	number := uint32(0)
	s := c.padded(text)
	if c.cut.cut(s) {
		number = c.number(s)
	}
	at := len(c.arena)
	if need := at + 2*len(s) + 16; need > cap(c.arena) {
		c.arena = append(make([]byte, 0, 2*need), c.arena...)
	}
	b := c.arena[:cap(c.arena)]
	if number == 0 {
		c.odd++
		at += binary.PutUvarint(b[at:], uint64(len(s)))
		at += copy(b[at:], s)
	} else {
		for _, h := range c.cut.holes[:c.cut.n] {
			switch from, end := int(h.from), int(h.end); {
			case h.kind == Digits:
				v := place(s[:end+8], from, end)
				for ; v >= 0x80; v >>= 7 {
					b[at] = byte(v) | 0x80
					at++
				}
				b[at] = byte(v)
				at++
			case h.kind == Word:
				at += binary.PutUvarint(b[at:], uint64(end-from))
				at += copy(b[at:], s[from:end])
			default:
				at += putHex(b[at:], s[from:end+8], end-from)
			}
		}
	}
	c.arena = b[:at]
	c.cells = append(c.cells, cell{number, uint32(at)})
}

// number is the template of a text that was cut, 0 if there are too many others.
func (c *Coder) number(s []byte) uint32 {
	h, at := c.seed, 0
	for _, hole := range c.cut.holes[:c.cut.n] {
		h = hashOf(h^uint64(hole.kind), s, at, int(hole.from))
		at = int(hole.end)
	}
	h = hashOf(h, s, at, len(s))
	mask := uint64(len(c.slots) - 1)
	slot := h & mask
	for ; c.slots[slot] != 0; slot = (slot + 1) & mask {
		if n := c.slots[slot]; c.templates[n].hash == h && c.is(&c.templates[n], s) {
			return n
		}
	}
	n := uint32(len(c.templates))
	if n == MostTemplates {
		return 0
	}
	f := form{hash: h, literal: len(c.literals), part: len(c.parts), holes: c.cut.n}
	at = 0
	for _, hole := range c.cut.holes[:c.cut.n] {
		c.literals = append(c.literals, s[at:hole.from]...)
		c.parts = append(c.parts, part{uint16(int(hole.from) - at), hole.kind})
		at = int(hole.end)
	}
	c.literals = append(c.literals, s[at:]...)
	f.size = len(c.literals) - f.literal
	c.literals = append(c.literals, 0, 0, 0, 0, 0, 0, 0, 0) // that words can be read
	c.templates = append(c.templates, f)
	c.slots[slot] = n
	return n
}

// is reports whether a text that was cut has a template.
func (c *Coder) is(f *form, s []byte) bool {
	if f.holes != c.cut.n {
		return false
	}
	s = s[:len(s)+8]
	literal, at := c.literals[f.literal:f.literal+f.size+8], 0
	for i, p := range c.parts[f.part : f.part+f.holes] {
		hole, n := &c.cut.holes[i], int(p.size)
		if hole.kind != p.kind || int(hole.from)-at != n || !equal(s[at:], literal, n) {
			return false
		}
		literal, at = literal[n:], int(hole.end)
	}
	return len(s)-at == len(literal) && equal(s[at:], literal, len(literal)-8)
}

// equal reports whether two texts are equal in their first n bytes, behind which 8
// can be read.
func equal(a, b []byte, n int) bool {
	for ; n >= 8; n -= 8 {
		if binary.LittleEndian.Uint64(a) != binary.LittleEndian.Uint64(b) {
			return false
		}
		a, b = a[8:], b[8:]
	}
	return (binary.LittleEndian.Uint64(a)^binary.LittleEndian.Uint64(b))<<(64-8*n) == 0
}

// hashOf hashes s[from:end], behind which 8 bytes can be read.
func hashOf(h uint64, s []byte, from, end int) uint64 {
	h += uint64(end-from) * 0x9e3779b97f4a7c15
	s = s[:end+8]
	for ; from+8 <= end; from += 8 {
		h = mix(h^binary.LittleEndian.Uint64(s[from:]), 0xa0761d6478bd642f)
	}
	rest := uint64(1)<<(8*(end-from)&63) - 1
	return mix(h^binary.LittleEndian.Uint64(s[from:])&rest, 0xe7037ed1a0b428db)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Page appends the page of the texts added since the last one, and begins the next.
func (c *Coder) Page(b []byte) []byte {
	// How many values and bytes each template has, then where its bytes go.
	if len(c.count) < len(c.templates) {
		c.count, c.local = make([]cell, MostTemplates), make([]uint32, MostTemplates)
	}
	begin := uint32(0)
	for _, v := range c.cells {
		c.count[v.template].template++
		c.count[v.template].end += v.end - begin
		begin = v.end
	}
	c.used = c.used[:0]
	for n := range c.templates {
		if c.count[n].template > 0 {
			c.local[n] = uint32(len(c.used))
			c.used = append(c.used, uint32(n))
		}
	}
	b = binary.AppendUvarint(b, uint64(c.size))
	b = binary.AppendUvarint(b, uint64(len(c.used)))
	last := uint32(0)
	for _, n := range c.used {
		b = binary.AppendUvarint(b, uint64(n-last))
		b = binary.AppendUvarint(b, uint64(c.count[n].end))
		last = n
	}
	width := bits.Len(uint(max(len(c.used), 1) - 1))
	b = append(b, byte(width))
	var acc uint64
	have := 0
	for _, v := range c.cells {
		acc |= uint64(c.local[v.template]) << have
		for have += width; have >= 8; have -= 8 {
			b, acc = append(b, byte(acc)), acc>>8
		}
	}
	if have > 0 {
		b = append(b, byte(acc))
	}
	at := uint32(len(b))
	for _, n := range c.used {
		size := c.count[n].end
		c.count[n] = cell{0, at}
		at += size
	}
	b = append(b, c.arena...) // its length is right; each piece comes to its place now
	begin = 0
	for _, v := range c.cells {
		to := &c.count[v.template].end
		*to += uint32(copy(b[*to:], c.arena[begin:v.end]))
		begin = v.end
	}
	for _, n := range c.used {
		c.count[n] = cell{}
	}
	c.reset()
	return b
}

// Dictionary appends the templates of all pages.
func (c *Coder) Dictionary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.templates)))
	for _, f := range c.templates {
		b = binary.AppendUvarint(b, uint64(f.holes))
		literal := c.literals[f.literal : f.literal+f.size]
		for _, p := range c.parts[f.part : f.part+f.holes] {
			b = append(binary.AppendUvarint(b, uint64(p.size)), literal[:p.size]...)
			b = binary.AppendUvarint(b, uint64(p.kind))
			literal = literal[p.size:]
		}
		b = append(binary.AppendUvarint(b, uint64(len(literal))), literal...)
	}
	return b
}
