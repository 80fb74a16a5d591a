package gunzip

import (
	"encoding/binary"
	"math/bits"
)

// An entry of a table says what the next bits mean:
//
//	bits 0–7    how many bits the code has, in a second table those behind the first, and those that follow it
//	bits 8–12   how many more bits follow a length or a distance; of a link, the second table's bits
//	bits 13–15  what it is
//	bits 16–31  the literals, the length or distance without its more bits, or where in the second table
//
// An entry of a first table may be two literals; then bits 0–7 count both
// codes. Bits 8–12 say how many literals there are.
type entry uint32

const (
	isLength  entry = 0 << 13 // or a distance
	isLiteral entry = 1 << 13
	isEnd     entry = 2 << 13
	isLink    entry = 3 << 13
	isNone    entry = 4 << 13 // no code begins so
	kinds     entry = 7 << 13
)

func (e entry) bits() uint    { return uint(e & 0xff) }
func (e entry) more() uint    { return uint(e>>8) & 31 }
func (e entry) code() uint    { return e.bits() - e.more() }
func (e entry) value() int    { return int(e >> 16) }
func (e entry) literals() int { return int(e>>8) & 31 }
func (e entry) kind() entry   { return e & kinds }
func (e entry) sized(n uint) entry {
	if e.kind() == isLength {
		n += e.more()
	}
	return e | entry(n)
}

const (
	litBits  = 11 // of the first table
	distBits = 9
	maxBits  = 15
	maxMatch = 258

	piece   = 16        // bytes of a match that are copied together
	pieces  = 2 * piece // and that are, however short it is
	maxTurn = 4 + maxMatch + pieces
)

// An inflater has the tables of one block. The zero inflater is ready for use.
type inflater struct {
	lit   literalTable
	dist  distanceTable
	lens  [1 << lensBits]entry
	codes [320]uint8
}

// A window is the packed bytes and where reading is.
type window struct {
	b    []byte
	at   int    // of the next byte that is not in word
	word uint64 // bits to come, the next one lowest
	have uint
}

// fill makes at least 56 bits be there. Behind the end there are zeros, which
// over tells.
func (w *window) fill() {
	if w.at+8 <= len(w.b) {
		w.word |= binary.LittleEndian.Uint64(w.b[w.at:]) << w.have
		w.at += int(63-w.have) >> 3
		w.have |= 56
		return
	}
	for w.have < 56 {
		if w.at < len(w.b) {
			w.word |= uint64(w.b[w.at]) << w.have
		}
		w.at++
		w.have += 8
	}
}

// over reports whether bits were taken that are not there.
func (w *window) over() bool { return w.at-int(w.have/8) > len(w.b) }

func (w *window) take(n uint) int {
	v := int(w.word & (1<<n - 1))
	w.word >>= n
	w.have -= n
	return v
}

// member unpacks the blocks at at into dst and returns where they end.
func (i *inflater) member(dst, packed []byte, at, most int) ([]byte, int, error) {
	w := window{b: packed, at: at}
	limit := len(dst) + most
	start := len(dst)
	for last := false; !last; {
		w.fill()
		last = w.take(1) == 1
		var err error
		switch w.take(2) {
		case 0:
			dst, err = w.stored(dst, limit)
		case 1:
			i.fixed()
			dst, err = i.block(dst, start, &w, limit)
		case 2:
			if err = i.dynamic(&w); err == nil {
				dst, err = i.block(dst, start, &w, limit)
			}
		default:
			err = ErrCorrupt
		}
		if w.over() {
			err = ErrShort
		}
		if err != nil {
			return dst, 0, err
		}
	}
	return dst, w.at - int(w.have/8), nil
}

// stored copies a block that is not packed.
func (w *window) stored(dst []byte, limit int) ([]byte, error) {
	w.take(w.have % 8)
	at := w.at - int(w.have/8)
	w.word, w.have = 0, 0
	if at+4 > len(w.b) {
		w.at = at
		return dst, ErrShort
	}
	n := int(binary.LittleEndian.Uint16(w.b[at:]))
	if binary.LittleEndian.Uint16(w.b[at+2:]) != ^uint16(n) {
		w.at = at
		return dst, ErrCorrupt
	}
	at += 4
	w.at = at
	if n > len(w.b)-at {
		return dst, ErrShort
	}
	if len(dst)+n > limit {
		return dst, ErrTooLarge
	}
	w.at = at + n
	return append(dst, w.b[at:at+n]...), nil
}

