package parquet

import (
	"encoding/binary"
	"slices"

	"github.com/DataDog/zstd"
	parquetgo "github.com/apache/arrow-go/v18/parquet"

	"logkeep/internal/template"
)

// readTemplates reads the chunk's templates, unless they were read.
func (c *Column) readTemplates() error {
	if c.dict.templates != nil {
		return nil
	}
	if c.dict.page.Size == 0 {
		return ErrDamaged
	}
	head, raw, _, err := c.unpack(c.dict.page, 0)
	if err != nil {
		return err
	}
	defer c.d.give(raw)
	if parquetgo.Encoding(head.encoding) != templates {
		return ErrForm
	}
	d := c.d.dict
	if c.d.dict = nil; d == nil {
		d = &template.Dictionary{}
	}
	if d.Parse(raw) != nil {
		return ErrDamaged
	}
	c.dict.templates = d
	return nil
}

// expand makes a page of templates one of plain texts.
func (c *Column) expand(b *body) error {
	if b.form != isTemplates {
		return nil
	}
	room, err := c.d.take(b.page.Room())
	if err != nil {
		return err
	}
	if b.plain, err = b.page.Plain(room); err != nil {
		c.d.give(room)
		return ofPage(err)
	}
	b.form, b.texts = isPlain, room
	return nil
}

// Plain writes the column as pages that any reader of Parquet knows, without a
// dictionary: packed with zstd, or else as they are, of so many bytes in all as the
// footer tells. Write is told of pieces.
func (c *Column) Plain(pack bool, write func([]byte) error) error {
	all := NewRows(c.Rows)
	all.AddRange(0, c.Rows)
	var head, packed []byte
	return c.each(0, all, func(b *body) (bool, error) {
		if err := c.expand(b); err != nil {
			return false, err
		}
		if b.form != isPlain {
			return false, ErrForm
		}
		levels := b.raw[:b.levels]
		if pack {
			var err error
			raw := slices.Concat(levels, b.plain)
			if packed, err = zstd.CompressLevel(packed[:cap(packed)], raw, level); err != nil {
				return false, err
			}
			head = appendHeader(head[:0], typeData, len(raw), len(packed), b.rows, parquetgo.Encodings.Plain)
			return true, write(append(head, packed...))
		}
		n := len(levels) + len(b.plain)
		head = append(appendHeader(head[:0], typeData, n, n, b.rows, parquetgo.Encodings.Plain), levels...)
		if err := write(head); err != nil {
			return false, err
		}
		return true, write(b.plain)
	})
}

// A PlainChunk is where a chunk lies that Plain has made.
type PlainChunk struct {
	Offset, Size int64
	Packed       bool
}

// appendPlainChunk appends what a footer says of a chunk of plain pages, n values in
// so many bytes at an offset, packed or not.
func (c *FooterChunk) appendPlainChunk(b []byte, name string, n int64, at PlainChunk) []byte {
	b = binary.AppendVarint(appendField(b, 0, 2, thriftI64), at.Offset)
	b = appendField(b, 2, 3, thriftStruct)
	b = appendI32(b, 0, 1, byteArray)
	b = appendList(appendField(b, 1, 2, thriftList), 2, thriftI32)
	b = binary.AppendVarint(b, int64(parquetgo.Encodings.Plain))
	b = binary.AppendVarint(b, int64(parquetgo.Encodings.RLE))
	b = appendList(appendField(b, 2, 3, thriftList), 1, thriftBinary)
	b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	codec := CodecNone
	if at.Packed {
		codec = CodecZstd
	}
	b = appendI32(b, 3, 4, codec)
	b = binary.AppendVarint(appendField(b, 4, 5, thriftI64), n)
	b = binary.AppendVarint(appendField(b, 5, 6, thriftI64), c.Unpacked)
	b = binary.AppendVarint(appendField(b, 6, 7, thriftI64), at.Size)
	b = binary.AppendVarint(appendField(b, 7, 9, thriftI64), at.Offset)
	if c.statistics != nil {
		b = append(appendField(b, 9, 12, thriftStruct), c.statistics...)
	}
	return append(b, 0, 0)
}

// byteArray is the format's number of the type of texts.
const byteArray = 6
