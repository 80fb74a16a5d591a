package parquet

import "golang.org/x/sys/cpu"

// widest is how many bits values have at most that are taken out of bits eight at a
// time: from wherever in a byte one begins, four bytes have all of it.
const widest = 25

var eightsHere = cpu.X86.HasAVX2

// A pattern says how the eight values of width bits, which are width bytes, come into
// the eight parts of a register: the first four out of the first sixteen bytes, the
// others out of sixteen from byte second on.
type pattern struct {
	shuffle [32]byte
	shift   [8]uint32
	mask    [8]uint32
	second  int64
}

var patterns = func() (all [widest + 1]pattern) {
	for width := 1; width <= widest; width++ {
		p := &all[width]
		p.second = int64(4 * width / 8)
		for i := range 8 {
			bit := i * width
			if i >= 4 {
				bit -= 8 * int(p.second)
			}
			for k := range 4 {
				p.shuffle[4*i+k] = byte(bit/8 + k)
			}
			p.shift[i], p.mask[i] = uint32(bit%8), 1<<width-1
		}
	}
	return all
}()

// eights is of how many eights of values of width bits all bytes that are touched lie in b.
func eights(b []byte, width int) int {
	if !eightsHere || width == 0 || width > widest {
		return 0
	}
	return max(0, (len(b)-16-int(patterns[width].second)+width)/width)
}

// unpackEights takes as many eights of values of width bits out of b as eights says at
// most, and returns the largest.
func unpackEights(to []uint32, b []byte, width, n int) (most uint32) {
	if n == 0 {
		return 0
	}
	_ = to[8*n-1]
	var all [8]uint32
	unpackAVX2(&to[0], &b[0], n, width, &patterns[width], &all)
	for _, v := range all {
		most = max(most, v)
	}
	return most
}

// matchEights sets for each of n eights of values, as many as eights says at most, a
// byte with a bit for each value that is one of four.
func matchEights(to []byte, b []byte, width, n int, of *[4]uint32) {
	if n == 0 {
		return
	}
	_ = to[n-1]
	matchAVX2(&to[0], &b[0], n, width, &patterns[width], of)
}

//go:noescape
func unpackAVX2(to *uint32, b *byte, n, width int, by *pattern, most *[8]uint32)

//go:noescape
func matchAVX2(to *byte, b *byte, n, width int, by *pattern, of *[4]uint32)
