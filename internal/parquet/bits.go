package parquet

import "encoding/binary"

// word is the eight bytes from at on.
func word(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at : at+8]) }

// unpackBits reads values of width bits, at most 32, of which b has enough, and
// returns the largest. Eight of them are width bytes, so eight are taken at a time,
// out of as few words as have them.
func unpackBits(to []uint32, b []byte, width int) (most uint32) {
	w, mask := uint(width)&63, uint64(1)<<width-1
	n := min(len(to)/8, eights(b, width))
	m0, m1 := unpackEights(to, b, width, n), uint32(0)
	i := 8 * n
	switch {
	case width <= 8: // a word has all eight
		for at := n * width; i+8 <= len(to) && at+8 <= len(b); i, at = i+8, at+width {
			v, t := word(b, at), (*[8]uint32)(to[i:])
			m0, m1 = max(m0, four((*[4]uint32)(t[:4]), v, mask, w)), max(m1, four((*[4]uint32)(t[4:]), v>>(4*w&63), mask, w))
		}
	case width <= 15: // a word has four, which begin at a byte or in its middle
		second, shift := width/2, uint(width&1)*4
		for at := n * width; i+8 <= len(to) && at+second+8 <= len(b); i, at = i+8, at+width {
			v, u, t := word(b, at), word(b, at+second)>>shift, (*[8]uint32)(to[i:])
			m0, m1 = max(m0, four((*[4]uint32)(t[:4]), v, mask, w)), max(m1, four((*[4]uint32)(t[4:]), u, mask, w))
		}
	}
	most = max(m0, m1)
	bit := i * width
	for ; i < len(to) && bit>>3+8 <= len(b); i++ {
		v := uint32(word(b, bit>>3) >> (bit & 7) & mask)
		to[i] = v
		most = max(most, v)
		bit += width
	}
	for ; i < len(to); i++ { // the last few bytes
		var last [8]byte
		copy(last[:], b[bit>>3:])
		v := uint32(word(last[:], 0) >> (bit & 7) & mask)
		to[i] = v
		most = max(most, v)
		bit += width
	}
	return most
}

// four takes four values of w bits out of v and returns the largest.
func four(to *[4]uint32, v, mask uint64, w uint) uint32 {
	a := uint32(v & mask)
	v >>= w & 63
	b := uint32(v & mask)
	v >>= w & 63
	c := uint32(v & mask)
	v >>= w & 63
	d := uint32(v & mask)
	to[0], to[1], to[2], to[3] = a, b, c, d
	return max(a, b, c, d)
}

// addUp makes values of differences of width bits, of which b has enough: each is
// that much more than least behind the one before, the first behind last. It returns
// the last one.
func addUp(to []int64, b []byte, width int, last, least int64) int64 {
	if width == 0 {
		for i := range to {
			last += least
			to[i] = last
		}
		return last
	}
	i, bit := 0, 0
	if width <= 57 { // a word has all of a value, wherever in a byte it begins
		mask := uint64(1)<<width - 1
		for ; i < len(to) && bit>>3+8 <= len(b); i, bit = i+1, bit+width {
			last += least + int64(word(b, bit>>3)>>(bit&7)&mask)
			to[i] = last
		}
	}
	for ; i < len(to); i, bit = i+1, bit+width {
		last += least + int64(bitsAt(b, bit, width))
		to[i] = last
	}
	return last
}

// bitsAt is the number of width bits, at most 64, that begins at a bit.
func bitsAt(b []byte, bit, width int) uint64 {
	mask := ^uint64(0) >> (64 - width)
	from, shift := bit>>3, bit&7
	if from+8 <= len(b) {
		v := word(b, from) >> shift
		if shift+width > 64 {
			v |= uint64(b[from+8]) << (64 - shift)
		}
		return v & mask
	}
	var last [8]byte
	copy(last[:], b[from:])
	return word(last[:], 0) >> shift & mask
}
