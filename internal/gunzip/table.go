package gunzip

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
		return isLiteral | entry(symbol)<<16
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

// build makes a table of codes of the given lengths, whose first part is looked
// up by so many bits. Like the standard library it takes complete sets of
// codes, a single code of one bit, and none at all.
func build(table []entry, codes []uint8, first uint, symbol func(int) entry) ([]entry, bool) {
	var count [maxBits + 1]int
	longest := uint(0)
	for _, n := range codes {
		count[n]++
		longest = max(longest, uint(n))
	}
	table = append(table[:0], make([]entry, 1<<first)...)
	for i := range table {
		table[i] = isNone.sized(1)
	}
	if longest == 0 {
		return table, true
	}
	var next [maxBits + 1]uint32
	code := uint32(0)
	for n := 1; n <= maxBits; n++ {
		code <<= 1
		next[n] = code
		code += uint32(count[n])
		if code > 1<<n {
			return table, false
		}
		if uint(n) == longest && code != 1<<n && !(code == 1 && n == 1) {
			return table, false
		}
	}
	second := uint(0) // bits of a second table
	if longest > first {
		second = longest - first
	}
	for s, n := range codes {
		if n == 0 {
			continue
		}
		size := uint(n)
		bits := reverse(next[n], size)
		next[n]++
		e := symbol(s)
		if size <= first {
			for at := bits; at < 1<<first; at += 1 << size {
				table[at] = e.sized(size)
			}
			continue
		}
		low := bits & (1<<first - 1)
		if table[low].kind() != isLink {
			table[low] = isLink | entry(second)<<8 | entry(len(table))<<16
			from := len(table)
			table = append(table, make([]entry, 1<<second)...)
			for i := from; i < len(table); i++ {
				table[i] = isNone.sized(1)
			}
		}
		at := table[low].value()
		for high := bits >> first; high < 1<<second; high += 1 << (size - first) {
			table[at+int(high)] = e.sized(size - first)
		}
	}
	return table, true
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
	i.lit, _ = build(i.lit, c, litBits, literalEntry)
	c = i.codes[:32]
	for s := range c {
		c[s] = 5
	}
	i.dist, _ = build(i.dist, c, distBits, distanceEntry)
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
	var ok bool
	if i.lens, ok = build(i.lens, lens[:], lensBits, plainEntry); !ok {
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
	var ok2 bool
	i.lit, ok = build(i.lit, codes[:nlit], litBits, literalEntry)
	i.dist, ok2 = build(i.dist, codes[nlit:], distBits, distanceEntry)
	if !ok || !ok2 {
		return ErrCorrupt
	}
	return nil
}
