package parquet

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// mostText bounds the text of an array, whose ends are of 32 bits.
const mostText = 1 << 30

// Pick returns the cells of some rows, of which there are n, in their order. More
// text than an array can hold is ErrForm.
func (c *Column) Pick(of Rows, n int) (arrow.Array, error) {
	p := picked{}
	if c.Nullable {
		p.valid = make([]byte, (n+7)/8)
	}
	var err error
	switch c.Type {
	case arrow.STRING:
		p.ends = append(make([]int32, 0, n+1), 0)
		err = c.pick(of, &p, func(b *body, value int) error { return c.text(b, &p, value) })
	case arrow.BOOL:
		p.data = make([]byte, (n+7)/8)
		err = c.pick(of, &p, func(b *body, value int) error {
			if b.plain[value>>3]>>(value&7)&1 != 0 {
				p.data[p.rows>>3] |= 1 << (p.rows & 7)
			}
			return nil
		})
	default:
		size := c.width() / 8
		p.data = make([]byte, 0, n*size)
		err = c.pick(of, &p, func(b *body, value int) error {
			switch {
			case b.form == isDeltas:
				p.data = binary.LittleEndian.AppendUint64(p.data, uint64(b.deltas[value]))
			case b.form == isIndexed:
				p.data = append(p.data, c.dict.raw[int(b.index[value])*size:][:size]...)
			default:
				p.data = append(p.data, b.plain[value*size:][:size]...)
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	if p.rows != n {
		return nil, ErrDamaged
	}
	return p.array(c.Type), nil
}

// picked is an array that is being made. All bytes are little-endian, as arrays
// are on the machines that this is for.
type picked struct {
	rows, nulls int
	valid       []byte // bits; nil: all rows have values
	data        []byte
	ends        []int32 // of texts

	at, value int // of the open page of texts: where text number value begins
}

// pick calls take with the number of each row's value, or leaves a null.
func (c *Column) pick(of Rows, p *picked, take func(*body, int) error) error {
	size := 0
	if c.Type != arrow.STRING && c.Type != arrow.BOOL {
		size = c.width() / 8
	}
	return c.each(of, func(b *body) (bool, error) {
		p.at, p.value = 0, 0
		o := ordinals{present: b.present}
		for row := of.Next(b.first, b.first+b.rows); row < b.first+b.rows; row = of.Next(row+1, b.first+b.rows) {
			value, ok := o.valueOf(row - b.first)
			if ok {
				if err := take(b, value); err != nil {
					return false, err
				}
				if p.valid != nil {
					p.valid[p.rows>>3] |= 1 << (p.rows & 7)
				}
			} else {
				p.nulls++
				for range size {
					p.data = append(p.data, 0)
				}
			}
			p.rows++
			if p.ends != nil {
				p.ends = append(p.ends, int32(len(p.data)))
			}
		}
		return true, nil
	})
}

// text appends text number value of a page, of which numbers come in order.
func (c *Column) text(b *body, p *picked, value int) error {
	var from, end int
	if b.form == isIndexed {
		from = int(c.dict.begin[b.index[value]])
		end, _ = textEnd(c.dict.raw, from) // as it was checked when it was read
		p.data = append(p.data, c.dict.raw[from+4:end]...)
	} else {
		for ok := true; ; p.value++ {
			if end, ok = textEnd(b.plain, p.at); !ok {
				return ErrDamaged
			}
			from, p.at = p.at, end
			if p.value == value {
				break
			}
		}
		p.value++
		p.data = append(p.data, b.plain[from+4:end]...)
	}
	if len(p.data) > mostText {
		return ErrForm
	}
	return nil
}

func (p *picked) array(t arrow.Type) arrow.Array {
	buffers := []*memory.Buffer{nil}
	if p.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(p.valid)
	}
	types := map[arrow.Type]arrow.DataType{
		arrow.BOOL: arrow.FixedWidthTypes.Boolean, arrow.INT32: arrow.PrimitiveTypes.Int32, arrow.INT64: arrow.PrimitiveTypes.Int64,
		arrow.FLOAT64: arrow.PrimitiveTypes.Float64, arrow.STRING: arrow.BinaryTypes.String,
	}
	if t == arrow.STRING {
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(p.ends)))
	}
	buffers = append(buffers, memory.NewBufferBytes(p.data))
	return array.MakeFromData(array.NewData(types[t], p.rows, buffers, nil, p.nulls, 0))
}

// Within tells which rows of a column of numbers without nulls, which ascend, are
// from lo to hi, both included: those from from up to end.
func (c *Column) Within(lo, hi int64) (from, end int, err error) {
	if c.Type != arrow.INT64 || c.Nullable {
		return 0, 0, ErrForm
	}
	all := NewRows(c.Rows)
	all.AddRange(0, c.Rows)
	err = c.each(all, func(b *body) (bool, error) {
		for i := range b.rows {
			v := c.wide(b, i)
			if v < lo {
				from = b.first + i + 1
			}
			if v > hi {
				return false, nil
			}
			end = b.first + i + 1
		}
		return true, nil
	})
	return min(from, end), end, err
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
