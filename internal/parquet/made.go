package parquet

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// Made is a group's cells of a member, in the group's order.
type Made struct {
	batch.Member
	Fits bool // every value is of the member's type

	rows, values int
	valid        []byte     // bit i: row i has a value
	texts        dictionary // of a member that is text, in the order in which they come
	numbers      []uint32   // of the texts of rows that have one
	whole        []int64    // by row
	bits         []byte     // by row
	last         int        // the row after the last that was read
}

func newMade(m batch.Member, rows int) *Made {
	c := &Made{Member: m, Fits: true, rows: rows, valid: make([]byte, (rows+7)/8)}
	switch m.Type {
	case schema.String:
		c.texts.reset()
		c.numbers = make([]uint32, 0, rows)
	case schema.Bool:
		c.bits = make([]byte, (rows+7)/8)
	default:
		c.whole = make([]int64, rows)
	}
	return c
}

func (c *Made) mark(row int) {
	c.valid[row>>3] |= 1 << (row & 7)
	c.values++
}

func (c *Made) putText(row int, number uint32) {
	c.numbers = append(c.numbers, number)
	c.mark(row)
}

func (c *Made) putWhole(row int, v int64) {
	c.whole[row] = v
	c.mark(row)
}

func (c *Made) putBool(row int, v bool) {
	if v {
		c.bits[row>>3] |= 1 << (row & 7)
	}
	c.mark(row)
}

// array is the cells as an array.
func (c *Made) array() arrow.Array {
	t := c.Carrier().Type
	physical, _ := batch.Physical(t) // carriers have one
	buffers := []*memory.Buffer{nil, nil}
	if c.values < c.rows {
		buffers[0] = memory.NewBufferBytes(c.valid)
	}
	switch t {
	case schema.Bool:
		buffers[1] = memory.NewBufferBytes(c.bits)
	case schema.Long:
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(c.whole))
	default:
		ends, text, at := make([]int32, 1, c.rows+1), []byte(nil), 0
		for row := range c.rows {
			if c.valid[row>>3]>>(row&7)&1 != 0 {
				text = append(text, c.texts.text(c.numbers[at])...)
				at++
			}
			ends = append(ends, int32(len(text)))
		}
		buffers[1] = memory.NewBufferBytes(arrow.GetBytes(ends))
		buffers = append(buffers, memory.NewBufferBytes(text))
	}
	return array.MakeFromData(array.NewData(physical, c.rows, buffers, nil, c.rows-c.values, 0))
}

// made writes a column of a member as column would.
func (p *Writer) made(meta *metadata.ColumnChunkMetaDataBuilder, i int, m *Made) error {
	var straight order
	straight.add(run{0, 0, int32(m.rows)})
	straight.choose()
	p.order = &straight
	if m.Type == schema.String && p.o.Dictionary && len(m.texts.plain) <= mostPage {
		c := cells{runs: straight.runs, rows: m.rows, holes: make([]holes, 1), nullable: true}
		if m.values < m.rows {
			c.nulls, c.holes[0] = true, holes{m.valid, 0}
		}
		if m.repeats(&c, p.order) {
			return p.madeTexts(meta, i, m, &c)
		}
	}
	return p.column(meta, i, []arrow.Array{m.array()}, m.rows, nil)
}

// repeats judges by the rows that column would look at.
func (m *Made) repeats(c *cells, o *order) bool {
	different, looked := make(map[uint32]struct{}), 0
	at, row := 0, 0
	c.sample(o, func(_, want int32) {
		for ; row < int(want); row++ {
			if m.valid[row>>3]>>(row&7)&1 != 0 {
				at++
			}
		}
		different[m.numbers[at]] = struct{}{}
		looked++
	})
	return repeats(len(different), looked)
}

// madeTexts writes the dictionary that there is.
func (p *Writer) madeTexts(meta *metadata.ColumnChunkMetaDataBuilder, i int, m *Made, c *cells) error {
	k := newChunk(m.rows)
	k.texts = true
	k.stats.NullCount = int64(m.rows - m.values)
	if p.o.Texts != nil {
		if tell := p.o.Texts(i); tell != nil {
			for n := range m.texts.begin {
				tell(m.texts.text(uint32(n)), AnyStripe)
			}
		}
	}
	var s bound
	for n := range m.texts.begin {
		s.add(m.texts.text(uint32(n)))
	}
	s.tell(k)
	kept := p.dictionary.plain
	p.dictionary.plain, p.index = m.texts.plain, append(p.index[:0], m.numbers...)
	err := p.indexes(k, c, len(m.texts.begin))
	p.dictionary.plain = kept
	if err != nil {
		return err
	}
	return p.endChunk(meta, k, p.columns[i])
}
