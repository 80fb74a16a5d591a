package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/segment"
)

// mergeRows is how many rows a merged segment has at most: one row group. A
// segment with more than an eighth of it is large enough to be left alone.
const mergeRows = segment.GroupRows

// mergesAtOnce is how many merged segments one change of the manifest brings.
const mergesAtOnce = 16

// Merging bounds two things. Segments are merged with others of about their size
// only: those with 1 to 7 rows, 8 to 63, and so on, by powers of MergeAfter. What
// is merged has at least as many rows as the next size, so a row is written once by
// its flush and at most once for each size below an eighth of mergeRows: with
// MergeAfter at 8 six times in all, however slowly rows come. And of each size a
// table keeps less than MergeAfter segments that could be merged.

// merge replaces small segments, which a quiet table gets by flushes of age, by
// larger ones, in one change. Only segments of one generation and the same columns
// go together: what is sealed under a key stays under it; and only such whose
// rows age alike. It reports whether there may be more to merge.
func (s *Store) merge(ctx context.Context) (more bool, err error) {
	sets := s.mergeable()
	if len(sets) == 0 {
		return false, nil
	}
	s.mu.Lock()
	f := &flush{floor: s.manifest.floor}
	s.mu.Unlock()
	f.change.Account = s.cfg.Account
	for _, old := range sets {
		if err := s.mergeOne(ctx, f, old); err != nil {
			s.putBack(ctx, f)
			return false, err
		}
	}
	return true, s.change(ctx, f)
}

// mergeOne adds to a change that some segments become one.
func (s *Store) mergeOne(ctx context.Context, f *flush, old []*stored) error {
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
	first := old[0].info
	created := first.Created
	for _, g := range old {
		created = min(created, g.info.Created)
	}
	if err := s.writeSegment(ctx, f, tableKey{first.Workspace, first.Table}, first.Generation, created, recs); err != nil {
		return err
	}
	for _, g := range old {
		f.change.Remove = append(f.change.Remove, g.info.ID)
	}
	return nil
}

// mergeable returns sets of segments that are worth merging, each from one table.
// It looks only where segments have come since it last found nothing.
func (s *Store) mergeable() (sets [][]*stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := int64(0)
	for key := range s.unmerged {
		if len(sets) >= mergesAtOnce || rows >= mergeRows {
			break
		}
		found := s.tables[key].mergeable(s.cfg.MergeAfter)
		if len(found) == 0 {
			delete(s.unmerged, key)
			continue
		}
		for _, g := range found {
			rows += g.info.Rows
		}
		sets = append(sets, found)
	}
	return sets
}

// mergeable returns segments of a table that are worth merging.
func (t *tableState) mergeable(after int) []*stored {
	if t == nil {
		return nil
	}
	kinds := map[string][]*stored{}
	for _, g := range t.small {
		if !g.alone {
			k := mergeKind(g.info, after)
			kinds[k] = append(kinds[k], g)
		}
	}
	for _, all := range kinds {
		if len(all) < after {
			continue
		}
		if stay(all[0].info).History() {
			slices.SortFunc(all, func(x, y *stored) int { return int(x.info.Created - y.info.Created) })
		}
		for first := 0; first+after <= len(all); first++ {
			if some := alike(all[first:]); len(some) >= after {
				return some
			}
		}
	}
	return nil
}

// alike returns the first segments of some of one kind that can be one.
func alike(all []*stored) (some []*stored) {
	rows := int64(0)
	for _, g := range all {
		if !stay(g.info).Alike(stay(all[0].info)) {
			break
		}
		if rows+g.info.Rows <= mergeRows {
			some, rows = append(some, g), rows+g.info.Rows
		}
	}
	return some
}

// mergeKind is the same for segments that may be merged as far as their keys,
// columns and sizes go.
func mergeKind(info segment.Info, after int) string {
	size := 0
	for rows := info.Rows; rows >= int64(after); rows /= int64(after) {
		size++
	}
	b := binary.BigEndian.AppendUint32(nil, info.Generation)
	return string(appendColumns(fmt.Appendf(b, "%d %t", size, stay(info).History()), info.Columns))
}

func (g *stored) records(ctx context.Context) ([]arrow.RecordBatch, error) {
	r, err := g.open(ctx, nil)
	if err != nil {
		return nil, err
	}
	return r.Records(ctx)
}

// tidy makes one change that merges segments. It reports whether there may be more
// to merge.
func (s *Store) tidy(ctx context.Context) (more bool, err error) {
	select {
	case s.flushing <- struct{}{}:
		defer func() { <-s.flushing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if s.pending != nil || !s.looked {
		return false, nil // the next flush settles that
	}
	return s.merge(ctx)
}