// block unpacks a block of codes. Distances reach back to start at most.
func (i *inflater) block(dst []byte, start int, w *window, limit int) ([]byte, error) {
	lit, dist := &i.lit, &i.dist
	out := dst[:cap(dst)]
	o := len(dst)
	word, have, at, in := w.word, w.have, w.at, w.b
	for {
		// One turn makes at most four literals and a match.
		if o+maxTurn > len(out) {
			if o > limit {
				return dst, ErrTooLarge
			}
			grown := make([]byte, min(2*len(out), limit)+2*maxTurn)
			copy(grown, out[:o])
			out = grown
		}
		if at+8 <= len(in) {
			word |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
			at += int(63-have) >> 3
			have |= 56
		} else {
			w.word, w.have, w.at = word, have, at
			if w.fill(); w.over() {
				return dst, ErrShort
			}
			word, have, at = w.word, w.have, w.at
		}
		e := lit.first[word&(1<<litBits-1)]
		if e.kind() == isLiteral {
			// Most come in rows: a second and a third entry fit the same bits.
			word >>= e.bits() & 63
			have -= e.bits()
			binary.LittleEndian.PutUint16(out[o:], uint16(e>>16))
			o += e.literals()
			if e = lit.first[word&(1<<litBits-1)]; e.kind() == isLiteral {
				word >>= e.bits() & 63
				have -= e.bits()
				binary.LittleEndian.PutUint16(out[o:], uint16(e>>16))
				o += e.literals()
				continue
			}
		}
		if e.kind() == isLink {
			word >>= litBits
			have -= litBits
			e = lit.second[e.value()+int(word&(1<<(e.more()&63)-1))]
		}
		before := word
		word >>= e.bits() & 63
		have -= e.bits()
		switch e.kind() {
		case isLiteral:
			out[o] = byte(e >> 16)
			o++
			continue
		case isEnd:
			w.word, w.have, w.at = word, have, at
			if o > limit {
				return dst, ErrTooLarge
			}
			return out[:o], nil
		case isNone:
			w.word, w.have, w.at = word, have, at
			if w.over() {
				return dst, ErrShort
			}
			return dst, ErrCorrupt
		}
		length := e.value() + int(before>>(e.code()&63)&(1<<(e.more()&63)-1))
		// 30 bits of 56 may be gone, and a distance may take 28.
		if at+8 <= len(in) {
			word |= binary.LittleEndian.Uint64(in[at:]) << (have & 63)
			at += int(63-have) >> 3
			have |= 56
		} else {
			w.word, w.have, w.at = word, have, at
			w.fill()
			word, have, at = w.word, w.have, w.at
		}
		if e = dist.first[word&(1<<distBits-1)]; e.kind() == isLink {
			word >>= distBits
			have -= distBits
			e = dist.second[e.value()+int(word&(1<<(e.more()&63)-1))]
		}
		before = word
		word >>= e.bits() & 63
		have -= e.bits()
		back := e.value() + int(before>>(e.code()&63)&(1<<(e.more()&63)-1))
		if e.kind() == isNone || back > o-start {
			w.word, w.have, w.at = word, have, at
			if w.over() {
				return dst, ErrShort
			}
			return dst, ErrCorrupt
		}
		// Pieces may reach past the match: what they leave there is written over
		// or cut off. Most matches are short, so the first pieces are not counted.
		switch to := out[o-back : o+maxMatch+pieces]; {
		case back >= piece:
			*(*[piece]byte)(to[back:]) = *(*[piece]byte)(to)
			*(*[piece]byte)(to[back+piece:]) = *(*[piece]byte)(to[piece:])
			for n := pieces; n < length; n += piece {
				*(*[piece]byte)(to[back+n:]) = *(*[piece]byte)(to[n:])
			}
		case back >= 8:
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(to[back+n:], binary.LittleEndian.Uint64(to[n:]))
			}
		default:
			for n := range length {
				to[back+n] = to[n]
			}
		}
		o += length
	}
}

// reverse returns the n lowest bits of code the other way round: codes are
// written from their highest bit on.
func reverse(code uint32, n uint) uint32 { return bits.Reverse32(code) >> (32 - n) }
