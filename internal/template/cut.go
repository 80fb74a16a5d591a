package template

import (
	"encoding/binary"
	"math/bits"
)

// A hole is a piece of a text that varies.
type hole struct {
	from, end uint32
	kind      Kind
}

// A Span is a piece of a text.
type Span struct{ From, End uint32 }

// A cutter finds the holes of texts.
type cutter struct {
	n     int // of holes
	words int // runs of ASCII letters and digits with a digit among them
	holes [mostHoles + mostRuns]hole
	word  [mostHoles + 1]Span
	digit [mostText/64 + 1]uint64 // which bytes are digits
}

const each = 0x0101010101010101 // a byte in all bytes of a word

// Classes of bytes in words.
const (
	outside  = 0
	isDigit  = 1
	hexLower = 2
	letter   = 4
)

// class is the class of each byte.
var class = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= '0' && c <= '9':
			class[c] = isDigit
		case c >= 'a' && c <= 'f':
			class[c] = hexLower
		case c|0x20 >= 'a' && c|0x20 <= 'z' && c < 0x80:
			class[c] = letter
		}
	}
	return class
}()

// cut finds the holes of s, behind which 8 bytes can be read. It reports false of
// a text that is better kept as it is.
func (c *cutter) cut(s []byte) bool {
	c.n, c.words = 0, 0
	if len(s) > mostText {
		return false
	}
	c.findDigits(s)
	done := 0 // what is before is in no further word
	for i, last := 0, (len(s)+63)>>6; i < last; i++ {
		base := i << 6
		d := c.digit[i]
		if done > base {
			d &= ^uint64(0) << min(done-base, 64)
		}
		for d != 0 {
			at := base + bits.TrailingZeros64(d)
			from, of := at, uint8(0)
			for from > done && class[s[from-1]] != outside {
				from--
				of |= class[s[from]]
			}
			end := at + min(bits.TrailingZeros64(^(d>>(at-base))), base+64-at)
			if end == base+64 && end < len(s) {
				end = min(end+bits.TrailingZeros64(^c.digit[i+1]), len(s))
			}
			if end < len(s) && class[s[end]] != outside {
				// In hex there is no telling what is a digit: eight bytes at a time.
				for end < len(s) {
					n := bits.TrailingZeros64(^hexes(binary.LittleEndian.Uint64(s[end : end+8])))
					if end += n; n < 8 {
						break
					}
				}
				of |= hexLower
				for end < len(s) && class[s[end]] != outside {
					of |= class[s[end]]
					end++
				}
				end = min(end, len(s)) // what lies behind the text may go on
			}
			if c.n >= mostHoles {
				return false
			}
			c.word[c.words] = Span{uint32(from), uint32(end)}
			c.words++
			switch n := end - from; {
			case of == 0 && n <= mostDigits:
				c.add(from, end, Digits)
			case of&letter == 0 && n <= mostHex:
				c.add(from, end, Hex+Kind(n))
			default:
				c.mixed(s, from, end)
			}
			if done = end; done >= base+64 {
				break
			}
			d &= ^uint64(0) << (done - base)
		}
	}
	return c.n <= mostHoles
}

// findDigits fills digit.
func (c *cutter) findDigits(s []byte) {
	padded := s[:len(s)+8]
	full := len(s) &^ 7
	k, acc := 0, uint64(0)
	for i := 0; i < full; i += 8 {
		acc |= digits(binary.LittleEndian.Uint64(padded[i:])) << (i & 63)
		if i&63 == 56 {
			c.digit[k], acc = acc, 0
			k++
		}
	}
	if left := len(s) - full; left > 0 {
		acc |= digits(binary.LittleEndian.Uint64(padded[full:])&(1<<(8*left)-1)) << (full & 63)
	}
	c.digit[k] = acc
}

// digits has a bit for each byte of a word that is a digit.
func digits(w uint64) uint64 {
	low := w &^ (0x80 * each)
	is := (low + (0x80-'0')*each) &^ (low + (0x7f-'9')*each) &^ w & (0x80 * each)
	return is >> 7 * 0x0102040810204080 >> 56
}

// hexes has a bit for each byte of a word that is a lower-case hex digit.
func hexes(w uint64) uint64 {
	low := w &^ (0x80 * each)
	digit := (low + (0x80-'0')*each) &^ (low + (0x7f-'9')*each)
	letter := (low + (0x80-'a')*each) &^ (low + (0x7f-'f')*each)
	return (digit | letter) &^ w & (0x80 * each) >> 7 * 0x0102040810204080 >> 56
}

// mostRuns is how many pieces of one word may be holes.
const mostRuns = 8

// mixed adds the holes of a word of digits and letters of which not all are hex
// digits: all of it, or digits in it where the letters around them are likely to
// come again.
func (c *cutter) mixed(s []byte, from, end int) {
	n := end - from
	if n > 64 {
		c.add(from, end, Word)
		return
	}
	var digit, other uint64
	for i, b := range s[from:end] {
		of := class[b]
		digit |= uint64(of&isDigit) << i
		other |= uint64(of/letter) << i
	}
	first, last := bits.TrailingZeros64(digit), 63-bits.LeadingZeros64(digit)
	// The core has all digits, and hex digits around them: st[b82ada46], [6090]ms.
	begin := 64 - bits.LeadingZeros64(other&(1<<first-1))
	behind := min(last+bits.TrailingZeros64(other>>last), n)
	core := ^uint64(0) >> (64 - (behind - begin)) << begin
	switch {
	case other&core == 0 && digit&core == core && behind-begin <= mostDigits:
		c.add(from+begin, from+behind, Digits)
	case other&core == 0 && (behind-begin >= 8 || runs(digit) > 1):
		c.add(from+begin, from+behind, Hex+Kind(behind-begin))
	case runs(digit) == 1 && last-first < mostDigits, timeLike(digit, n, first, last):
		for digit != 0 {
			at := bits.TrailingZeros64(digit)
			size := bits.TrailingZeros64(^(digit >> at))
			c.add(from+at, from+at+size, Digits)
			digit &^= (1<<size - 1) << at
		}
	default:
		c.add(from, end, Word)
	}
}

// runs counts runs of bits.
func runs(v uint64) int { return bits.OnesCount64(v &^ (v << 1)) }

// timeLike reports whether a word is like 01T00 or 1h30m5s: single letters between
// digits, and at most one behind them.
func timeLike(digit uint64, n, first, last int) bool {
	letters := ^digit & (1<<last - 1)
	return first == 0 && n <= 2*mostRuns && n-last <= 2 && letters&(letters<<1) == 0
}

func (c *cutter) add(from, end int, kind Kind) {
	c.holes[c.n] = hole{uint32(from), uint32(end), kind}
	c.n++
}
