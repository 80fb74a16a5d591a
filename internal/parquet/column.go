package parquet

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"logkeep/internal/batch"
)

// pageSize is about how many bytes of values a page has.
const pageSize = 1 << 20

// A chunk is one column of a row group while it is written.
type chunk struct {
	info   metadata.ChunkMetaInfo
	stats  metadata.EncodedStatistics
	counts metadata.EncodingStats
}

// column writes a chunk: from has the array of column i in each record.
func (p *Writer) column(meta *metadata.ColumnChunkMetaDataBuilder, i int, from []arrow.Array, rows int) error {
	c := p.columns[i]
	k := &chunk{
		info:   metadata.ChunkMetaInfo{NumValues: int64(rows), IndexPageOffset: -1},
		counts: metadata.EncodingStats{DictEncodingStats: map[parquetgo.Encoding]int32{}, DataEncodingStats: map[parquetgo.Encoding]int32{}},
	}
	k.stats.HasNullCount = true
	nulls := false
	for _, a := range from {
		nulls = nulls || a.NullN() > 0
	}
	col := cells{runs: p.runs, rows: rows, from: from, nullable: batch.Nullable(c), nulls: nulls}
	if nulls && !col.nullable {
		return fmt.Errorf("internal error: it has nulls that it can't have")
	}
	var err error
	switch from[0].(type) {
	case *array.String:
		err = p.texts(k, &col, i)
	case *array.Int64:
		if c.Name == p.o.Sorted {
			err = p.deltas(k, &col)
		} else {
			err = numbers(p, k, &col, func(a arrow.Array) []int64 { return a.(*array.Int64).Int64Values() }, plain64, wide)
		}
	case *array.Int32:
		err = numbers(p, k, &col, func(a arrow.Array) []int32 { return a.(*array.Int32).Int32Values() }, plain32, narrow)
	case *array.Float64:
		err = numbers(p, k, &col, func(a arrow.Array) []float64 { return a.(*array.Float64).Float64Values() }, plainReal, real)
	case *array.Boolean:
		err = p.bools(k, &col)
	default:
		err = fmt.Errorf("internal error: no way to write %s", from[0].DataType())
	}
	if err != nil {
		return err
	}
	if !k.stats.HasMin {
		k.stats.Min, k.stats.Max = nil, nil
	}
	meta.SetStats(k.stats)
	return meta.Finish(k.info, k.info.DictPageOffset > 0, false, k.counts)
}

// cells are the cells of one column in the order that they are to have.
type cells struct {
	runs     []run
	rows     int
	from     []arrow.Array
	nullable bool
	nulls    bool // there may be some
}

// each calls f for every cell that has a value, until it says no.
func (c *cells) each(f func(record, row int32) bool) {
	for _, r := range c.runs {
		a := c.from[r.record]
		all := a.NullN() == 0
		for row := r.from; row < r.end; row++ {
			if (all || a.IsValid(int(row))) && !f(r.record, row) {
				return
			}
		}
	}
}

// sampled is how many cells are looked at to see whether a column repeats.
const sampled = 2048

// sample calls f for some cells that have a value, from all over the column.
func (c *cells) sample(f func(record, row int32)) {
	step := max(1, c.rows/sampled)
	skip := 0
	for _, r := range c.runs {
		row := int(r.from) + skip
		for ; row < int(r.end); row += step {
			if c.from[r.record].IsValid(row) {
				f(r.record, int32(row))
			}
		}
		skip = row - int(r.end)
	}
}

// plain writers of values, little-endian, and their statistics.
func plain64(b []byte, v int64) []byte     { return put64(b, uint64(v)) }
func plain32(b []byte, v int32) []byte     { return put32(b, uint32(v)) }
func plainReal(b []byte, v float64) []byte { return put64(b, math.Float64bits(v)) }

func wide(v int64) uint64   { return uint64(v) }
func narrow(v int32) uint64 { return uint64(uint32(v)) }
func real(v float64) uint64 { return math.Float64bits(v) }

// numbers writes a column of numbers. key tells values apart, as bits.
func numbers[T int32 | int64 | float64](p *Writer, k *chunk, c *cells, of func(arrow.Array) []T, put func([]byte, T) []byte, key func(T) uint64) error {
	from := make([][]T, len(c.from))
	for i, a := range c.from {
		from[i] = of(a)
	}
	var lo, hi T
	n, odd := 0, false // odd: NaN, which has no place in an order
	c.each(func(record, row int32) bool {
		v := from[record][row]
		if n == 0 {
			lo, hi = v, v
		}
		lo, hi = min(lo, v), max(hi, v)
		odd = odd || v != v
		n++
		return true
	})
	k.stats.NullCount = int64(c.rows - n)
	if n > 0 && !odd {
		if lo == 0 { // readers can't tell whether a real zero had a sign
			lo = T(math.Copysign(0, -1))
		}
		if hi == 0 {
			hi = 0
		}
		k.stats.Signed, k.stats.HasMin, k.stats.HasMax = true, true, true
		k.stats.Min, k.stats.Max = put(nil, lo), put(nil, hi)
	}
	if p.o.Dictionary && n > 0 {
		seen, looked := make(map[uint64]struct{}, sampled), 0
		c.sample(func(record, row int32) { seen[key(from[record][row])] = struct{}{}; looked++ })
		if len(seen)*2 <= looked+1 {
			done, err := dictionaryNumbers(p, k, c, from, put, key)
			if done || err != nil {
				return err
			}
		}
	}
	p.page = p.levels(p.page[:0], c, n)
	c.each(func(record, row int32) bool { p.page = put(p.page, from[record][row]); return true })
	return p.dataPage(k, c.rows, parquetgo.Encodings.Plain)
}

// dictionaryNumbers writes a dictionary and indexes into it, unless there are
// too many different values.
func dictionaryNumbers[T int32 | int64 | float64](p *Writer, k *chunk, c *cells, from [][]T, put func([]byte, T) []byte, key func(T) uint64) (done bool, err error) {
	const most = 1 << 14
	index := make(map[uint64]uint32, 256)
	p.index, p.dictionary.plain = p.index[:0], p.dictionary.plain[:0]
	c.each(func(record, row int32) bool {
		v := from[record][row]
		i, known := index[key(v)]
		if !known {
			i = uint32(len(index))
			index[key(v)] = i
			p.dictionary.plain = put(p.dictionary.plain, v)
		}
		p.index = append(p.index, i)
		return len(index) <= most
	})
	if len(index) > most {
		return false, nil
	}
	return true, p.indexes(k, c, len(index))
}

// bools writes a column of bits.
func (p *Writer) bools(k *chunk, c *cells) error {
	from := make([]*array.Boolean, len(c.from))
	for i, a := range c.from {
		from[i] = a.(*array.Boolean)
	}
	n := 0
	var bits []byte
	c.each(func(record, row int32) bool {
		if n&7 == 0 {
			bits = append(bits, 0)
		}
		if from[record].Value(int(row)) {
			bits[n>>3] |= 1 << (n & 7)
		}
		n++
		return true
	})
	k.stats.NullCount = int64(c.rows - n)
	p.page = append(p.levels(p.page[:0], c, n), bits...)
	return p.dataPage(k, c.rows, parquetgo.Encodings.Plain)
}
