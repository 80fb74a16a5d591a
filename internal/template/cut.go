package template

import "math/bits"

// A Hole is a piece of a text that varies.
type Hole struct {
	From, End uint32
	Kind      Kind
}

// A Span is a piece of a text.
type Span struct{ From, End uint32 }

// A cutter finds the holes of texts.
type cutter struct {
	n     int // of holes
	words int // runs of ASCII letters and digits with a digit among them
	holes [mostHoles + mostRuns]Hole
	word  [mostHoles + 1]Span
	marks [mostText/64 + 2]marks // one more, of nothing
}

const each = 0x0101010101010101 // a byte in all bytes of a word

// Marks tell of 64 bytes which are digits, which belong to words, that is are ASCII
// letters or digits, and which of these are in no lower-case hex: the first byte's
// bit is the lowest.
type marks struct{ digit, word, other uint64 }

// readBehind is how many bytes behind a text are read when it is cut: words are
// marked by blocks of 64, and digits are read by eight.
const readBehind = 64 + 8

// cut finds the holes of s, behind which readBehind bytes can be read. It reports
// false of a text that is better kept as it is.
func (c *cutter) cut(s []byte) bool {
	c.n, c.words = 0, 0
	if len(s) > mostText {
		return false
	}
	if len(s) == 0 {
		return true
	}
	blocks := (len(s) + 63) >> 6
	mark(&c.marks[0], &s[0], blocks)
	if over := 64*blocks - len(s); over > 0 { // what lies behind the text is none of it
		m, of := &c.marks[blocks-1], ^uint64(0)>>over
		m.digit, m.word, m.other = m.digit&of, m.word&of, m.other&of
	}
	c.marks[blocks] = marks{}
	done := 0 // where the word ends that was looked at last
	for i := range blocks {
		base, m := i<<6, &c.marks[i]
		d := m.digit
		if done > base { // a word goes on from the block before
			d &= ^uint64(0) << min(done-base, 64)
		}
		for d != 0 {
			if c.n >= mostHoles {
				return false
			}
			at := bits.TrailingZeros64(d) & 63
			first := 64 - bits.LeadingZeros64(^m.word&(1<<at-1)) // of the block's bytes
			end := at + bits.TrailingZeros64(^(m.word >> (at & 63)))
			if end >= 64 || first == 0 && i > 0 {
				if done = c.crossing(s, i, at); done >= base+64 {
					break
				}
				d &= ^uint64(0) << (done - base)
				continue
			}
			d &= ^uint64(0) << (end & 63)
			from, n := base+first, end-first
			c.word[c.words] = Span{uint32(from), uint32(base + end)}
			c.words++
			all := ^uint64(0) >> ((64 - n) & 63)
			digit, other := m.digit>>(first&63)&all, m.other>>(first&63)&all
			switch {
			case mayBeRandom>>(n&63)&1 != 0 && from > 0 && s[from-1] == '-' && randomWord(s, from, from+n):
				if done = c.pod(s, from, base+end); done >= base+64 {
					d = 0
				} else if done > base {
					d &= ^uint64(0) << (done - base)
				}
			case digit == all && n <= mostDigits:
				c.add(from, base+end, Digits)
			case other == 0:
				c.add(from, base+end, Hex+Kind(n))
			default:
				c.mixed(from, n, digit, other)
			}
		}
	}
	return c.n <= mostHoles
}

// crossing adds the word of block i that has the digit at, and that is not in this block
// alone, and returns where it ends.
func (c *cutter) crossing(s []byte, i, at int) (done int) {
	base, word := i<<6, c.marks[i].word
	from := base + 64 - bits.LeadingZeros64(^word&(1<<at-1))
	if from == base {
		from = c.wordBegin(i)
	}
	end := base + at + bits.TrailingZeros64(^(word >> at))
	if end == base+64 {
		end = c.wordEnd(i + 1)
	}
	c.word[c.words] = Span{uint32(from), uint32(end)}
	c.words++
	if from > 0 && s[from-1] == '-' && randomWord(s, from, end) {
		return c.pod(s, from, end)
	}
	c.cutWord(from, end)
	return end
}

