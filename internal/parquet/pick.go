package parquet

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// mostText bounds the text of an array, whose ends are of 32 bits.
const mostText = 1 << 30

// Cells are cells of a column, picked from its rows to become an array.
type Cells struct {
	kind        arrow.Type
	rows, nulls int
	valid       []byte  // bits; nil: all rows have values
	data        []byte  // little-endian, as arrays are on the machines that this is for
	ends        []int32 // of texts
}

// NewCells has room for n cells of a column.
func (c *Column) NewCells(n int) *Cells {
	p := &Cells{kind: c.Type}
	if c.Nullable {
		p.valid = make([]byte, 0, (n+7)/8)
	}
	switch c.Type {
	case arrow.STRING:
		p.ends = append(make([]int32, 0, n+1), 0)
	case arrow.BOOL:
		p.data = make([]byte, 0, (n+7)/8)
	default:
		p.data = make([]byte, 0, n*c.width()/8)
	}
	return p
}

// Foresee makes room for cells like those that there are, times times as many.
func (p *Cells) Foresee(times float64) {
	p.data = slices.Grow(p.data, int(float64(len(p.data))*times))
	p.valid = slices.Grow(p.valid, int(float64(len(p.valid))*times))
	p.ends = slices.Grow(p.ends, int(float64(len(p.ends))*times))
}

// Expect makes room for so many bytes of text.
func (p *Cells) Expect(bytes int) {
	if p.kind == arrow.STRING {
		p.data = slices.Grow(p.data, bytes)
	}
}

// Size is how many bytes the cells take.
func (p *Cells) Size() int64 { return int64(cap(p.valid) + cap(p.data) + 4*cap(p.ends)) }

// Pick appends the cells of some rows, numbered from base, to p, in their order.
// More text than an array can hold is ErrForm.
func (c *Column) Pick(base int, of Rows, p *Cells) error {
	size := c.width() / 8
	open := func(number int) error { return c.openFor(number, base, of) }
	return c.eachPage(base, of, open, func(b *body) (bool, error) {
		end := min(b.first+b.rows-base, len(of)*64)
		if b.form == isTemplates {
			if done, err := c.pickWoven(b, base, of, end, p); done || err != nil {
				return true, err
			}
			if err := c.expand(b); err != nil {
				return false, err
			}
		}
		o, t := ordinals{present: b.present}, textWalk{}
		if err := c.reachThose(b, base, of, end); err != nil {
			return false, err
		}
		for row := of.Next(max(b.first-base, 0), end); row < end; row = of.Next(row+1, end) {
			value, ok := o.valueOf(base + row - b.first)
			bit := byte(1) << (p.rows & 7)
			if bit == 1 && p.valid != nil {
				p.valid = append(p.valid, 0)
			}
			if bit == 1 && p.kind == arrow.BOOL {
				p.data = append(p.data, 0)
			}
			switch {
			case !ok:
				p.nulls++
				for range size {
					p.data = append(p.data, 0)
				}
			case p.kind == arrow.STRING:
				text, err := t.text(c, b, value)
				if err != nil {
					return false, err
				}
				p.data = append(p.data, text...)
			case p.kind == arrow.BOOL:
				if b.plain[value>>3]>>(value&7)&1 != 0 {
					p.data[p.rows>>3] |= bit
				}
			case b.form == isDeltas:
				p.data = binary.LittleEndian.AppendUint64(p.data, uint64(b.deltas[value]))
			case b.form == isIndexed:
				p.data = append(p.data, c.dict.raw[int(b.index[value])*size:][:size]...)
			default:
				p.data = append(p.data, b.plain[value*size:][:size]...)
			}
			if ok && p.valid != nil {
				p.valid[p.rows>>3] |= bit
			}
			if p.rows++; p.kind == arrow.STRING {
				if len(p.data) > mostText {
					return false, ErrForm
				}
				p.ends = append(p.ends, int32(len(p.data)))
			}
		}
		return true, nil
	})
}

// reachThose makes the values known that rows of a page have in the dictionary.
func (c *Column) reachThose(b *body, base int, of Rows, end int) error {
	if b.form != isIndexed {
		return nil
	}
	cut, err := c.inSections()
	if err != nil {
		return err
	}
	o, most := ordinals{present: b.present}, int64(-1)
	for row := of.Next(max(b.first-base, 0), end); row < end; row = of.Next(row+1, end) {
		value, ok := o.valueOf(base + row - b.first)
		if !ok {
			continue
		}
		number := int64(b.index[value])
		if cut {
			if err := c.reachSection(int(number)); err != nil {
				return err
			}
		}
		most = max(most, number)
	}
	if most < 0 || cut {
		return nil
	}
	return c.reach(int(most))
}

// A textWalk finds texts of a page, of which the numbers ascend.
type textWalk struct{ at, value int }

func (t *textWalk) text(c *Column, b *body, value int) ([]byte, error) {
	if b.form == isIndexed {
		return c.dict.text(b.index[value]), nil
	}
	for {
		from := t.at
		end, ok := textEnd(b.plain, from)
		if !ok {
			return nil, ErrDamaged
		}
		t.at = end
		if t.value++; t.value > value {
			return b.plain[from+4 : end], nil
		}
	}
}

// Array makes an array of the cells, which must not be used afterwards.
func (p *Cells) Array() arrow.Array {
	buffers := []*memory.Buffer{nil}
	if p.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(p.valid)
	}
	var t arrow.DataType
	switch p.kind {
	case arrow.BOOL:
		t = arrow.FixedWidthTypes.Boolean
	case arrow.INT32:
		t = arrow.PrimitiveTypes.Int32
	case arrow.INT64:
		t = arrow.PrimitiveTypes.Int64
	case arrow.FLOAT64:
		t = arrow.PrimitiveTypes.Float64
	default:
		t = arrow.BinaryTypes.String
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(p.ends)))
	}
	buffers = append(buffers, memory.NewBufferBytes(p.data))
	return array.MakeFromData(array.NewData(t, p.rows, buffers, nil, p.nulls, 0))
}

func (c *Column) wide(b *body, value int) int64 {
	switch {
	case b.form == isDeltas:
		return b.deltas[value]
	case b.form == isIndexed:
		return int64(binary.LittleEndian.Uint64(c.dict.raw[int(b.index[value])*8:]))
	}
	return int64(binary.LittleEndian.Uint64(b.plain[value*8:]))
}
