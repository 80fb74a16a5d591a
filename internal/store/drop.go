package store

import (
	"context"
	"fmt"
	"slices"

	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// Drop removes every row of a table that was acknowledged before the call, for
// good; an empty table means all tables of the workspace. Snapshots that were
// taken before may fail. After an error rows may be gone or not: call it again.
func (s *Store) Drop(ctx context.Context, workspace schema.WorkspaceID, table schema.TableName) error {
	select {
	case s.flushing <- struct{}{}:
		defer func() { <-s.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// What is in the tail goes into segments first, so that the journal, which
	// can't forget a single row, has none of them left.
	if err := s.flush(ctx); err != nil {
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
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	f := &flush{floor: s.manifest.floor, change: Change{Account: s.cfg.Account}}
	var stay []segment.Info
	for key, t := range s.tables {
		for _, g := range t.segments {
			if gone(key) {
				f.change.Remove = append(f.change.Remove, g.info.ID)
			} else {
				stay = append(stay, g.info)
			}
		}
	}
	if len(f.change.Remove) == 0 {
		return nil, nil
	}
	slices.Sort(f.change.Remove)
	k, err := s.cfg.Keys(s.current)
	if err != nil {
		return nil, fmt.Errorf("keys of generation %d: %w", s.current, err)
	}
	if f.head, err = s.manifest.next(s.cfg, k, f.floor, stay); err != nil {
		return nil, err
	}
	f.change.Seq, f.change.Floor, f.change.MAC = f.head.seq, f.head.floor, f.head.mac
	return f, nil
}

// forget drops removed segments from memory. Their objects go with the orphans.
// It needs mu.
func (s *Store) forget(removed []schema.SegmentID) {
	for _, t := range s.tables {
		t.segments = slices.DeleteFunc(t.segments, func(g *stored) bool {
			if !slices.Contains(removed, g.info.ID) {
				return false
			}
			s.cfg.Cache.Forget(g.info.ID)
			return true
		})
	}
	for _, id := range removed {
		s.orphans = append(s.orphans, string(id))
	}
}
