package batch

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The functions here find where a JSON value ends, and that it is one: as
// strictly as the thorough reader, but for two limits of their own, after which
// they give up. They return -1 for whatever they don't take.

// Eight bytes at a time: each has its lowest or its highest bit set.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// blanks returns where the blanks at i end.
func blanks(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stops marks the quotes and backslashes among eight bytes by their highest bits; only
// the lowest mark is sure.
func stops(v uint64) uint64 {
	quote, slash := v^(ones*'"'), v^(ones*'\\')
	return (quote-ones)&^quote | (slash-ones)&^slash
}

// text returns the place of the quote that ends the string whose text begins
// at i, and whether there are escapes in it.
func text(b []byte, i int) (end int, escaped bool) {
	from, ascii := i, uint64(highs)
	for {
		// Skip what stands for itself: the lowest marked byte is a quote, a
		// backslash, a control character or, until one was seen, not ASCII.
		for i+8 <= len(b) {
			v := binary.LittleEndian.Uint64(b[i:])
			if found := (stops(v) | (v-ones*' ')&^v) & highs; found|v&ascii != 0 {
				i += bits.TrailingZeros64(found|v&ascii) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, false
		}
		switch c := b[i]; {
		case c == '"':
			if ascii == 0 && !utf8.Valid(b[from:i]) {
				return -1, false
			}
			return i, escaped
		case c == '\\':
			escaped = true
			if i = escape(b, i); i < 0 {
				return -1, false
			}
			continue
		case c < ' ':
			return -1, false
		case c >= utf8.RuneSelf:
			ascii = 0
		}
		i++
	}
}

// plainText is text for strings of ASCII characters that stand for themselves, which
// nearly all are. It returns -1 for all others, and for what ends with b.
func plainText(b []byte, i int) int {
	if i+16 <= len(b) {
		if i += until(&b[i], len(b)-i); i < len(b) && b[i] == '"' {
			return i
		}
	}
	for i+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[i:])
		if found := plainStops(v); found != 0 {
			if i += bits.TrailingZeros64(found) >> 3; b[i] == '"' {
				return i
			}
			return -1
		}
		i += 8
	}
	return -1
}

// plainStops marks quotes, backslashes, control characters and what is not ASCII
// by their highest bits; only the lowest mark is sure.
func plainStops(v uint64) uint64 {
	quote, slash := (v^ones*'"')-ones, (v^ones*'\\')-ones
	return (quote | slash | (v - ones*' ') | v) & highs
}

