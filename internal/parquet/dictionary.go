package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// A dictionary numbers texts. It keeps them as the dictionary's page has them.
type dictionary struct {
	plain []byte   // length(4) text …
	begin []uint32 // by number: where its length stands
	slots []slot   // open addressing; a power of two
	seed  maphash.Seed
	keys  [3]uint64 // odd or not, but nobody's guess, as the seed
}

// A slot is one text: its number plus one, bits of its hash, and where it lies in plain.
type slot struct{ number, hash, at, size uint32 }

func (d *dictionary) reset() {
	if d.slots == nil {
		d.slots, d.seed = make([]slot, 4096), maphash.MakeSeed()
		d.keys = [3]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()}
	}
	clear(d.slots)
	d.plain, d.begin = d.plain[:0], d.begin[:0]
}

// add returns the text's number.
func (d *dictionary) add(text []byte) uint32 {
	hash := d.hash(text)
	short, mask := uint32(hash>>32), uint64(len(d.slots)-1)
	for at := hash & mask; ; at = (at + 1) & mask {
		s := d.slots[at]
		if s.number == 0 {
			number := uint32(len(d.begin))
			d.slots[at] = slot{number + 1, short, uint32(len(d.plain)) + 4, uint32(len(text))}
			d.begin = append(d.begin, uint32(len(d.plain)))
			d.plain = append(put32(d.plain, uint32(len(text))), text...)
			if len(d.begin)*2 > len(d.slots) {
				d.grow()
			}
			return number
		}
		if s.hash == short && int(s.size) == len(text) && equalTexts(d.plain[s.at:s.at+s.size], text) {
			return s.number - 1
		}
	}
}

func (d *dictionary) text(number uint32) []byte {
	at := d.begin[number]
	return d.plain[at+4 : at+4+binary.LittleEndian.Uint32(d.plain[at:])]
}

func (d *dictionary) grow() {
	d.slots = make([]slot, 2*len(d.slots))
	mask := uint64(len(d.slots) - 1)
	for number := range d.begin {
		text := d.text(uint32(number))
		hash := d.hash(text)
		at := hash & mask
		for d.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = slot{uint32(number) + 1, uint32(hash >> 32), d.begin[number] + 4, uint32(len(text))}
	}
}

// Texts of mostShort bytes at most are hashed and compared by four words of eight bytes,
// which overlap: calls that look at lengths first cost more than such texts.
const mostShort = 32

// hash is a hash that nobody foresees, so that nobody can choose texts that meet.
func (d *dictionary) hash(text []byte) uint64 {
	if n := len(text); n >= 8 && n <= mostShort {
		h := mix(word(text, 0)^d.keys[0], word(text, n-8)^d.keys[1]^uint64(n))
		if n > 16 {
			h ^= mix(word(text, 8)^d.keys[2], word(text, n-16)^h)
		}
		return h
	}
	return maphash.Bytes(d.seed, text)
}

// equalTexts reports whether two texts of the same length are the same.
func equalTexts(a, b []byte) bool {
	if n := len(a); n >= 8 && n <= mostShort && n == len(b) {
		differ := word(a, 0) ^ word(b, 0) | word(a, n-8) ^ word(b, n-8)
		if n > 16 {
			differ |= word(a, 8) ^ word(b, 8) | word(a, n-16) ^ word(b, n-16)
		}
		return differ == 0
	}
	return bytes.Equal(a, b)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
