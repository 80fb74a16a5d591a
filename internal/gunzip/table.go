package gunzip

import "math/bits"

// Lengths and distances by symbol: what they begin with and how many more bits follow.
var (
	lengths = func() (all [29]entry) {
		base := 3
		for i := range all {
			more := uint(max(0, i/4-1))
			if i == 28 {
				base, more = 258, 0
			}
			all[i] = isLength | entry(more)<<8 | entry(base)<<16
			base += 1 << more
		}
		return all
	}()
	distances = func() (all [30]entry) {
		base := 1
		for i := range all {
			more := uint(max(0, i/2-1))
			all[i] = isLength | entry(more)<<8 | entry(base)<<16
			base += 1 << more
		}
		return all
	}()
)

func literalEntry(symbol int) entry {
	switch {
	case symbol < 256:
		return isLiteral | 1<<8 | entry(symbol)<<16
	case symbol == 256:
		return isEnd
	case symbol-257 < len(lengths):
		return lengths[symbol-257]
	}
	return isNone
}

func distanceEntry(symbol int) entry {
	if symbol < len(distances) {
		return distances[symbol]
	}
	return isNone
}

func plainEntry(symbol int) entry { return isLiteral | entry(symbol)<<16 }

// A table is looked up by the next bits: by as many as first has room for, and
// where codes are longer by those behind them in second.
type (
	literalTable struct {
		first  [1 << litBits]entry
		second []entry
	}
	distanceTable struct {
		first  [1 << distBits]entry
		second []entry
	}
)

func (t *literalTable) build(codes []uint8) (ok bool) {
	t.second, ok = build(t.first[:], t.second, codes, literalEntry)
	t.pair()
	return ok
}

func (t *distanceTable) build(codes []uint8) (ok bool) {
	t.second, ok = build(t.first[:], t.second, codes, distanceEntry)
	return ok
}

// pair makes one entry of two literals where the bits of both are looked up
// anyway. The second one's bits are the higher ones, so its entry is further up.
func (t *literalTable) pair() {
	for at := len(t.first) - 1; at >= 0; at-- {
		e := t.first[at]
		if e.kind() != isLiteral {
			continue
		}
		then := t.first[at>>(e.bits()&63)]
		if both := e.bits() + then.bits(); then.kind() == isLiteral && both <= litBits {
			t.first[at] = isLiteral | entry(both) | 2<<8 | e&0xff0000 | then&0xff0000<<8
		}
	}
}

// build makes a table of codes of the given lengths. Like the standard library
// it takes complete sets of codes, a single code of one bit, and none at all.
func build(table, more []entry, codes []uint8, symbol func(int) entry) (second []entry, ok bool) {
	var count [maxBits + 1]int
	longest := uint(0)
	for _, n := range codes {
		count[n]++
		longest = max(longest, uint(n))
	}
	first := uint(bits.Len(uint(len(table) - 1)))
	second = more[:0]
	if longest == 0 {
		none(table)
		return second, true
	}
	var next [maxBits + 1]uint32
	code := uint32(0)
	for n := 1; n <= maxBits; n++ {
		code <<= 1
		next[n] = code
		code += uint32(count[n])
		if code > 1<<n {
			return second, false
		}
		if uint(n) == longest && code != 1<<n {
			if code != 1 || n != 1 {
				return second, false
			}
			none(table) // the other code of one bit
		}
	}
	rest := uint(0) // bits of a second table
	if longest > first {
		rest = longest - first
		none(table) // no link is there yet
	}
	for s, n := range codes {
		if n == 0 {
			continue
		}
		size := uint(n)
		code := reverse(next[n], size)
		next[n]++
		e := symbol(s)
		if size <= first {
			e = e.sized(size)
			for at := code; at < 1<<first; at += 1 << size {
				table[at] = e
			}
			continue
		}
		low := code & (1<<first - 1)
		if table[low].kind() != isLink {
			table[low] = isLink | entry(rest)<<8 | entry(len(second))<<16
			from := len(second)
			second = append(second, make([]entry, 1<<rest)...)
			none(second[from:])
		}
		at := table[low].value()
		for high := code >> first; high < 1<<rest; high += 1 << (size - first) {
			second[at+int(high)] = e.sized(size - first)
		}
	}
	return second, true
}

// none says of all codes that there are none.
func none(table []entry) {
	for i := range table {
		table[i] = isNone.sized(1)
	}
}

// fixed makes the tables that blocks of the second kind have.
func (i *inflater) fixed() {
	c := i.codes[:288]
	for s := range c {
		switch {
		case s < 144:
			c[s] = 8
		case s < 256:
			c[s] = 9
		case s < 280:
			c[s] = 7
		default:
			c[s] = 8
		}
	}
	i.lit.build(c)
	c = i.codes[:32]
	for s := range c {
		c[s] = 5
	}
	i.dist.build(c)
}

// order is the one in which the lengths of the codes of lengths stand.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lensBits is how many bits the codes of lengths have at most.
const lensBits = 7

// dynamic reads the tables that a block of the third kind begins with.
func (i *inflater) dynamic(w *window) error {
	w.fill()
	nlit, ndist, nlens := w.take(5)+257, w.take(5)+1, w.take(4)+4
	if nlit > 286 || ndist > 30 {
		return ErrCorrupt
	}
	var lens [19]uint8
	for n := range nlens {
		if n == 14 {
			w.fill()
		}
		lens[order[n]] = uint8(w.take(3))
	}
	if _, ok := build(i.lens[:], nil, lens[:], plainEntry); !ok {
		return ErrCorrupt
	}
	codes := i.codes[:nlit+ndist]
	for n := 0; n < len(codes); {
		w.fill()
		if w.over() {
			return ErrShort
		}
		e := i.lens[w.word&(1<<lensBits-1)]
		if e.kind() == isNone {
			return ErrCorrupt
		}
		w.take(e.bits())
		var times int
		var what uint8
		switch s := e.value(); s {
		case 16:
			if n == 0 {
				return ErrCorrupt
			}
			times, what = w.take(2)+3, codes[n-1]
		case 17:
			times = w.take(3) + 3
		case 18:
			times = w.take(7) + 11
		default:
			times, what = 1, uint8(s)
		}
		if n+times > len(codes) {
			return ErrCorrupt
		}
		for ; times > 0; times-- {
			codes[n] = what
			n++
		}
	}
	if codes[256] == 0 {
		return ErrCorrupt // such a block never ends
	}
	if !i.lit.build(codes[:nlit]) || !i.dist.build(codes[nlit:]) {
		return ErrCorrupt
	}
	return nil
}