// stringEnd returns the place of the quote that ends the string whose text
// begins at i, and whether there are escapes in it, of JSON that was
// found valid before: it is text with less to look for. It returns -1 for what is none.
func stringEnd(b []byte, i int) (end int, escaped bool) {
	if whole := b[:cap(b)]; i+16 <= len(whole) { // what is behind b may be read, and is no end of it
		if i += until(&whole[i], len(whole)-i); i < len(b) && b[i] == '"' {
			return i, false
		}
	}
	for {
		for i+8 <= len(b) {
			v := binary.LittleEndian.Uint64(b[i:])
			if found := stops(v) & highs; found != 0 {
				i += bits.TrailingZeros64(found) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, false
		}
		switch b[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++ // what follows stands for itself
		}
		i++
	}
}

// escape returns where the escape at i ends. Halves of a surrogate pair must
// stand together.
func escape(b []byte, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return -1
	}
	if i+6 > len(b) {
		return -1
	}
	switch r := hex4(b[i+2:]); {
	case r < 0, r >= 0xdc00 && r < 0xe000:
		return -1
	case r < 0xd800, r >= 0xe000:
		return i + 6
	}
	if i+12 > len(b) || b[i+6] != '\\' || b[i+7] != 'u' {
		return -1
	}
	if r := hex4(b[i+8:]); r < 0xdc00 || r >= 0xe000 {
		return -1
	}
	return i + 12
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// maxDepth is how deep arrays and objects may lie in one another here.
const maxDepth = 64

// value returns where the value at i ends, and whether there are blanks
// between its tokens.
func value(b []byte, i int) (end int, spaced bool) {
	var objects uint64 // the lowest bit is set if the innermost is an object
	depth := 0
	skip := func() {
		if i < len(b) && b[i] <= ' ' {
			if to := blanks(b, i); to > i {
				i, spaced = to, true
			}
		}
	}
	for {
		// A value begins here.
		if i >= len(b) {
			return -1, false
		}
		switch c := b[i]; c {
		case '{', '[':
			if depth++; depth > maxDepth {
				return -1, false
			}
			i++
			skip()
			objects <<= 1
			if c == '[' {
				if i < len(b) && b[i] == ']' {
					break
				}
				continue
			}
			objects |= 1
			if i < len(b) && b[i] == '}' {
				break
			}
			if i = name(b, i, &spaced); i < 0 {
				return -1, false
			}
			continue
		case '"':
			end := plainText(b, i+1)
			if end < 0 {
				end, _ = text(b, i+1)
			}
			i = end + 1 // 0 for what was refused
		case 't':
			i = word(b, i, "true")
		case 'f':
			i = word(b, i, "false")
		case 'n':
			i = word(b, i, "null")
		default:
			i = digits(b, i)
		}
		if i <= 0 {
			return -1, false
		}
		// It has ended, or an empty one is about to.
		for more := false; !more; {
			if depth == 0 {
				return i, spaced
			}
			skip()
			if i >= len(b) {
				return -1, false
			}
			object := objects&1 != 0
			switch c := b[i]; {
			case c == ',' && object:
				i++
				skip()
				if i = name(b, i, &spaced); i < 0 {
					return -1, false
				}
				more = true
			case c == ',':
				i++
				skip()
				more = true
			case c == '}' && object, c == ']' && !object:
				i++
				objects >>= 1
				depth--
			default:
				return -1, false
			}
		}
	}
}

// flatObject is value for objects as most are: without blanks, with names and texts of
// ASCII characters that stand for themselves. It returns -1 for all others.
func flatObject(b []byte, i int) int {
	for i++; i < len(b) && b[i] == '"'; i++ {
		if i = plainText(b, i+1); i < 0 || i+2 >= len(b) || b[i+1] != ':' {
			return -1
		}
		i += 2
		switch c := b[i]; {
		case c == '"':
			if i = plainText(b, i+1); i < 0 {
				return -1
			}
			i++
		case c-'1' < 9:
			for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			}
			if i < len(b) && b[i] != ',' && b[i] != '}' {
				return -1
			}
		case c <= ' ':
			return -1
		default:
			spaced := false
			if i, spaced = value(b, i); i < 0 || spaced {
				return -1
			}
		}
		if i >= len(b) || b[i] != ',' {
			if i < len(b) && b[i] == '}' {
				return i + 1
			}
			return -1
		}
	}
	return -1
}

// name returns where the value behind the name at i begins.
func name(b []byte, i int, spaced *bool) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	end := plainText(b, i+1)
	if end < 0 {
		if end, _ = text(b, i+1); end < 0 {
			return -1
		}
	}
	if end+2 < len(b) && b[end+1] == ':' && b[end+2] > ' ' {
		return end + 2
	}
	i = blanks(b, end+1)
	if i >= len(b) || b[i] != ':' {
		return -1
	}
	to := blanks(b, i+1)
	*spaced = *spaced || i > end+1 || to > i+1
	return to
}

func word(b []byte, i int, w string) int {
	if len(b)-i < len(w) || string(b[i:i+len(w)]) != w {
		return -1
	}
	return i + len(w)
}

// digits returns where the number at i ends.
func digits(b []byte, i int) int {
	run := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !run() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !run() {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return -1
		}
	}
	return i
}
