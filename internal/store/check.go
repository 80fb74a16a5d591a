package store

import (
	"context"
	"errors"
	"fmt"

	"logkeep/internal/segment"
)

// Checked counts what Check has read, and names what is damaged.
type Checked struct {
	Segments int
	Bytes    int64
	Damaged  []*segment.DamagedError
}

// Check reads every segment that the manifest names, to the last byte. Appends,
// flushes and queries go on; a segment that is replaced meanwhile counts for
// nothing.
func (s *Store) Check(ctx context.Context) (out Checked, err error) {
	s.mu.Lock()
	var all []*stored
	for _, t := range s.tables {
		all = append(all, t.segments...)
	}
	for _, g := range all {
		g.pins++
	}
	s.mu.Unlock()
	p := &Snapshot{s: s, segments: all}
	defer p.Release()
	for _, g := range all {
		err := s.checkOne(ctx, g)
		if damaged, ok := errors.AsType[*segment.DamagedError](err); ok {
			out.Damaged = append(out.Damaged, damaged)
		} else if err != nil {
			return out, fmt.Errorf("check account %s: %w", s.cfg.Account, err)
		}
		out.Segments++
		out.Bytes += g.info.Bytes
	}
	return out, nil
}

// checkOne opens the segment anew: what is in memory may be right.
func (s *Store) checkOne(ctx context.Context, g *stored) error {
	r, err := (&stored{s: s, info: g.info}).open(ctx, nil)
	if err != nil {
		return err
	}
	if n := r.Rows(); n != g.info.Rows {
		return &segment.DamagedError{Segment: g.info.ID, Table: g.info.Table, Err: fmt.Errorf("it has %d rows, the manifest says %d", n, g.info.Rows)}
	}
	return r.Verify(ctx)
}
