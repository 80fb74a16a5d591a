package template

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"unsafe"
)

// A Coder stores the texts of a column. It is not safe for concurrent use.
type Coder struct {
	cut cutter
	tmp []byte // a text that nothing can be read behind

	templates []form
	keys      []byte   // of all templates
	key       []byte   // of the text that is looked for
	slots     []uint32 // number of a template, by its hash; open addressing, a power of two
	seed      maphash.Seed
	odd       int // texts that have template 0

	// The page. The arena has payloads as they come.
	size  int
	cells []cell
	arena []byte
	count []cell // by template: how many values of the page have it, how long their payloads are; then where they go
	local []uint32
	used  []uint32 // templates of the page, ascending
}

// A form is a template while texts are stored by it. Its key has the size of the
// literal before each hole (2 bytes) and the hole's kind (2 bytes), then all literals.
type form struct {
	hash     uint64
	from, to int // of its key, in all of them
	holes    int
}

const partSize = 4 // bytes of a key for each hole

// A cell is one text of the page: its template, and where its payload ends.
type cell struct{ template, end uint32 }

// Reset begins a column.
func (c *Coder) Reset() {
	if c.slots == nil {
		c.slots = make([]uint32, 4*MostTemplates)
		c.seed = maphash.MakeSeed() // so that nobody can choose texts that meet
		c.key = make([]byte, partSize*mostHoles+mostText+slack)
	}
	clear(c.slots)
	c.keys = append(c.keys[:0], 0, 0, byte(Any), 0)
	c.templates = append(c.templates[:0], form{to: partSize, holes: 1})
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

// Holes are those of the text added last, and its template. They are valid until the
// next text. Of template 0 there are none.
func (c *Coder) Holes() (holes []Hole, template int) {
	n := int(c.cells[len(c.cells)-1].template)
	if n == 0 {
		return nil, 0
	}
	return c.cut.holes[:c.cut.n], n
}

// padded is s with as much behind it as is read.
func (c *Coder) padded(s []byte) []byte {
	if cap(s)-len(s) >= readBehind {
		return s
	}
	c.tmp = append(append(c.tmp[:0], s...), make([]byte, readBehind)...)
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
		holes := c.cut.holes[:c.cut.n]
		for i := range holes {
			switch h := &holes[i]; h.Kind {
			case Digits:
				at += putPlace(b[at:], s, int(h.From), int(h.End))
			case Word:
				at += binary.PutUvarint(b[at:], uint64(h.End-h.From))
				at += copy(b[at:], s[h.From:h.End])
			default:
				at += putHex(b[at:], s[h.From:h.End+8], int(h.End-h.From))
			}
		}
	}
	c.arena = b[:at]
	c.cells = append(c.cells, cell{number, uint32(at)})
}

// number is the template of a text that was cut, 0 if there are too many others.
func (c *Coder) number(s []byte) uint32 {
	key := c.keyOf(s)
	h := maphash.Bytes(c.seed, key)
	mask := uint64(len(c.slots) - 1)
	slot := h & mask
	for ; c.slots[slot] != 0; slot = (slot + 1) & mask {
		n := c.slots[slot]
		if f := &c.templates[n]; f.hash == h && f.holes == c.cut.n && bytes.Equal(c.keys[f.from:f.to], key) {
			return n
		}
	}
	n := uint32(len(c.templates))
	if n == MostTemplates {
		return 0
	}
	from := len(c.keys)
	c.keys = append(c.keys, key...)
	c.templates = append(c.templates, form{h, from, len(c.keys), c.cut.n})
	c.slots[slot] = n
	return n
}

// keyOf is the key of the template of a text that was cut, valid until the next.
// Literals are copied sixteen bytes at a time: up to fifteen bytes behind the text are
// read, which are there (padded), and as many written behind the key, for which there
// is slack. This is done of all texts, so it goes without asking for bounds.
func (c *Coder) keyOf(s []byte) []byte {
	text, key := unsafe.Pointer(unsafe.SliceData(s)), unsafe.Pointer(unsafe.SliceData(c.key))
	holes := c.cut.holes[:c.cut.n]
	to, at := uintptr(partSize*len(holes)), uintptr(0)
	for i := range holes {
		h := &holes[i]
		n := uintptr(h.From) - at
		*(*[partSize]byte)(unsafe.Add(key, partSize*i)) = [partSize]byte{byte(n), byte(n >> 8), byte(h.Kind), byte(h.Kind >> 8)}
		copyBySixteen(unsafe.Add(key, to), unsafe.Add(text, at), n)
		to += n
		at = uintptr(h.End)
	}
	n := uintptr(len(s)) - at
	copyBySixteen(unsafe.Add(key, to), unsafe.Add(text, at), n)
	return c.key[:to+n]
}

// copyBySixteen copies n bytes, and up to fifteen more, or sixteen of none.
func copyBySixteen(to, from unsafe.Pointer, n uintptr) {
	*(*[16]byte)(to) = *(*[16]byte)(from)
	for i := uintptr(16); i < n; i += 16 {
		*(*[16]byte)(unsafe.Add(to, i)) = *(*[16]byte)(unsafe.Add(from, i))
	}
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
		key := c.keys[f.from:f.to]
		literals := key[partSize*f.holes:]
		for ; f.holes > 0; f.holes-- {
			size, kind := binary.LittleEndian.Uint16(key), binary.LittleEndian.Uint16(key[2:])
			b = append(binary.AppendUvarint(b, uint64(size)), literals[:size]...)
			b = binary.AppendUvarint(b, uint64(kind))
			key, literals = key[partSize:], literals[size:]
		}
		b = append(binary.AppendUvarint(b, uint64(len(literals))), literals...)
	}
	return b
}
