package template

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// tens are powers of ten; shorter, how many numbers have fewer digits than n.
var tens, shorter = func() (tens, shorter [mostDigits + 1]uint64) {
	for n, p := 0, uint64(1); n <= mostDigits; n, p = n+1, p*10 {
		if tens[n] = p; n > 1 {
			shorter[n] = shorter[n-1] + tens[n-1]
		}
	}
	return
}()

// putPlace writes the place of a number of 1 to 19 digits among all as a varint, and
// returns how long it is. Behind the digits 8 bytes can be read, and there is room for
// 10 bytes.
func putPlace(b, s []byte, from, end int) int {
	n := end - from
	if n > 8 {
		v, at := place(s[:end+8], from, end), 0
		for ; v >= 0x80; v >>= 7 {
			b[at] = byte(v) | 0x80
			at++
		}
		b[at] = byte(v)
		return at + 1
	}
	// Below 1<<28: seven bits for each of four bytes.
	v := eight(binary.LittleEndian.Uint64(s[from:from+8])<<(8*(8-n)&63)) + shorter[n]
	spread := v&0x7f | v<<1&0x7f00 | v<<2&0x7f0000 | v<<3&0x7f000000
	size := (bits.Len64(v|1) + 6) / 7
	binary.LittleEndian.PutUint32(b, uint32(spread|0x80808080&(1<<(8*(size-1))-1)))
	return size
}

// place is the place of a number of 1 to 19 digits among all. Behind the digits 8
// bytes can be read.
func place(s []byte, from, end int) uint64 {
	n := end - from
	v := uint64(0)
	for ; end-from > 8; from += 8 {
		v = v*1e8 + eight(binary.LittleEndian.Uint64(s[from:]))
	}
	v = v*tens[end-from] + eight(binary.LittleEndian.Uint64(s[from:])<<(8*(8-(end-from))))
	return v + shorter[n]
}

// eight is the number that eight digits are, the first in the lowest byte; what
// is above a digit's lowest four bits does not matter.
func eight(w uint64) uint64 {
	w &= 0x0f0f0f0f0f0f0f0f
	w = w*10 + w>>8
	const mask = 0x000000ff000000ff
	return ((w&mask)*(100+1000000<<32) + (w>>16&mask)*(1+10000<<32)) >> 32
}

// few is how many texts have up to three digits, and spelled each of them, their
// number in the highest byte.
const few = 10 + 100 + 1000

var spelled = func() (all [few]uint32) {
	for v := range all {
		var b [4]byte
		n, rest := uint64(1), uint64(v)
		for rest >= tens[n] {
			rest -= tens[n]
			n++
		}
		for i := n; i > 0; i-- {
			b[i-1] = '0' + byte(rest%10)
			rest /= 10
		}
		b[3] = byte(n)
		all[v] = binary.LittleEndian.Uint32(b[:])
	}
	return
}()

// spell writes the digits of which v is the place, to which there is room for 20
// bytes, and returns how many they are, 0 if there are none.
func spell(b []byte, v uint64) int {
	_ = b[mostDigits]
	if v < few {
		s := spelled[v]
		binary.LittleEndian.PutUint32(b, s)
		return int(s >> 24)
	}
	n := 4
	for n < mostDigits && v >= shorter[n+1] {
		n++
	}
	if v -= shorter[n]; n == mostDigits && v >= tens[mostDigits] {
		return 0
	}
	// Three digits at a time, which are all of that number from 110 on.
	at := n
	if n > 6 {
		for ; at > 3; at -= 3 {
			q := v / 1000
			s := spelled[110+v-1000*q]
			b[at-3], b[at-2], b[at-1] = byte(s), byte(s>>8), byte(s>>16)
			v = q
		}
		for ; at > 0; at-- {
			b[at-1] = '0' + byte(v%10)
			v /= 10
		}
		return n
	}
	q := v / 1000
	binary.LittleEndian.PutUint32(b, spelled[q+shorter[n-3]])
	binary.LittleEndian.PutUint32(b[n-3:], spelled[110+v-1000*q])
	return n
}

// putHex writes hex digits s, behind which 8 bytes can be read, as halves of bytes.
// It writes up to three bytes more than it returns.
func putHex(b []byte, s []byte, n int) int {
	at := 0
	for i := 0; i < n; i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		if n-i < 8 {
			w = w << (8 * (8 - (n - i))) >> (8 * (8 - (n - i)))
		}
		w = w&(0x0f*each) + (w>>6&each)*9
		w = (w | w>>4) & 0x00ff00ff00ff00ff
		w = (w | w>>8) & 0x0000ffff0000ffff
		binary.LittleEndian.PutUint32(b[at:], uint32(w|w>>16))
		at += 4
	}
	return (n + 1) / 2
}

// getHex writes n hex digits to b. It reads and writes up to 8 bytes more.
func getHex(b, from []byte, n int) {
	for i := 0; i < n; i += 8 {
		w := uint64(binary.LittleEndian.Uint32(from[i/2:]))
		w = (w | w<<16) & 0x0000ffff0000ffff
		w = (w | w<<8) & 0x00ff00ff00ff00ff
		w = (w | w<<4) & (0x0f * each)
		letter := (w + 6*each) >> 4 & each
		binary.LittleEndian.PutUint64(b[i:], w+'0'*each+letter*('a'-'0'-10))
	}
}

// uvarint reads a number below 1<<32 and returns where it ends, or -1.
func uvarint(b []byte, at int) (v uint64, end int) {
	if at < len(b) && b[at] < 0x80 {
		return uint64(b[at]), at + 1
	}
	v, n := binary.Uvarint(b[min(at, len(b)):])
	if n <= 0 || v > math.MaxUint32 {
		return 0, -1
	}
	return v, at + n
}
