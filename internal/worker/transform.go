package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/duck"
	"logkeep/internal/fault"
	"logkeep/internal/kql"
	"logkeep/internal/kql/transform"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
	"logkeep/internal/worker/wire"
)

// A transformation of a rule runs in the process that will store the rows, by
// the engine that answers queries, so that a function means the same in both.
// The rows are in memory only: a memfd for the engine, then a record. See
// docs/design/0032-tables-and-data-in.md.

// maxPrograms is how many transformations are kept ready.
const maxPrograms = 256

// programs are transformations that are ready to run, by what they are made of.
type programs struct {
	mu    sync.Mutex
	ready map[string]*transform.Transform
}

// of compiles a transformation, or finds it. What it says of the time makes it
// good for rows of that time alone.
func (p *programs) of(c wire.Change) (*transform.Transform, error) {
	key := fmt.Sprint(c.Text, "\x00", c.Stream)
	p.mu.Lock()
	t := p.ready[key]
	p.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := transform.Compile(c.Text, c.Stream, c.Now)
	if wrong, ok := errors.AsType[*transform.Error](err); ok {
		return nil, fault.New(fault.TransformFailed, "Nothing was stored: the rule's transformation does not fit its stream. %s", wrong)
	}
	if err != nil || t.Timed {
		return t, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ready) >= maxPrograms {
		clear(p.ready)
	}
	if p.ready == nil {
		p.ready = map[string]*transform.Transform{}
	}
	p.ready[key] = t
	return t, nil
}

// transform makes of rows, which have the same columns, what is stored of them.
func (w *Worker) transform(ctx context.Context, c wire.Change, recs ...arrow.RecordBatch) (batch.Parsed, error) {
	t, err := w.programs.of(c)
	if err != nil {
		return batch.Parsed{}, err
	}
	if odd := transform.Fit(t.Columns, c.Table.Columns); len(odd) > 0 { // the table was changed since
		return batch.Parsed{}, fault.New(fault.TransformFailed, "Nothing was stored: the rule's transformation gives the column '%s' as %s, and the table has it as %s. Change the rule.", odd[0].Column, odd[0].Produced, odd[0].Output)
	}
	columns, from := kept(t.Columns, c.Table)
	out, err := batch.NewBuilder(columns, c.Now)
	if err != nil {
		return batch.Parsed{}, err
	}
	rows := int64(0)
	for _, rec := range recs {
		rows += rec.NumRows()
	}
	if rows > 0 {
		if err := w.changed(ctx, t, recs, rows, from, out); err != nil {
			return batch.Parsed{}, transformFault(err)
		}
	}
	return out.Done()
}

// kept are the columns that come out of a transformation and that the table
// has, in the table's order, and where each is; -1 for a time that none gives.
func kept(produced []schema.Column, table schema.Table) (columns []schema.Column, from []int) {
	for _, c := range table.Columns {
		at := slices.IndexFunc(produced, func(p schema.Column) bool { return p.Name == c.Name })
		if at >= 0 || c.Name == schema.TimeGenerated {
			columns, from = append(columns, c), append(from, at)
		}
	}
	return columns, from
}

// changed runs the program over so many rows and puts what comes out into out.
func (w *Worker) changed(ctx context.Context, t *transform.Transform, recs []arrow.RecordBatch, count int64, from []int, out *batch.Builder) error {
	engine, err := w.engine()
	if err != nil {
		return err
	}
	rows, err := segment.NewTail(recs)
	if err != nil {
		return err
	}
	defer rows.Close()
	held := file{path: rows.Path(), columns: rows.Columns()}
	text, args := t.Statement(func(s kql.Source) string {
		columns := named(rows.Columns(), s.Columns, len(s.Members) == 0)
		return relation(columns, columns, unrenamed(s.Members), []file{held}, 0, false)
	})
	times := int64(1)
	if len(t.Sources) == 0 { // a print answers the same for each row
		times = count
	}
	answer, err := engine.Query(ctx, text, args)
	if err != nil {
		return err
	}
	defer answer.Close()
	cells, values := make([]driver.Value, len(t.Columns)), make([]any, len(from))
	for {
		if err := answer.Next(cells); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for i, at := range from {
			if values[i] = nil; at >= 0 {
				values[i] = cells[at]
			}
		}
		for range times {
			if err := out.Row(values); err != nil {
				return err
			}
		}
	}
}

// named are the columns of the given names. If there are none and there have to
// be some, it is one: rows are counted by something.
func named(all []schema.Column, names []string, some bool) (columns []schema.Column) {
	for _, n := range names {
		for _, c := range all {
			if c.Name == n {
				columns = append(columns, c)
			}
		}
	}
	if len(columns) == 0 && some {
		return all[:1]
	}
	return columns
}

// transformFault words for the client why its rows could not be changed.
func transformFault(err error) error {
	switch {
	case errors.Is(err, duck.ErrData):
		return fault.New(fault.InvalidRow, "Nothing was stored: the rule's transformation can't be computed of these rows: %s.", err).Because(err)
	case errors.Is(err, duck.ErrMemory):
		return fault.New(fault.TooManyRequests, "Nothing was stored: the rule's transformation needs more memory than there is at this moment. Send the rows again later.").WithRetryAfter(1).Because(err)
	}
	return err
}
