package parquet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// Bounds of pages. A page of text is as many stripes as have leastPage bytes of
// values, and no more than mostPage. Numbers, also of dictionaries' texts, are so
// small that a page has two stripes of them: about as many bytes as are sealed together,
// so that for one row no more is opened than for its neighbours.
const (
	leastPage  = 32 << 10
	mostPage   = 1 << 20
	numberRows = 2 * Stripe
)

// A chunk is one column of a row group while it is written.
type chunk struct {
	info   metadata.ChunkMetaInfo
	stats  metadata.EncodedStatistics
	counts metadata.EncodingStats
	pages  Pages
	firsts []int64 // of the sorted column: the first value of each page
	rows   int     // in pages
	loose  int     // pages that are not tried to be packed
	texts  bool    // the dictionary is of texts
}

func newChunk(rows int) *chunk {
	k := &chunk{
		info:   metadata.ChunkMetaInfo{NumValues: int64(rows), IndexPageOffset: -1},
		counts: metadata.EncodingStats{DictEncodingStats: map[parquetgo.Encoding]int32{}, DataEncodingStats: map[parquetgo.Encoding]int32{}},
	}
	k.stats.HasNullCount = true
	return k
}

// column writes a chunk: from has the array of column i in each record. ready is the
// column if it is stored already.
func (p *Writer) column(meta *metadata.ColumnChunkMetaDataBuilder, i int, from []arrow.Array, rows int, ready *fabric) error {
	c, k := p.columns[i], newChunk(rows)
	col := newCells(p.order.runs, rows, from, batch.Nullable(c))
	if col.nulls && !col.nullable {
		return fmt.Errorf("internal error: it has nulls that it can't have")
	}
	var err error
	switch from[0].(type) {
	case *array.String:
		if ready != nil {
			err = p.readyTexts(k, i, ready)
		} else {
			err = p.texts(k, &col, from, i)
		}
	case *array.Int64:
		if c.Name == p.o.Sorted {
			err = p.deltas(k, &col, from)
		} else {
			err = numbers(p, k, &col, from, &p.wide, func(a arrow.Array) []int64 { return a.(*array.Int64).Int64Values() }, plain64, wide)
		}
	case *array.Int32:
		err = numbers(p, k, &col, from, &p.narrow, func(a arrow.Array) []int32 { return a.(*array.Int32).Int32Values() }, plain32, narrow)
	case *array.Float64:
		err = numbers(p, k, &col, from, &p.real, func(a arrow.Array) []float64 { return a.(*array.Float64).Float64Values() }, plainReal, real)
	case *array.Boolean:
		err = p.bools(k, &col, from)
	default:
		err = fmt.Errorf("internal error: no way to write %s", from[0].DataType())
	}
	if err != nil {
		return err
	}
	return p.endChunk(meta, k, c)
}

// endChunk tells the footer of a chunk.
func (p *Writer) endChunk(meta *metadata.ColumnChunkMetaDataBuilder, k *chunk, c schema.Column) error {
	p.chunks = append(p.chunks, k.pages)
	if c.Name == p.o.Sorted {
		p.firsts = append(p.firsts, k.firsts)
	}
	if !k.stats.HasMin {
		k.stats.Min, k.stats.Max = nil, nil
	}
	meta.SetStats(k.stats)
	return meta.Finish(k.info, k.info.DictPageOffset > 0, false, k.counts)
}

// sampled is how many cells are looked at to see whether a column repeats.
const sampled = 2048

// repeats judges by the different values among those that were looked at.
func repeats(different, looked int) bool { return looked > 0 && different*2 <= looked+1 }

// plain writers of values, little-endian, and their statistics.
func plain64(b []byte, v int64) []byte     { return put64(b, uint64(v)) }
func plain32(b []byte, v int32) []byte     { return put32(b, uint32(v)) }
func plainReal(b []byte, v float64) []byte { return put64(b, math.Float64bits(v)) }

