package segment

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A term is a run of ASCII letters, digits and characters beyond ASCII, as the
// operator has sees it; case does not matter. What is here is on disk:
// docs/format/segment.md.

// add adds a term to the column's table.
func (w *termWriter) add(h uint64) {
	if seen := &w.recent[h%recentTerms]; *seen != h {
		*seen = h
		w.items = append(w.items, keyOf(h)<<placeBits|w.low)
	}
}

// keyOf is as much of a term's hash as may be told.
func keyOf(h uint64) uint32 { return uint32(h >> (64 - hashBits)) }

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
	at, n := unsafe.Pointer(&b[from : end+wordSize][0]), end-from // all that is read is there
	h := uint64(n) * 0x9e3779b97f4a7c15
	for ; n >= wordSize; n -= wordSize {
		h = mix(h^(wordAt(at)|small), 0xa0761d6478bd642f)
		at = unsafe.Add(at, wordSize)
	}
	last := (wordAt(at) | small) & (1<<(8*n&63) - 1)
	return mix(mix(h^last, 0xe7037ed1a0b428db), 0x8ebc6af09c88c6e3)
}

// wordAt is eight bytes, the first the lowest.
func wordAt(at unsafe.Pointer) uint64 {
	return binary.LittleEndian.Uint64((*[wordSize]byte)(at)[:])
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
