package store

import (
	"context"
	"fmt"
	"slices"

	"logkeep/internal/schema"
)

// Drop removes every row of a table that was acknowledged before the call, for
// good; an empty table means all tables of the workspace. Snapshots that were
// taken before still have them; the objects go with the last of these. After
// an error rows may be gone or not: call it again.
func (s *Store) Drop(ctx context.Context, workspace schema.WorkspaceID, table schema.TableName) error {
	select {
	case s.flushing <- struct{}{}:
		defer func() { <-s.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// What is in the tail goes into segments first, so that the journal, which
	// can't forget a single row, has none of them left.
	err := s.flush(ctx, (*Store).all)
	if err == nil {
		err = s.settle(ctx) // a merge after the flush may have no answer
	}
	if err != nil {
		return fmt.Errorf("drop from account %s: %w", s.cfg.Account, err)
	}
	f, err := s.without(func(key tableKey) bool {
		return key.workspace == workspace && (table == "" || key.table == table)
	})
	if f == nil || err != nil {
		return err
	}
	if err := s.commit(ctx, f); err != nil {
		return fmt.Errorf("drop from account %s: %w", s.cfg.Account, err)
	}
	return nil
}

// without makes the change that removes the segments of some tables; nil if
// they have none. No rows wait to be flushed below the floor that stays.
func (s *Store) without(gone func(tableKey) bool) (*flush, error) {
	s.mu.Lock()
	closed := s.closed
	f := &flush{floor: s.manifest.floor, change: Change{Account: s.cfg.Account}}
	for key, t := range s.tables {
		if !gone(key) {
			continue
		}
		for _, g := range t.segments {
			f.change.Remove = append(f.change.Remove, g.info.ID)
		}
	}
	s.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if len(f.change.Remove) == 0 {
		return nil, nil
	}
	return f, s.prepare(f)
}

// forget takes segments out of their tables and returns the names of the objects
// that no snapshot reads. The others go with the last snapshot. It needs mu.
func (s *Store) forget(ids []schema.SegmentID) (unread []string) {
	if len(ids) == 0 {
		return nil
	}
	gone := make(map[schema.SegmentID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	for _, g := range s.drop(func(id schema.SegmentID) bool { return gone[id] }) {
		if g.pins == 0 {
			unread = append(unread, string(g.info.ID))
		}
	}
	return unread
}

// drop shows segments no more; snapshots that have them keep them. It needs mu.
func (s *Store) drop(gone func(schema.SegmentID) bool) (all []*stored) {
	for _, t := range s.tables {
		t.segments = slices.DeleteFunc(t.segments, func(g *stored) bool {
			if !gone(g.info.ID) {
				return false
			}
			if g.gone = true; g.pins == 0 {
				s.cfg.Cache.Forget(g.info.ID)
			}
			all = append(all, g)
			return true
		})
		t.small = slices.DeleteFunc(t.small, func(g *stored) bool { return g.gone })
	}
	return all
}