func wide(v int64) uint64   { return uint64(v) }
func narrow(v int32) uint64 { return uint64(int64(v)) }
func real(v float64) uint64 { return math.Float64bits(v) }

// numbers writes a column of numbers. key tells values apart, as bits.
func numbers[T int32 | int64 | float64](p *Writer, k *chunk, c *cells, from []arrow.Array, kept *[]T, of func(arrow.Array) []T, put func([]byte, T) []byte, key func(T) uint64) error {
	values := gather((*kept)[:0], c, from, of)
	*kept = values
	n := len(values)
	k.stats.NullCount = int64(c.rows - n)
	if n > 0 {
		lo, hi, odd := values[0], values[0], false // odd: NaN, which has no place in an order
		for _, v := range values {
			lo, hi = min(lo, v), max(hi, v)
			odd = odd || v != v
		}
		if !odd {
			if lo == 0 { // readers can't tell whether a real zero had a sign
				lo = T(math.Copysign(0, -1))
			}
			if hi == 0 {
				hi = 0
			}
			k.stats.Signed, k.stats.HasMin, k.stats.HasMax = true, true, true
			k.stats.Min, k.stats.Max = put(nil, lo), put(nil, hi)
		}
	}
	if p.o.Dictionary && n > 0 {
		if done, err := nearNumbers(p, k, c, values, put, key); done || err != nil {
			return err
		}
		if done, err := dictionaryNumbers(p, k, c, values, put, key); done || err != nil {
			return err
		}
	}
	return p.pages(k, c, parquetgo.Encodings.Plain, func(b []byte, from, to int) []byte {
		for _, v := range values[from:to] {
			b = put(b, v)
		}
		return b
	})
}

// pages writes pages of numberRows rows each. put appends the column's values
// from number from on to before number to, as a page has them.
func (p *Writer) pages(k *chunk, c *cells, e parquetgo.Encoding, put func(b []byte, from, to int) []byte) error {
	part := cells{holes: c.holes, nullable: c.nullable, nulls: c.nulls}
	done := 0
	for stripe := 0; ; stripe += numberRows / Stripe {
		part.rows = min(numberRows, c.rows-stripe*Stripe)
		if part.rows > 0 {
			part.runs = p.order.of(stripe, numberRows/Stripe)
		}
		n := part.values()
		p.page = put(p.levels(p.page[:0], &part, n), done, done+n)
		done += n
		if err := p.dataPage(k, part.rows, e); err != nil {
			return err
		}
		if stripe*Stripe+part.rows == c.rows {
			return nil
		}
	}
}

// gather appends the values of all cells that have one.
func gather[T int32 | int64 | float64](values []T, c *cells, from []arrow.Array, of func(arrow.Array) []T) []T {
	records := make([][]T, len(from))
	for i, a := range from {
		records[i] = of(a)
	}
	values = slices.Grow(values, c.rows)
	for _, r := range c.runs {
		h := &c.holes[r.record]
		for i, v := range records[r.record][r.from:r.end] {
			if h.has(r.from + int32(i)) {
				values = append(values, v)
			}
		}
	}
	return values
}

// mostNumbers is the most different numbers that a dictionary has.
const mostNumbers = 1 << 14

// nearNumbers writes a dictionary of values that lie so near to each other that, if all
// of them are there, each comes up a few times. A place in a table is then the number
// of each, and no sample is needed.
func nearNumbers[T int32 | int64 | float64](p *Writer, k *chunk, c *cells, values []T, put func([]byte, T) []byte, key func(T) uint64) (done bool, err error) {
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	from := key(lo)
	span := key(hi) - from // of whole numbers; of others it is whatever
	if span >= min(mostNumbers, uint64(len(values)/4)) {
		return false, nil
	}
	p.near = slices.Grow(p.near[:0], mostNumbers)[:span+1]
	clear(p.near)
	p.index, p.dictionary.plain = slices.Grow(p.index[:0], len(values)), p.dictionary.plain[:0]
	n := uint32(0)
	for _, v := range values {
		at := key(v) - from
		if at > span {
			return false, nil
		}
		number := &p.near[at]
		if *number == 0 {
			n++
			*number = n
			p.dictionary.plain = put(p.dictionary.plain, v)
		}
		p.index = append(p.index, *number-1)
	}
	return true, p.indexes(k, c, int(n))
}

