package segment

import (
	"cmp"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// pickRows is of how many rows of a row group the cells are charged for at once.
const pickRows = 16 << 10

// size is how much memory the cells take.
func (f *finding) size() (n int64) {
	for _, c := range f.cells {
		if c != nil {
			n += c.Size()
		}
	}
	return n
}

// left are the columns of which nothing was picked yet, by number in columns: those
// of many bytes first, so that processors that share them end together.
func (f *finding) left() (all []int) {
	if f.kept == 0 {
		return nil
	}
	for i := range f.columns {
		if f.cells[i] == nil {
			all = append(all, i)
		}
	}
	size := func(i int) int64 { return f.reader.chunks[f.group][f.columns[i]].size }
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(size(b), size(a)) })
	return all
}

// pick reads a column of the rows that stay.
func (f *finding) pick(ctx context.Context, desk *parquet.Desk, i int) (err error) {
	at, err := f.reader.placeOf(f.group, f.columns[i])
	if err != nil {
		return f.told(err)
	}
	c := desk.Column(at)
	defer c.Close()
	c.Until(f.rows.Last())
	cells := c.NewCells(f.kept)
	if chunk := f.reader.footer.Groups[f.group].Chunks[f.columns[i]]; !chunk.Dictionary {
		cells.Expect(int(chunk.Unpacked / max(f.reader.groups[f.group].Rows, 1) * int64(f.kept)))
	}
	charged := int64(0)
	for base := 0; base < len(f.rows)*64; base += pickRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(base+pickRows, len(f.rows)*64)
		if err := c.Pick(base, f.rows[base>>6:end>>6], cells); err != nil {
			return f.told(err)
		}
		if err := desk.Charge(cells.Size() - charged); err != nil {
			return err
		}
		charged = cells.Size()
	}
	f.cells[i] = cells
	return nil
}

// pickLeft picks all columns that are left, one after another.
func (f *finding) pickLeft(ctx context.Context, desk *parquet.Desk) error {
	for _, i := range f.left() {
		if err := f.pick(ctx, desk, i); err != nil {
			return err
		}
	}
	return nil
}

// share picks the columns that are left at several desks and tells how many bytes
// were read.
func (s *Sifted) share(ctx context.Context, f *finding) (read int64, err error) {
	left := f.left()
	reads := make([]int64, len(left))
	work, ctx := errgroup.WithContext(ctx)
	for k, i := range left {
		work.Go(func() error {
			return inTurn(ctx, s.cache.slots, func() (err error) {
				reads[k], err = s.atDesk(func(desk *parquet.Desk) (stays int64, err error) {
					err = f.pick(ctx, desk, i)
					if f.cells[i] != nil {
						stays = f.cells[i].Size()
					}
					return stays, err
				})
				return err
			})
		})
	}
	err = work.Wait()
	for _, n := range reads {
		read += n
	}
	return read, err
}

// inTurn has work done when there is a slot for it.
func inTurn(ctx context.Context, slots chan struct{}, work func() error) error {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return work()
}

// record is nil if no row stays.
func (f *finding) record() (arrow.RecordBatch, error) {
	if f.kept == 0 {
		return nil, nil
	}
	columns := make([]schema.Column, len(f.columns))
	arrays := make([]arrow.Array, len(f.columns))
	for i, at := range f.columns {
		columns[i], arrays[i] = f.reader.columns[at], f.cells[i].Array()
	}
	sc, err := batch.Schema(columns)
	if err != nil {
		return nil, err
	}
	return array.NewRecordBatch(sc, arrays, int64(f.kept)), nil
}
