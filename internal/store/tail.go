package store

import (
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// chunkBytes is when a chunk stops growing. A query after an append makes the
// file of the growing chunk anew, so it is small; files of the others are kept.
const chunkBytes = 4 << 20

// A chunk is some rows of a table's tail, all with the same columns.
type chunk struct {
	size
	columns []schema.Column
	marks   []mark // of the records of current, in their order
	current *view
}

// A view is a chunk at one moment. It never changes; an append gives the chunk
// another. Views are counted by the chunk and by snapshots, under the store's
// mutex, and give their memory back when nobody uses them.
type view struct {
	recs        []arrow.RecordBatch
	rows        int64
	first, last schema.Ticks
	pins        int

	mu   sync.Mutex
	file *segment.Tail // made when a query first needs it
}

func newChunk(r checked) *chunk {
	return &chunk{
		size:    size{r.Record.NumRows(), r.bytes},
		columns: r.columns, marks: []mark{r.mark},
		current: &view{recs: []arrow.RecordBatch{r.Record}, rows: r.Record.NumRows(), first: r.first, last: r.last, pins: 1},
	}
}

// fits reports whether the chunk may grow by the rows.
func (c *chunk) fits(r checked) bool {
	return c.bytes < chunkBytes && slices.Equal(c.columns, r.columns)
}

func (c *chunk) add(r checked) {
	old := c.current
	c.marks = append(c.marks, r.mark)
	c.rows += r.Record.NumRows()
	c.bytes += r.bytes
	c.current = &view{
		// Views share the array: each sees only its own length of it.
		recs: append(old.recs, r.Record), rows: c.rows,
		first: min(old.first, r.first), last: max(old.last, r.last), pins: 1,
	}
	old.unpin()
}

// split returns what chunks have up to a number of the journal, and what they have
// past it. A chunk that has both becomes two.
func split(chunks []*chunk, through uint64) (until, past []*chunk) {
	for _, c := range chunks {
		beyond := 0
		for _, m := range c.marks {
			if m.seq > through {
				beyond++
			}
		}
		switch beyond {
		case 0:
			until = append(until, c)
			continue
		case len(c.marks):
			past = append(past, c)
			continue
		}
		var parts [2]*chunk
		for i, m := range c.marks {
			r := checked{Rows: Rows{Record: c.current.recs[i]}, columns: c.columns, mark: m}
			part := &parts[0]
			if m.seq > through {
				part = &parts[1]
			}
			if *part == nil {
				*part = newChunk(r)
			} else {
				(*part).add(r)
			}
		}
		c.current.unpin()
		until, past = append(until, parts[0]), append(past, parts[1])
	}
	return until, past
}

// unpin needs the store's mutex.
func (v *view) unpin() {
	if v.pins--; v.pins == 0 {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.file != nil {
			v.file.Close()
			v.file = nil
		}
	}
}

// tail returns the view as a file for the engine. The view must be pinned.
func (v *view) tail() (*segment.Tail, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.file != nil {
		return v.file, nil
	}
	recs := v.recs
	if len(recs) > 8 {
		// Many small records cost more in a Parquet file than one copy.
		rec, err := batch.Gather(recs, all(recs))
		if err != nil {
			return nil, err
		}
		recs = []arrow.RecordBatch{rec}
	}
	var err error
	v.file, err = segment.NewTail(recs)
	return v.file, err
}

// all names every row of the records in their order.
func all(recs []arrow.RecordBatch) []batch.Ref {
	var refs []batch.Ref
	for i, rec := range recs {
		for row := range int32(rec.NumRows()) {
			refs = append(refs, batch.Ref{Record: int32(i), Row: row})
		}
	}
	return refs
}
