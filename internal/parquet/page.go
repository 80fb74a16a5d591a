package parquet

import (
	"encoding/binary"
	"math/bits"

	"github.com/DataDog/zstd"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

func put32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func put64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// Numbers of the format's page headers, which are structs of compact Thrift.
const (
	typeData       = 0
	typeDictionary = 2
	levelsRLE      = 3
)

// appendField appends the head of field number of a struct whose field before
// was last.
func appendField(b []byte, last, number, kind byte) []byte { return append(b, (number-last)<<4|kind) }

func appendI32(b []byte, last, number byte, v int) []byte {
	return binary.AppendVarint(appendField(b, last, number, thriftI32), int64(v)) // zigzag
}

// appendHeader appends the header of a page.
func appendHeader(b []byte, kind, size, packed, values int, encoding parquetgo.Encoding) []byte {
	b = appendI32(b, 0, 1, kind)
	b = appendI32(b, 1, 2, size)
	b = appendI32(b, 2, 3, packed)
	if kind == typeDictionary {
		b = appendField(b, 3, 7, thriftStruct)
		b = appendI32(b, 0, 1, values)
		b = appendI32(b, 1, 2, int(encoding))
	} else {
		b = appendField(b, 3, 5, thriftStruct)
		b = appendI32(b, 0, 1, values)
		b = appendI32(b, 1, 2, int(encoding))
		b = appendI32(b, 2, 3, levelsRLE) // whether a row has a value
		b = appendI32(b, 3, 4, levelsRLE) // repetition, of which there is none
	}
	return append(b, 0, 0) // the ends of both structs
}

// level is zstd's fastest of those that find what logs repeat; on logs slower
// ones cost more for nothing.
const level = zstd.BestSpeed

// dataPage writes p.page, which is levels and values of rows.
func (p *Writer) dataPage(k *chunk, rows int, encoding parquetgo.Encoding) error {
	if k.info.DataPageOffset == 0 {
		k.info.DataPageOffset = p.at
	}
	k.counts.DataEncodingStats[encoding]++
	begin := p.at
	if err := p.put(k, typeData, p.page, rows, encoding); err != nil {
		return err
	}
	k.pages = append(k.pages, Page{begin, p.at - begin, k.rows, rows})
	k.rows += rows
	return nil
}

func (p *Writer) dictionaryPage(k *chunk, plain []byte, values int, encoding parquetgo.Encoding) error {
	k.info.DictPageOffset = p.at
	k.counts.DictEncodingStats[encoding]++
	if err := p.put(k, typeDictionary, plain, values, encoding); err != nil {
		return err
	}
	k.pages = append(k.pages, Page{Offset: k.info.DictPageOffset, Size: p.at - k.info.DictPageOffset})
	return nil
}

func (p *Writer) put(k *chunk, kind int, body []byte, values int, encoding parquetgo.Encoding) error {
	packed := body
	if p.o.Compress {
		var err error
		if packed, err = p.pack(k, kind, body, encoding); err != nil {
			return err
		}
	}
	p.header = appendHeader(p.header[:0], kind, len(body), len(packed), values, encoding)
	k.info.UncompressedSize += int64(len(p.header) + len(body))
	k.info.CompressedSize += int64(len(p.header) + len(packed))
	if err := p.write(p.header); err != nil {
		return err
	}
	return p.write(packed)
}

// indexes writes a dictionary of n values, which p.dictionary has in plain, and
// p.index, which has one for each cell with a value.
func (p *Writer) indexes(k *chunk, c *cells, n int) error {
	if err := p.take(p.writing, c, n); err != nil {
		return err
	}
	if err := p.dictionaryPage(k, p.dictionary.plain, n, parquetgo.Encodings.Plain); err != nil {
		return err
	}
	width := max(1, bits.Len(uint(n-1))) // some readers don't know of width 0
	return p.pages(k, c, parquetgo.Encodings.RLEDict, func(b []byte, from, to int) []byte {
		return appendHybrid(append(b, byte(width)), p.index[from:to], width)
	})
}

// longRun is from how many equal values on a run of them is told as such.
const longRun = 24

// appendHybrid appends values of width bits: runs of equal ones, and between
// them groups of eight, packed.
func appendHybrid(b []byte, values []uint32, width int) []byte {
	for i := 0; i < len(values); {
		if n := equal(values[i:]); n >= longRun {
			b = binary.AppendUvarint(b, uint64(n)<<1)
			for k := 0; k < width; k += 8 {
				b = append(b, byte(values[i]>>k))
			}
			i += n
			continue
		}
		// Groups until a run begins at the end of one.
		end := i + 8
		for end < len(values) && !(values[end] == values[end-1] && equal(values[end:min(end+longRun, len(values))]) == longRun) {
			end += 8
		}
		b = binary.AppendUvarint(b, uint64((end-i)/8)<<1|1)
		var bits uint64
		var have int
		for ; i < end; i++ {
			if i < len(values) { // the last group is filled up with zeros
				bits |= uint64(values[i]) << have
			}
			for have += width; have >= 8; have -= 8 {
				b = append(b, byte(bits))
				bits >>= 8
			}
		}
	}
	return b
}

// equal counts how many of the first values are the same.
func equal(values []uint32) int {
	n := 1
	for n < len(values) && values[n] == values[0] {
		n++
	}
	return n
}
