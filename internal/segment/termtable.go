package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"logkeep/internal/parquet"
)

// A term table tells of a text column of a row group which terms it has, and in
// which stripes: docs/format/segment.md. It has a part of each term's hash, so it
// may claim a term that is not there; for one in fifty or so it claims a stripe or
// two. Most terms of logs are in one stripe, and cost as much as in a Bloom filter
// that can't tell which; those that are in many cost one entry.
const (
	hashBits   = 25 // of a term's hash, that may be told
	placeBits  = 7  // of an item: a stripe, or everywhere
	everywhere = 1 << 6

	valueBits  = 12                          // of the hash, that tell terms of a block apart
	restBits   = 4                           // of the difference of two values, that are as they are
	perBlock   = 256                         // entries of a block, at most, on average
	perLeaf    = 16                          // blocks of a leaf
	mostBlocks = 1 << (hashBits - valueBits) // of a table
	mostPlaces = 8                           // stripes that are told of a term; one that is in more is everywhere
	mostItems  = 1 << 22                     // that are kept while a column is written
)

// Stripes are some of the stripes of a row group: those of which the bits are set.
// A stripe is parquet.Stripe rows, the last of a group may have fewer.
type Stripes uint64

// stripesOf is all stripes of so many rows.
func stripesOf(rows int64) Stripes {
	n := (rows + parquet.Stripe - 1) / parquet.Stripe
	if n >= 64 {
		return ^Stripes(0)
	}
	return 1<<n - 1
}

// Has reports whether the stripe with this row of the group is one of them.
func (s Stripes) Has(row int64) bool { return s>>min(row/parquet.Stripe, 63)&1 != 0 }

// Count is how many stripes these are.
func (s Stripes) Count() int { return bits.OnesCount64(uint64(s)) }

// sortItems sorts items by as many of the highest bits, those that are equal in
// them in the order in which they stand. Both slices are used; it returns the one
// that has the result, then the other.
func sortItems(items, spare []uint32, wanted int) (sorted, other []uint32) {
	const digit = 9
	spare = slices.Grow(spare[:0], len(items))[:len(items)]
	for low := 32 - wanted; low < 32; low += digit {
		var count [1 << digit]uint32
		for _, v := range items {
			count[v>>low&(1<<digit-1)]++
		}
		at := uint32(0)
		for i, n := range count {
			count[i] = at
			at += n
		}
		for _, v := range items {
			place := &count[v>>low&(1<<digit-1)]
			spare[*place] = v
			*place++
		}
		items, spare = spare, items
	}
	return items, spare
}

// compact sorts the items, drops those that are there twice and makes those that
// are in many stripes one.
func (w *termWriter) compact(wanted int) {
	var items []uint32
	items, w.spare = sortItems(w.items, w.spare, wanted)
	low := 32 - wanted
	out := items[:0]
	for i := 0; i < len(items); {
		// The stripes of one hash are in order, but for everywhere.
		begin, key, places := len(out), items[i]>>low, 0
		last := ^uint32(0)
		for ; i < len(items) && items[i]>>low == key; i++ {
			place := items[i] & (1<<placeBits - 1)
			if place == last {
				continue
			}
			last = place
			if places++; place == everywhere || places > mostPlaces {
				places = mostPlaces + 1
				continue
			}
			out = append(out, items[i])
		}
		if places > mostPlaces {
			out = append(out[:begin], key<<low|everywhere)
		}
	}
	w.items = out
}

// logBlocks is the logarithm of the number of blocks for so many entries.
func logBlocks(n int) int {
	if n <= perBlock {
		return 0
	}
	return min(bits.Len(uint(n-1)/perBlock), hashBits-valueBits)
}

// table ends the column being written: it appends the table to w.tables and what
// the index says of it to w.index. It reports whether the terms make one.
func (w *termWriter) table() bool {
	w.compact(logBlocks(len(w.items)) + valueBits)
	items := w.items
	blocks := logBlocks(len(items))
	if len(items) > mostBlocks*2*perBlock {
		return false
	}
	kind := uint64(blocks)<<2 | 1
	if w.anywhere {
		kind |= 2
	}
	tables, index := len(w.tables), len(w.index)
	w.index = binary.AppendUvarint(w.index, kind)
	for block := 0; block < 1<<blocks; {
		leaf := len(w.tables)
		n := min(perLeaf, 1<<blocks-block)
		var sizes [2 * perLeaf]byte
		w.tables = append(w.tables, sizes[:2*n]...)
		for i := range n {
			begin := len(w.tables)
			end := 0
			for end < len(items) && int(items[end]>>(32-blocks)) == block {
				end++
			}
			w.tables = w.block(w.tables, items[:end], blocks)
			items = items[end:]
			size := len(w.tables) - begin
			if size > 0xffff {
				w.tables, w.index = w.tables[:tables], w.index[:index]
				return false
			}
			binary.LittleEndian.PutUint16(w.tables[leaf+2*i:], uint16(size))
			block++
		}
		w.index = binary.AppendUvarint(w.index, uint64(len(w.tables)-leaf))
	}
	return true
}

// block appends a block of a table of 1<<blocks.
func (w *termWriter) block(b []byte, items []uint32, blocks int) []byte {
	var acc uint64 // bits that are not in b, the lowest first
	have := 0
	last := uint32(0)
	for _, item := range items {
		value := item >> (32 - valueBits - blocks) & (1<<valueBits - 1)
		gap := value - last
		last = value
		ones := int(gap >> restBits)
		for ; ones >= 16; ones -= 16 {
			acc |= 0xffff << have
			for have += 16; have >= 8; have -= 8 {
				b, acc = append(b, byte(acc)), acc>>8
			}
		}
		acc |= (1<<ones - 1 | uint64(gap&(1<<restBits-1))<<(ones+1)) << have
		have += ones + 1 + restBits
		if !w.anywhere {
			if place := uint64(item & (1<<placeBits - 1)); place == everywhere {
				acc |= 1 << have
				have++
			} else {
				acc |= place << (have + 1)
				have += placeBits
			}
		}
		for ; have >= 8; have -= 8 {
			b, acc = append(b, byte(acc)), acc>>8
		}
	}
	if have > 0 {
		b = append(b, byte(acc|0xff<<have))
	}
	return b
}

// stripesIn looks a value up in a block.
func stripesIn(block []byte, anywhere bool, value uint32) (found Stripes) {
	size := 8 * len(block)
	padded := append(append(make([]byte, 0, len(block)+8), block...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	at, last := 0, uint32(0)
	for {
		ones := 0
		for {
			n := bits.TrailingZeros64(^(binary.LittleEndian.Uint64(padded[at>>3:]) >> (at & 7)))
			n = min(n, 56)
			ones += n
			if at += n; at >= size || ones > 1<<(valueBits-restBits) {
				return found // what is left fills up the last byte
			}
			if n < 56 {
				break
			}
		}
		rest := binary.LittleEndian.Uint64(padded[at>>3:]) >> (at&7 + 1)
		last += uint32(ones)<<restBits | uint32(rest)&(1<<restBits-1)
		at += 1 + restBits
		all := anywhere
		if !anywhere {
			if all = rest>>restBits&1 != 0; all {
				at++
			} else {
				at += placeBits
			}
		}
		if at > size || last > value {
			return found
		}
		if last == value {
			if all {
				return ^Stripes(0)
			}
			found |= 1 << (rest >> (restBits + 1) & 63)
		}
	}
}
