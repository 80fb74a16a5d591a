package segment

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A term is a run of ASCII letters, digits and characters beyond ASCII, as the
// operator has sees it; case does not matter. What is here is on disk:
// docs/format/segment.md.

// A termSet is a set of terms that may also claim to hold others: a Bloom filter
// in blocks of 512 bits. The first of two halves of it, each bit set that is set
// in either, is the same set in half the room.
type termSet []uint64

const (
	blockWords = 8
	termBits   = 5 // of a block, that a term sets
	maxBlocks  = 1 << 13
)

func newTermSet(blocks int) termSet { return make(termSet, blocks*blockWords) }

func (t termSet) blocks() int { return len(t) / blockWords }

// add adds a term to the column's set.
func (w *termWriter) add(h uint64) {
	if seen := &w.recent[h%recentTerms]; *seen != h {
		*seen = h
		w.set.add(h)
	}
}

func (t termSet) add(h uint64) {
	block := t[blockOf(h, t.blocks())*blockWords:][:blockWords]
	for range termBits {
		block[h>>6&7] |= 1 << (h & 63)
		h >>= 9
	}
}

// blockOf is the block of a term in a set of that many blocks, a power of two.
func blockOf(h uint64, blocks int) int { return int(h>>51) & (blocks - 1) }

// inBlock reports whether the term may be in the set that this is its block of.
func inBlock(block []uint64, h uint64) bool {
	for range termBits {
		if block[h>>6&7]&(1<<(h&63)) == 0 {
			return false
		}
		h >>= 9
	}
	return true
}

// fold halves the set as long as at most two of five bits are set; then one in
// a hundred terms that it does not hold is claimed. It is nil if it is too full
// to be of use.
func (t termSet) fold() termSet {
	for t.blocks() > 1 {
		half := len(t) / 2
		set := 0
		for i := range half {
			set += bits.OnesCount64(t[i] | t[half+i])
		}
		if set*5 > half*64*2 {
			break
		}
		for i := range half {
			t[i] |= t[half+i]
		}
		t = t[:half]
	}
	set := 0
	for _, w := range t {
		set += bits.OnesCount64(w)
	}
	if set*4 > len(t)*64*3 {
		return nil
	}
	return t
}

func (t termSet) encode(b []byte) []byte {
	for _, w := range t {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// hashTerm is the hash of a term. Setting bit 5 of an ASCII letter makes it
// small and leaves a digit alone.
func hashTerm(term string) uint64 {
	padded := append(make([]byte, 0, 64), term...)
	return hashOf(append(padded, make([]byte, wordSize)...), 0, len(term))
}

const (
	small    = 0x2020202020202020
	wordSize = 8 // bytes that are looked at together
)

// hashOf is the hash of the term b[from:end]. Behind end b has a word more, of
// whatever.
func hashOf(b []byte, from, end int) uint64 {
	h := uint64(end-from) * 0x9e3779b97f4a7c15
	for ; from+wordSize <= end; from += wordSize {
		h = mix(h^(binary.LittleEndian.Uint64(b[from:])|small), 0xa0761d6478bd642f)
	}
	rest := uint64(1)<<(8*(end-from)&63) - 1
	last := (binary.LittleEndian.Uint64(b[from:]) | small) & rest
	return mix(mix(h^last, 0xe7037ed1a0b428db), 0x8ebc6af09c88c6e3)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// Each is a byte that stands in all bytes of a word.
const each = 0x0101010101010101

// inTerms sets bit i for byte i of a word if it belongs to a term, of bytes
// below 0x80.
func inTerms(w uint64) uint64 {
	lower := w | small
	letter := (lower + (0x80-'a')*each) &^ (lower + (0x7f-'z')*each)
	digit := (w + (0x80-'0')*each) &^ (w + (0x7f-'9')*each)
	// The high bits of all bytes, gathered in the highest byte.
	return ((letter | digit) & (0x80 * each) >> 7) * 0x0102040810204080 >> 56
}

// addText adds the terms of a text that are all ASCII. It reports whether the
// text has others that may equal one of those when case is left out of account.
func (w *termWriter) addText(s []byte) (odd bool) {
	end := len(s)
	if end == 0 {
		return false
	}
	if cap(s)-end < wordSize {
		s = append(make([]byte, 0, end+wordSize), s...)
	}
	s = s[:end+wordSize] // what lies behind is looked at and left out
	from := -1           // where the term begins that reached the end of the last 64 bytes
	for base := 0; base < end; base += 64 {
		var terms uint64
		for i := base; i < min(base+64, end); i += wordSize {
			word := binary.LittleEndian.Uint64(s[i:])
			if left := end - i; left < wordSize {
				word &= 1<<(8*left) - 1
			}
			if word&(0x80*each) != 0 {
				return w.addForeign(s[:end])
			}
			terms |= inTerms(word) << (i - base)
		}
		if from >= 0 {
			n := bits.TrailingZeros64(^terms)
			if n == 64 {
				continue
			}
			w.add(hashOf(s, from, base+n))
			from = -1
			terms = terms >> n << n
		}
		for terms != 0 {
			at := bits.TrailingZeros64(terms)
			n := bits.TrailingZeros64(^(terms >> at))
			if at+n >= 64 {
				from = base + at
				break
			}
			w.add(hashOf(s, base+at, base+at+n))
			terms = terms >> (at + n) << (at + n)
		}
	}
	if from >= 0 {
		w.add(hashOf(s, from, end))
	}
	return false
}

// Classes of bytes.
const (
	outsideTerm = iota
	asciiTerm
	beyondASCII
)

// termClass is the class of each byte.
var termClass = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= 0x80:
			class[c] = beyondASCII
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
			class[c] = asciiTerm
		}
	}
	return class
}()

// addForeign is addText of a text with characters beyond ASCII. Behind the text
// is a word more.
func (w *termWriter) addForeign(s []byte) (odd bool) {
	for i := 0; i < len(s); {
		if termClass[s[i]] == outsideTerm {
			i++
			continue
		}
		from, class := i, uint8(0)
		for ; i < len(s) && termClass[s[i]] != outsideTerm; i++ {
			class |= termClass[s[i]]
		}
		if class == asciiTerm {
			w.add(hashOf(s[:len(s)+wordSize], from, i))
		} else {
			odd = odd || folds(s[from:i])
		}
	}
	return odd
}

// folds reports whether a character beyond ASCII is an ASCII letter in another
// case: İ, ſ and K are all there are.
func folds(s []byte) bool { return bytes.ContainsAny(s, "\u0130\u017f\u212a") }

// addJSON adds the terms of a JSON text, both as it stands and as the strings in
// it are read. It reports an odd text as addText does, and one that names
// characters by number.
func (w *termWriter) addJSON(s []byte) (odd bool) {
	if bytes.IndexByte(s, '\\') < 0 {
		return w.addText(s)
	}
	odd = w.addText(s)
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return w.addText(s) || odd
		}
		odd = w.addText(s[:i]) || s[i+1] == 'u' || odd
		s = s[i+2:]
	}
}
