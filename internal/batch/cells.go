package batch

import (
	"errors"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/schema"
)

// errTooLong reports a column whose text outgrows Arrow's 32-bit offsets.
var errTooLong = errors.New("rows hold more than 2 GiB of text in one column; send them in several requests")

// cells collects one column in the layout of an Arrow array, so that a record
// is made of it without copying. Only the slice of the column's type is used.
type cells struct {
	n, nulls int
	valid    []byte // bit i says that cell i is not null; nothing while none is
	bits     []byte
	i32      []int32
	i64      []int64
	f64      []float64
	text     []byte
	ends     []int32 // ends[i] is where text i begins, ends[i+1] where it ends
}

// mark counts one more cell and notes whether it holds a value.
func (c *cells) mark(valid bool) {
	if c.nulls > 0 || !valid {
		c.markBit(valid)
	}
	c.n++
}

func (c *cells) markBit(valid bool) {
	if c.nulls == 0 { // the first null: all before it are not
		c.valid = c.valid[:0]
		for range c.n / 8 {
			c.valid = append(c.valid, 0xff)
		}
		if rest := c.n & 7; rest > 0 {
			c.valid = append(c.valid, 1<<rest-1)
		}
	}
	if c.n&7 == 0 {
		c.valid = append(c.valid, 0)
	}
	if valid {
		c.valid[c.n>>3] |= 1 << (c.n & 7)
	} else {
		c.nulls++
	}
}

// reserve makes room for some times as much as there is.
func (c *cells) reserve(times float64) {
	c.valid, c.bits = room(c.valid, times), room(c.bits, times)
	c.i32, c.i64, c.f64 = room(c.i32, times), room(c.i64, times), room(c.f64, times)
	c.ends = room(c.ends, times)
	if more := int(float64(len(c.text)) * times); more > cap(c.text)-len(c.text) {
		c.text = append(raw(len(c.text) + more)[:0], c.text...)
	}
}

// raw returns bytes that hold whatever was there, for text that is written before
// it is read: clearing the room for it first was 3 % of all that a row costs. The
// runtime gives such memory to strings in the making alone.
func raw(n int) []byte {
	var b strings.Builder
	b.Grow(n + 1)
	b.WriteByte(0) // or it has no memory to show
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}

func room[T any](s []T, times float64) []T { return slices.Grow(s, int(float64(len(s))*times)) }

func (c *cells) putBool(v bool) {
	c.bit(v)
	c.mark(true)
}

func (c *cells) bit(v bool) {
	if c.n&7 == 0 {
		c.bits = append(c.bits, 0)
	}
	if v {
		c.bits[c.n>>3] |= 1 << (c.n & 7)
	}
}

func (c *cells) putInt(v int32)    { c.i32 = append(c.i32, v); c.mark(true) }
func (c *cells) putLong(v int64)   { c.i64 = append(c.i64, v); c.mark(true) }
func (c *cells) putReal(v float64) { c.f64 = append(c.f64, v); c.mark(true) }

// endText closes the cell whose text was appended to c.text.
func (c *cells) endText() error {
	if len(c.text) > math.MaxInt32 {
		return errTooLong
	}
	c.endOffset()
	c.mark(true)
	return nil
}

func (c *cells) endOffset() {
	if len(c.ends) == 0 {
		c.ends = append(c.ends, 0)
	}
	c.ends = append(c.ends, int32(len(c.text)))
}

// putNull appends a null.
func (c *cells) putNull(t schema.Type) {
	switch t {
	case schema.Bool:
		c.bit(false)
	case schema.Int:
		c.i32 = append(c.i32, 0)
	case schema.Long, schema.DateTime, schema.TimeSpan:
		c.i64 = append(c.i64, 0)
	case schema.Real:
		c.f64 = append(c.f64, 0)
	default:
		c.endOffset()
	}
	c.mark(false)
}

// array hands the cells over to an Arrow array; c is not used afterwards.
func (c *cells) array(t schema.Type) (arrow.Array, error) {
	physical, err := Physical(t)
	if err != nil {
		return nil, err
	}
	var valid *memory.Buffer
	if c.nulls > 0 {
		valid = memory.NewBufferBytes(c.valid)
	}
	buffers := []*memory.Buffer{valid, nil}
	switch t {
	case schema.Bool:
		buffers[1] = memory.NewBufferBytes(c.bits)
	case schema.Int:
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(c.i32))
	case schema.Long, schema.DateTime, schema.TimeSpan:
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(c.i64))
	case schema.Real:
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(c.f64))
	default:
		if len(c.ends) == 0 {
			c.ends = []int32{0}
		}
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(c.ends))
		buffers = append(buffers, memory.NewBufferBytes(c.text))
	}
	return array.MakeFromData(array.NewData(physical, c.n, buffers, nil, c.nulls, 0)), nil
}
