package segment

import (
	"encoding/base64"
	"encoding/binary"
)

// Earlier releases wrote sets of terms, which tell of a row group as a whole:
// Bloom filters in blocks of 512 bits. They are read still.

// setsKey is the pair of the footer that tells of the term sets.
const setsKey = "logkeep.terms"

const (
	blockWords = 8
	termBits   = 5 // of a block, that a term sets
)

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

// A termSets tells where the term sets of a segment are: by group and column. A
// span of size 0 is that nothing is known.
type termSets [][]span

// readSets reads where the sets are: where the first begins (8 bytes), then for
// each group and each of its text columns the number of blocks (2 bytes).
func (s *Reader) readSets(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 8+2*s.textColumns()*len(s.groups) {
		return errDamaged
	}
	at := int64(binary.LittleEndian.Uint64(b))
	b = b[8:]
	if at < 0 || at > s.end {
		return errDamaged
	}
	s.sets = make(termSets, len(s.groups))
	for g := range s.groups {
		s.sets[g] = make([]span, len(s.columns))
		for i, c := range s.Columns() {
			if !hasTerms(c.Type) {
				continue
			}
			blocks := int64(binary.LittleEndian.Uint16(b))
			b = b[2:]
			size := blocks * blockWords * 8
			if blocks&(blocks-1) != 0 || size > s.end-at {
				return errDamaged
			}
			s.sets[g][i] = span{at, size}
			at += size
		}
	}
	return nil
}

// inSet reports whether a column of a group may have a term.
func (s *Reader) inSet(set span, h uint64) (bool, error) {
	if set.size == 0 {
		return true, nil
	}
	var b [blockWords * 8]byte
	n := blockOf(h, int(set.size)/len(b))
	if _, err := s.data.ReadAt(b[:], set.off+int64(n)*int64(len(b))); err != nil {
		return false, err
	}
	var block [blockWords]uint64
	for i := range block {
		block[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	return inBlock(block[:], h), nil
}
