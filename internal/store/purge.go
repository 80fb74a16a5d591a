package store

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// A Purged counts what a purge removed.
type Purged struct {
	Rows     int64
	Segments []schema.SegmentID // that had some of them, and are gone
}

// Purge removes every row of a table that was acknowledged before the call and
// that match tells: one bool for each row of a record, true for those to go.
// Afterwards neither the journal nor any object has them. Rows that come
// meanwhile may be removed too. After an error some are gone: call it again.
func (s *Store) Purge(ctx context.Context, workspace schema.WorkspaceID, table schema.TableName, match func(arrow.RecordBatch) ([]bool, error)) (out Purged, err error) {
	// What is in the tail goes into segments first: the journal can't forget a
	// single row, but with the flush its files go.
	if err := s.Flush(ctx); err != nil {
		return out, err
	}
	clean := map[schema.SegmentID]bool{}
	err = s.rewriting(ctx, func() []rewrite {
		var todo []rewrite
		t := s.tables[tableKey{workspace, table}]
		if t == nil {
			return nil
		}
		for _, g := range t.segments {
			if clean[g.info.ID] {
				continue
			}
			clean[g.info.ID] = true
			todo = append(todo, rewrite{old: g, keeps: func(recs []arrow.RecordBatch) ([]batch.Ref, error) {
				refs, gone, err := others(recs, match)
				if gone > 0 {
					out.Rows += gone
					out.Segments = append(out.Segments, g.info.ID)
				}
				return refs, err
			}})
		}
		return todo
	})
	if err != nil {
		return out, fmt.Errorf("purge in account %s: %w", s.cfg.Account, err)
	}
	return out, nil
}

// others names the rows that do not match, and counts those that do.
func others(recs []arrow.RecordBatch, match func(arrow.RecordBatch) ([]bool, error)) (refs []batch.Ref, gone int64, err error) {
	for i, rec := range recs {
		matches, err := match(rec)
		if err != nil {
			return nil, 0, err
		}
		for row, goes := range matches {
			if goes {
				gone++
			} else {
				refs = append(refs, batch.Ref{Record: int32(i), Row: int32(row)})
			}
		}
	}
	return refs, gone, nil
}
