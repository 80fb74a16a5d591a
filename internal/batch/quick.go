package batch

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"logkeep/internal/schema"
)

// quick reads rows that lie in memory as a whole, in one pass over the bytes.
// It reports false when it meets anything that rows of well-made clients don't
// have: broken JSON, a value that does not fit, an escape in a field's name.
// Then nothing of what it did counts, and the thorough reader reads the same
// rows from their beginning, to take them or to say what is wrong. What quick
// takes it takes with the same values; FuzzQuick holds the two together.
func (p *parser) quick(b []byte) bool {
	if !p.quickRows(b) {
		return false
	}
	for i := range p.columns {
		p.catchUp(&p.columns[i], p.row)
	}
	return true
}

// quickRows reads the rows; columns that the last ones left out lag behind.
func (p *parser) quickRows(b []byte) bool {
	i := blanks(b, 0)
	array := i < len(b) && b[i] == '['
	if array {
		if i = blanks(b, i+1); i < len(b) && b[i] == ']' {
			return blanks(b, i+1) == len(b)
		}
	}
	for {
		if i >= len(b) || b[i] != '{' {
			return false
		}
		p.row++
		if i = p.quickRow(b, i+1); i < 0 {
			return false
		}
		if p.row == foreseen {
			p.reserve(int64(i))
		}
		i = blanks(b, i)
		switch {
		case !array && i == len(b):
			return true
		case !array:
		case i == len(b):
			return false
		case b[i] == ',':
			i = blanks(b, i+1)
		default:
			return b[i] == ']' && blanks(b, i+1) == len(b)
		}
	}
}

