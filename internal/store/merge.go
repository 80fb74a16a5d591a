package store

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/segment"
)

// mergeRows is how many rows a merged segment has at most: one row group. A
// segment with more than an eighth of it is large enough to be left alone.
const mergeRows = segment.GroupRows

// merge replaces small segments of one table, which a quiet table gets by
// flushes of age, by one. Only segments of one generation and the same columns
// go together: what is sealed under a key stays under it; and only such whose
// rows age alike.
func (s *Store) merge(ctx context.Context) error {
	old := s.mergeable()
	if len(old) == 0 {
		return nil
	}
	var recs []arrow.RecordBatch
	for _, g := range old {
		some, err := g.records(ctx)
		if err != nil {
			// One that can't be read must not keep all others from merging.
			s.mu.Lock()
			defer s.mu.Unlock()
			g.alone = true
			return err
		}
		recs = append(recs, some...)
	}
	s.mu.Lock()
	f := &flush{floor: s.manifest.floor}
	s.mu.Unlock()
	f.change.Account = s.cfg.Account
	for _, g := range old {
		f.change.Remove = append(f.change.Remove, g.info.ID)
	}
	first := old[0].info
	created := first.Created
	for _, g := range old {
		created = min(created, g.info.Created)
	}
	err := s.writeSegment(ctx, f, tableKey{first.Workspace, first.Table}, first.Generation, created, recs)
	if err == nil {
		err = s.prepare(f)
	}
	if err != nil {
		s.putBack(ctx, f)
		return err
	}
	return s.commit(ctx, f)
}

// mergeable returns segments that are worth merging, from one table.
func (s *Store) mergeable() []*stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		for i, first := range t.segments {
			var some []*stored
			var rows int64
			for _, g := range t.segments[i:] {
				if !g.alone && g.info.Generation == first.info.Generation && slices.Equal(g.info.Columns, first.info.Columns) && stay(g.info).Alike(stay(first.info)) &&
					g.info.Rows <= mergeRows/8 && rows+g.info.Rows <= mergeRows {
					some, rows = append(some, g), rows+g.info.Rows
				}
			}
			if len(some) >= s.cfg.MergeAfter {
				return some
			}
		}
	}
	return nil
}

func (g *stored) records(ctx context.Context) ([]arrow.RecordBatch, error) {
	r, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	return r.Records(ctx)
}
