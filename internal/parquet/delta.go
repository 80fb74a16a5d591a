package parquet

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// A block of differences has so many, in four parts of a width of their own.
const (
	blockSize = 128
	partSize  = blockSize / 4
)

// deltas writes a sorted column without nulls as differences.
func (p *Writer) deltas(k *chunk, c *cells, from []arrow.Array) error {
	values := gather(p.wide[:0], c, from, func(a arrow.Array) []int64 { return a.(*array.Int64).Int64Values() })
	p.wide = values
	if len(values) > 0 {
		k.stats.Signed, k.stats.HasMin, k.stats.HasMax = true, true, true
		k.stats.Min, k.stats.Max = plain64(nil, values[0]), plain64(nil, values[len(values)-1])
	}
	return p.pages(k, c, parquetgo.Encodings.DeltaBinaryPacked, func(b []byte, from, to int) []byte {
		if from < to {
			k.firsts = append(k.firsts, values[from])
		}
		return appendDeltas(b, values[from:to])
	})
}

func appendDeltas(b []byte, values []int64) []byte {
	b = binary.AppendUvarint(b, blockSize)
	b = binary.AppendUvarint(b, blockSize/partSize)
	b = binary.AppendUvarint(b, uint64(len(values)))
	if len(values) == 0 {
		return binary.AppendVarint(b, 0)
	}
	b = binary.AppendVarint(b, values[0])
	last := values[0]
	for rest := values[1:]; len(rest) > 0; {
		block := rest[:min(blockSize, len(rest))]
		rest = rest[len(block):]
		// Differences wrap around as the format has it.
		var diffs [blockSize]int64
		for i, v := range block {
			diffs[i] = v - last
			last = v
		}
		least := diffs[0]
		for _, d := range diffs[:len(block)] {
			least = min(least, d)
		}
		b = binary.AppendVarint(b, least)
		widths := len(b)
		b = append(b, 0, 0, 0, 0)
		for part := 0; part*partSize < len(block); part++ {
			var over [partSize]uint64 // what lies behind the last value is 0
			var all uint64
			for i := range over {
				if at := part*partSize + i; at < len(block) {
					over[i] = uint64(diffs[at]) - uint64(least)
					all |= over[i]
				}
			}
			width := bits.Len64(all)
			b[widths+part] = byte(width)
			b = appendPacked(b, over[:], width)
		}
	}
	return b
}

// appendPacked appends values of width bits, the lowest first.
func appendPacked(b []byte, values []uint64, width int) []byte {
	var low uint64
	have := 0
	for _, v := range values {
		low |= v << have
		if have += width; have >= 64 {
			b = put64(b, low)
			have -= 64
			low = v >> (width - have) // 0 if nothing is left: Go shifts by 64 to 0
		}
	}
	for ; have > 0; have -= 8 {
		b = append(b, byte(low))
		low >>= 8
	}
	return b
}