// quickRow reads the row whose first field, or end, is at or behind i, and
// returns where it ends, or -1.
func (p *parser) quickRow(b []byte, i int) int {
	if i = blanks(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	next := 0
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		at := -1
		if i++; next < len(p.columns) {
			// Nearly all fields are where they were in the row before, without blanks.
			c := &p.columns[next]
			if end := i + len(c.quoted); end+1 < len(b) && string(b[i:end]) == string(c.quoted) {
				if at, i = next, end; b[i] == ':' && b[i+1] > ' ' {
					if i = p.quickCell(c, b, i+1); i < 0 {
						return -1
					}
					next++
					if i+1 < len(b) && b[i] == ',' && b[i+1] == '"' {
						i++
						continue
					}
					goto ended
				}
			}
		}
		if at < 0 {
			end, escaped := text(b, i)
			if end < 0 || escaped {
				return -1
			}
			if known, ok := p.index[borrow(b[i:end])]; ok {
				at = known
			}
			i = end + 1
		}
		if i+1 < len(b) && b[i] == ':' && b[i+1] > ' ' {
			i++
		} else {
			if i = blanks(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = blanks(b, i+1)
		}
		if at < 0 {
			p.unknown++
			i, _ = value(b, i)
		} else {
			next = at + 1
			i = p.quickCell(&p.columns[at], b, i)
		}
		if i < 0 {
			return -1
		}
	ended:
		if i = blanks(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = blanks(b, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// quickCell puts the value at i into a column and returns where it ends, or -1.
func (p *parser) quickCell(c *column, b []byte, i int) int {
	if i >= len(b) || c.last == p.row {
		return -1
	}
	if b[i] == 'n' {
		end, _ := value(b, i)
		return end
	}
	c.last = p.row
	if c.n+1 < int(p.row) {
		p.catchUp(c, p.row-1)
	}
	if end := c.putPlain(b, i); end >= 0 {
		return end
	}
	if c.Type == schema.String && b[i] == '"' {
		end, escaped := text(b, i+1)
		if end < 0 {
			return -1
		}
		if inner := b[i+1 : end]; !escaped && len(inner) <= maxText {
			c.text = append(c.text, inner...)
		} else {
			at := len(c.text)
			c.text = appendUnescaped(c.text, inner)
			p.limit(c, at)
		}
		if c.endText() != nil {
			return -1
		}
		return end + 1
	}
	end, spaced := -1, false
	if c.Type == schema.Dynamic && b[i] == '{' {
		end = flatObject(b, i)
	}
	if end < 0 {
		if end, spaced = value(b, i); end < 0 {
			return -1
		}
	}
	if c.Type == schema.Dynamic && !spaced {
		c.text = append(c.text, b[i:end]...)
		if c.endText() != nil {
			return -1
		}
		return end
	}
	if c.put(p, c, b[i:end]) != "" {
		return -1
	}
	return end
}

// putPlain puts the value at i into the column and returns where it ends, if the
// value is of the plainest form that its type has. Else it returns -1, and nothing
// has changed.
func (c *column) putPlain(b []byte, i int) int {
	switch c.Type {
	case schema.String:
		if b[i] != '"' {
			return -1
		}
		end := c.copyPlain(b, i+1)
		if end < 0 || c.endText() != nil {
			return -1
		}
		return end + 1
	case schema.Int, schema.Long:
		n, end := wholeAt(b, i)
		switch {
		case end < 0:
			return -1
		case c.Type == schema.Long:
			c.putLong(n)
		case n != int64(int32(n)):
			return -1
		default:
			c.putInt(int32(n))
		}
		return end
	case schema.DateTime:
		if b[i] != '"' {
			return -1
		}
		end := plainText(b, i+1)
		if end <= i+1 {
			return -1
		}
		t, err := schema.ParseTicks(borrow(b[i+1 : end]))
		if err != nil {
			return -1
		}
		c.putLong(int64(t))
		return end + 1
	}
	return -1
}

// copyPlain appends the text of a string, as plainText takes it, while it looks
// for its end. It returns -1 as well if the text is too long for a cell, or there
// is no room for it yet.
func (c *cells) copyPlain(b []byte, i int) int {
	at := len(c.text)
	to := c.text[at:cap(c.text)]
	from := b[i:]
	room := min(len(from), len(to))
	if room == 0 {
		return -1
	}
	n := copyUntil(&to[0], &from[0], room)
	if n == len(from) || from[n] != '"' {
		for found := uint64(0); found == 0; n += 8 {
			if n+8 > room {
				return -1
			}
			v := binary.LittleEndian.Uint64(from[n:])
			binary.LittleEndian.PutUint64(to[n:], v)
			if found = plainStops(v); found != 0 {
				n += bits.TrailingZeros64(found)>>3 - 8
			}
		}
		if from[n] != '"' {
			return -1
		}
	}
	if n > maxText {
		return -1
	}
	c.text = c.text[:at+n]
	return i + n
}

// wholeAt reads a whole number of at most 18 digits, without a fraction or an
// exponent, that a comma or the end of the row follows at once.
func wholeAt(b []byte, i int) (n int64, end int) {
	negative := b[i] == '-'
	if negative {
		i++
	}
	from := i
	for i < len(b) && b[i]-'0' <= 9 && i-from < 19 {
		n = n*10 + int64(b[i]-'0')
		i++
	}
	switch digits := i - from; {
	case digits == 0, digits > 18, digits > 1 && b[from] == '0', i >= len(b), b[i] != ',' && b[i] != '}':
		return 0, -1
	}
	if negative {
		n = -n
	}
	return n, i
}

// catchUp gives a column its absent value in the rows up to row that left it
// out: a table may have many columns of which a row names few.
func (p *parser) catchUp(c *column, row int64) {
	missing := int(row) - c.n
	switch {
	case missing <= 0:
	case c == p.time:
		for range missing {
			c.putLong(int64(p.now))
		}
	case c.Type == schema.String:
		c.ends = slices.Grow(c.ends, missing+1)
		for range missing {
			c.endOffset()
			c.mark(true)
		}
	default:
		for range missing {
			c.putNull(c.Type)
		}
	}
}

// appendUnescaped appends the text inside the quotes of a valid JSON string.
func appendUnescaped(dst, inner []byte) []byte {
	for {
		at := bytes.IndexByte(inner, '\\')
		if at < 0 {
			return append(dst, inner...)
		}
		dst = append(dst, inner[:at]...)
		e := inner[at+1]
		inner = inner[at+2:]
		switch e {
		case 'b':
			e = '\b'
		case 'f':
			e = '\f'
		case 'n':
			e = '\n'
		case 'r':
			e = '\r'
		case 't':
			e = '\t'
		case 'u':
			r := hex4(inner)
			inner = inner[4:]
			if r >= 0xd800 && r < 0xdc00 { // text has seen the other half
				r = 0x10000 + (r-0xd800)<<10 + (hex4(inner[2:]) - 0xdc00)
				inner = inner[6:]
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, e)
	}
}
