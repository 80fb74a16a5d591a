package segment

import (
	"encoding/binary"
	"math/bits"
	"strings"
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
func hashTerm[T string | []byte](term T) uint64 {
	const small = 0x2020202020202020
	h := uint64(len(term)) * 0x9e3779b97f4a7c15
	i := 0
	for ; i+8 <= len(term); i += 8 {
		w := uint64(term[i]) | uint64(term[i+1])<<8 | uint64(term[i+2])<<16 | uint64(term[i+3])<<24 |
			uint64(term[i+4])<<32 | uint64(term[i+5])<<40 | uint64(term[i+6])<<48 | uint64(term[i+7])<<56
		h = mix(h^(w|small), 0xa0761d6478bd642f)
	}
	var last uint64
	for k := 0; i < len(term); i, k = i+1, k+8 {
		last |= uint64(term[i]|0x20) << k
	}
	return mix(mix(h^last, 0xe7037ed1a0b428db), 0x8ebc6af09c88c6e3)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
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

// addText adds the terms of a text that are all ASCII. It reports whether the
// text has others that may equal one of those when case is left out of account.
func (t termSet) addText(s string) (odd bool) {
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
			t.add(hashTerm(s[from:i]))
		} else {
			odd = odd || folds(s[from:i])
		}
	}
	return odd
}

// folds reports whether a character beyond ASCII is an ASCII letter in another
// case: İ, ſ and K are all there are.
func folds(s string) bool { return strings.ContainsAny(s, "\u0130\u017f\u212a") }

// addJSON adds the terms of a JSON text, both as it stands and as the strings in
// it are read. It reports an odd text as addText does, and one that names
// characters by number.
func (t termSet) addJSON(s string) (odd bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return t.addText(s)
	}
	odd = t.addText(s)
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return t.addText(s) || odd
		}
		odd = t.addText(s[:i]) || s[i+1] == 'u' || odd
		s = s[i+2:]
	}
}