// pod adds the hole of a random word, and the second half of a pod's name behind it,
// which need not have a digit. It returns where they end.
func (c *cutter) pod(s []byte, from, end int) int {
	c.add(from, end, Word)
	if behind := end + 1 + podWord; behind <= len(s) && end-from > podWord && s[end] == '-' && randomWord(s, end+1, behind) && (behind == len(s) || !inWord(s[behind])) {
		c.word[c.words] = Span{uint32(end + 1), uint32(behind)}
		c.words++
		c.add(end+1, behind, Word)
		end = behind
	}
	return end
}

// Names of pods end, as Kubernetes makes them, with two words of letters and digits by
// chance: eight to ten, and podWord. There are no vowels in them. Words of hex digits
// are cut as such.
const podWord = 5

var podByte = func() (is [256]bool) {
	for _, c := range []byte("bcdfghjklmnpqrstvwxz2456789") {
		is[c] = true
	}
	return is
}()

// mayBeRandom has a bit for each size of those words.
const mayBeRandom uint64 = 1<<podWord | 1<<8 | 1<<9 | 1<<10

// randomWord reports whether a word may be one of those.
func randomWord(s []byte, from, end int) bool {
	if n := end - from; n != podWord && (n < 8 || n > 10) {
		return false
	}
	hex := true
	for _, c := range s[from:end] {
		if !podByte[c] {
			return false
		}
		hex = hex && c <= 'f'
	}
	return !hex
}

// wordBegin is where the word begins that block i goes on with, or the block.
func (c *cutter) wordBegin(i int) int {
	for ; i > 0; i-- {
		if n := bits.LeadingZeros64(^c.marks[i-1].word); n < 64 {
			return i<<6 - n
		}
	}
	return 0
}

// wordEnd is where the word ends that block i may go on with. Behind the last is one
// of nothing.
func (c *cutter) wordEnd(i int) int {
	for ; ; i++ {
		if n := bits.TrailingZeros64(^c.marks[i].word); n < 64 {
			return i<<6 + n
		}
	}
}

// cutWord adds the holes of a word.
func (c *cutter) cutWord(from, end int) {
	n, i, shift := end-from, from>>6, from&63
	if n > 64 {
		c.longWord(from, end)
		return
	}
	// The word's own marks, from the lowest bit on.
	m, next, all := &c.marks[i], &c.marks[i+1], ^uint64(0)>>(64-n)
	digit := (m.digit>>shift | next.digit<<(64-shift)) & all
	other := (m.other>>shift | next.other<<(64-shift)) & all
	switch {
	case digit == all && n <= mostDigits:
		c.add(from, end, Digits)
	case other == 0:
		c.add(from, end, Hex+Kind(n))
	default:
		c.mixed(from, n, digit, other)
	}
}

// longWord adds the hole of a word of more than 64 bytes.
func (c *cutter) longWord(from, end int) {
	other := c.marks[from>>6].other >> (from & 63) // what is before the word is not its own
	for i := from>>6 + 1; i <= (end-1)>>6; i++ {
		mine := ^uint64(0)
		if left := end - i<<6; left < 64 {
			mine = 1<<left - 1
		}
		other |= c.marks[i].other & mine
	}
	if other == 0 && end-from <= mostHex {
		c.add(from, end, Hex+Kind(end-from))
	} else {
		c.add(from, end, Word)
	}
}

// markSlowly is mark, as it is read by people.
func markSlowly(to []marks, src []byte) {
	for i := range to {
		to[i] = marks{}
		for at, b := range src[64*i : 64*i+64] {
			digit, letter := b >= '0' && b <= '9', b|0x20 >= 'a' && b|0x20 <= 'z'
			bit := uint64(1) << at
			if digit {
				to[i].digit |= bit
			}
			if digit || letter {
				to[i].word |= bit
			}
			if letter && !(b >= 'a' && b <= 'f') {
				to[i].other |= bit
			}
		}
	}
}

// mostRuns is how many pieces of one word may be holes.
const mostRuns = 8

// mixed adds the holes of a word of n digits and letters, at most 64, of which not all
// are hex digits: all of it, or digits in it where the letters around them are likely to
// come again. digit and other are its marks.
func (c *cutter) mixed(from, n int, digit, other uint64) {
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
		c.add(from, from+n, Word)
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
	c.holes[c.n] = Hole{uint32(from), uint32(end), kind}
	c.n++
}