// dictionaryNumbers writes a dictionary and indexes into it, unless a sample says
// that the values do not repeat, or too many are different.
func dictionaryNumbers[T int32 | int64 | float64](p *Writer, k *chunk, c *cells, values []T, put func([]byte, T) []byte, key func(T) uint64) (done bool, err error) {
	d := &p.numbers
	d.reset()
	looked, step := 0, max(1, len(values)/sampled)
	for i := 0; i < len(values); i += step {
		d.add(key(values[i]))
		looked++
	}
	if !repeats(d.n, looked) {
		return false, nil
	}
	d.reset()
	p.index, p.dictionary.plain = p.index[:0], p.dictionary.plain[:0]
	for _, v := range values {
		before := d.n
		p.index = append(p.index, d.add(key(v)))
		if d.n > before {
			p.dictionary.plain = put(p.dictionary.plain, v)
			if d.n > mostNumbers {
				return false, nil
			}
		}
	}
	return true, p.indexes(k, c, d.n)
}

// A numbering numbers different keys in the order in which they come.
type numbering struct {
	n     int
	slots []numbered // open addressing; a power of two
	shift int        // 64 less than bits of a slot's place
	by    uint64     // odd and random, so that nobody can choose keys that meet
}

// A numbered is one key and its number plus one.
type numbered struct {
	key    uint64
	number uint32
}

func (d *numbering) reset() {
	if d.slots == nil {
		d.slots, d.shift, d.by = make([]numbered, 1<<10), 64-10, rand.Uint64()|1
	}
	clear(d.slots)
	d.n = 0
}

// add returns the key's number.
func (d *numbering) add(key uint64) uint32 {
	mask := uint64(len(d.slots) - 1)
	for at := key * d.by >> d.shift; ; at = (at + 1) & mask {
		s := &d.slots[at&mask]
		if s.number == 0 {
			*s = numbered{key, uint32(d.n) + 1}
			if d.n++; d.n*2 > len(d.slots) {
				d.grow()
			}
			return uint32(d.n - 1)
		}
		if s.key == key {
			return s.number - 1
		}
	}
}

func (d *numbering) grow() {
	old := d.slots
	d.slots, d.shift = make([]numbered, 2*len(old)), d.shift-1
	mask := uint64(len(d.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		at := s.key * d.by >> d.shift
		for d.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = s
	}
}

// bools writes a column of bits.
func (p *Writer) bools(k *chunk, c *cells, from []arrow.Array) error {
	records := make([]*array.Boolean, len(from))
	for i, a := range from {
		records[i] = a.(*array.Boolean)
	}
	n := 0
	var bits []byte
	for _, r := range c.runs {
		a, h := records[r.record], &c.holes[r.record]
		for row := r.from; row < r.end; row++ {
			if !h.has(row) {
				continue
			}
			if n&7 == 0 {
				bits = append(bits, 0)
			}
			if a.Value(int(row)) {
				bits[n>>3] |= 1 << (n & 7)
			}
			n++
		}
	}
	k.stats.NullCount = int64(c.rows - n)
	return p.pages(k, c, parquetgo.Encodings.Plain, func(b []byte, from, to int) []byte {
		for at := from; at < to; at += 8 {
			octet := bits[at>>3] >> (at & 7)
			if at&7 > 0 && at>>3+1 < len(bits) {
				octet |= bits[at>>3+1] << (8 - at&7)
			}
			if left := to - at; left < 8 {
				octet &= 1<<left - 1
			}
			b = append(b, octet)
		}
		return b
	})
}
