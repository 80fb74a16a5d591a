package parquet

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// A Group is a row group before it is written. Groups are begun with their rows;
// columns of text may be stored by templates ahead of their turn (Members), from
// which it is known what further columns the file has (Extend); then each is ended.
type Group struct {
	p     *Writer
	recs  []arrow.RecordBatch
	order order
	ahead map[int]*fabric // columns that are stored already
}

// Group writes a row group of the named rows of recs, in their order. The
// records have the file's columns.
func (p *Writer) Group(recs []arrow.RecordBatch, refs []batch.Ref) error {
	return p.Begin(recs, refs).End()
}

// Begin begins a row group of the named rows of recs, in their order. The records
// have the columns that NewWriter was given.
func (p *Writer) Begin(recs []arrow.RecordBatch, refs []batch.Ref) *Group {
	g := &Group{p: p, recs: recs}
	g.order.refs(refs)
	return g
}

// Rows writes a row group of all rows of recs in the order that they have.
func (p *Writer) Rows(recs []arrow.RecordBatch) error {
	g := &Group{p: p, recs: recs}
	for i, rec := range recs {
		g.order.add(run{int32(i), 0, int32(rec.NumRows())})
	}
	g.order.choose()
	return g.End()
}

// Extend adds columns behind those of the records, before the first group is ended.
func (p *Writer) Extend(more []schema.Column) error {
	if p.groups > 0 {
		return errors.New("internal error: columns are added behind a group")
	}
	p.columns = append(p.columns[:len(p.columns):len(p.columns)], more...)
	sc, err := batch.Schema(p.columns)
	if err != nil {
		return err
	}
	return p.describe(sc)
}

// A Further is a group's cells of a column that Extend added: an array for each
// record, or what Members made.
type Further struct {
	Arrays []arrow.Array
	Made   *Made
}

// End writes the group, of which no more is to be used.
func (g *Group) End(more ...Further) error {
	p, rows := g.p, g.order.rows
	group := p.meta.AppendRowGroup()
	group.SetNumRows(rows)
	from := make([]arrow.Array, len(g.recs))
	own := len(p.columns) - len(more)
	for i, c := range p.columns {
		p.order, p.writing = &g.order, i
		at := group.NextColumnChunk()
		var err error
		switch {
		case i < own:
			for k, rec := range g.recs {
				if from[k] = rec.Column(i); rec.ColumnName(i) != c.Name {
					return fmt.Errorf("internal error: records with different columns are written into one file")
				}
			}
			err = p.column(at, i, from, rows, g.ahead[i])
		case more[i-own].Made != nil:
			err = p.made(at, i, more[i-own].Made)
		default:
			err = p.column(at, i, more[i-own].Arrays, rows, nil)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	if p.o.Counts {
		if err := p.counter.end(rows); err != nil {
			return err
		}
	}
	p.groups++
	return group.Finish(0, p.groups-1)
}
