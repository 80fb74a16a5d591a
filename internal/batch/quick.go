package batch

import (
	"bytes"
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
		if i++; next < len(p.columns) && bytes.HasPrefix(b[i:], p.columns[next].quoted) {
			at, i = next, i+len(p.columns[next].quoted)
		} else {
			end, escaped := text(b, i)
			if end < 0 || escaped {
				return -1
			}
			if known, ok := p.index[borrow(b[i:end])]; ok {
				at = known
			}
			i = end + 1
		}
		if i = blanks(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = blanks(b, i+1)
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
	p.catchUp(c, p.row-1)
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
	end, spaced := value(b, i)
	if end < 0 {
		return -1
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
