package store

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/segment"
)

// A rewrite is a segment of which some rows, or all, are to go.
type rewrite struct {
	old *stored
	// keeps names the rows that stay, in order; nil: none does, unread.
	keeps func(recs []arrow.RecordBatch) ([]batch.Ref, error)
}

// These bound what is done before flushes have their turn.
const (
	rewritesAtOnce     = 16
	rewriteBytesAtOnce = 128 << 20
)

// rewriting does rewrites until next, which is called with the store's mutex,
// names none that was not tried. Each change of the manifest is made while no
// flush runs; between two, flushes have their turn, so next must look anew.
func (s *Store) rewriting(ctx context.Context, next func() []rewrite) error {
	var failed error
	var queue []rewrite
	for {
		select {
		case s.flushing <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(queue) == 0 {
			s.mu.Lock()
			if s.closed {
				s.mu.Unlock()
				<-s.flushing
				return ErrClosed
			}
			queue = next()
			s.mu.Unlock()
		}
		if len(queue) == 0 {
			<-s.flushing
			return failed
		}
		var err error
		queue, err = s.rewriteSome(ctx, queue)
		<-s.flushing
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if damaged, ok := errors.AsType[*segment.DamagedError](err); ok {
			failed = errors.Join(failed, damaged) // the others are done all the same
		} else if err != nil {
			return err
		}
	}
}

// rewriteSome makes one change of the first rewrites and returns the others.
func (s *Store) rewriteSome(ctx context.Context, queue []rewrite) (rest []rewrite, err error) {
	if err := s.findOrphans(ctx); err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	f := &flush{floor: s.manifest.floor}
	s.mu.Unlock()
	f.change.Account = s.cfg.Account
	bytes, n, whole := int64(0), 0, 0
	for _, w := range queue {
		if n-whole >= rewritesAtOnce || bytes >= rewriteBytesAtOnce {
			break
		}
		n++
		s.mu.Lock()
		gone := w.old.gone // merged or dropped meanwhile
		s.mu.Unlock()
		if gone {
			continue
		}
		if w.keeps == nil {
			whole++ // costs nothing
			f.change.Remove = append(f.change.Remove, w.old.info.ID)
			continue
		}
		bytes += w.old.info.Bytes
		if err := s.rewriteOne(ctx, f, w); err != nil {
			if damaged, ok := errors.AsType[*segment.DamagedError](err); ok {
				return queue[n:], errors.Join(damaged, s.change(ctx, f))
			}
			s.putBack(ctx, f)
			return nil, err
		}
	}
	return queue[n:], s.change(ctx, f)
}

// rewriteOne adds one rewrite to a change.
func (s *Store) rewriteOne(ctx context.Context, f *flush, w rewrite) error {
	info := w.old.info
	recs, err := w.old.records(ctx)
	if err != nil {
		return err
	}
	refs, err := w.keeps(recs)
	if err != nil {
		return err
	}
	rows := int64(0)
	for _, rec := range recs {
		rows += rec.NumRows()
	}
	if int64(len(refs)) == rows {
		return nil
	}
	if len(refs) > 0 {
		kept, err := batch.Gather(recs, refs)
		if err != nil {
			return err
		}
		if err := s.writeSegment(ctx, f, tableKey{info.Workspace, info.Table}, info.Generation, info.Created, []arrow.RecordBatch{kept}); err != nil {
			return err
		}
	}
	f.change.Remove = append(f.change.Remove, info.ID)
	return nil
}

// change makes a change that moves no rows out of the tail, if it changes anything.
func (s *Store) change(ctx context.Context, f *flush) error {
	if len(f.change.Remove) == 0 {
		return nil
	}
	if err := s.prepare(f); err != nil {
		s.putBack(ctx, f)
		return err
	}
	return s.commit(ctx, f)
}
