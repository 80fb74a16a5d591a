package store

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A row is as old as its TimeGenerated says. Rows that come more than lateness
// after it are history that somebody brings in, and as old as their stay here.
// A segment tells which of the two it has by when it was created (design 0040).
const (
	lateness = 2 * schema.TicksPerDay
	// overdue is for how long rows behind the edge may stay in a segment that has
	// others too: none is written anew more than once in this time.
	overdue = schema.TicksPerDay
	// apart is how far apart histories may have come to be merged.
	apart = schema.TicksPerDay
)

// isHistory reports whether rows of the segment came late.
func isHistory(i segment.Info) bool { return i.MinTime < i.Created-lateness }

// ageAlike reports whether rows of both segments can be in one.
func ageAlike(a, b segment.Info) bool {
	if isHistory(a) != isHistory(b) {
		return false
	}
	return !isHistory(a) || max(a.Created, b.Created)-min(a.Created, b.Created) < apart
}

// edgeOf is the time before which a segment's rows are older than what lies on
// the edge of its table; 0 if none is.
func edgeOf(i segment.Info, edge schema.Ticks) schema.Ticks {
	if i.MinTime >= edge || isHistory(i) && i.Created >= edge {
		return 0
	}
	return edge
}

// Expired reports whether all rows of a segment are behind an edge.
func Expired(i segment.Info, edge schema.Ticks) bool { return i.MaxTime < edgeOf(i, edge) }

// Due reports whether Retain with this edge would change the segment.
func Due(i segment.Info, edge schema.Ticks) bool {
	return Expired(i, edge) || i.MinTime < edgeOf(i, max(edge-overdue, 0))
}

// Keep hides rows that are older than the edge of their table's retention.
func (p *Snapshot) Keep(edge schema.Ticks) { p.edge = edge }

// A Retained says which rows of a table are to be kept: those that are not
// behind Edge.
type Retained struct {
	Workspace schema.WorkspaceID
	Table     schema.TableName
	Edge      schema.Ticks
}

// Retain removes from the disk what is behind the edges of tables: segments with
// nothing else as a whole, in one change; others are written anew once they are
// overdue. Rows that are not in segments are not old. After an error some of it
// may be done: call it again.
func (s *Store) Retain(ctx context.Context, tables []Retained) error {
	edges := make(map[tableKey]schema.Ticks, len(tables))
	for _, r := range tables {
		edges[tableKey{r.Workspace, r.Table}] = r.Edge
	}
	gone := map[schema.SegmentID]bool{}
	err := s.rewriting(ctx, func() []rewrite {
		var out []rewrite
		for key, edge := range edges {
			t := s.tables[key]
			if t == nil {
				continue
			}
			for _, g := range t.segments {
				if gone[g.info.ID] || !Due(g.info, edge) {
					continue
				}
				gone[g.info.ID] = true // whatever comes of it, once is enough
				w := rewrite{old: g}
				if at := edgeOf(g.info, edge); !Expired(g.info, edge) {
					w.keeps = func(recs []arrow.RecordBatch) ([]batch.Ref, error) { return notBefore(recs, at) }
				}
				out = append(out, w)
			}
		}
		return out
	})
	if err != nil {
		return fmt.Errorf("retention in account %s: %w", s.cfg.Account, err)
	}
	return nil
}

// notBefore names the rows from a time on.
func notBefore(recs []arrow.RecordBatch, at schema.Ticks) (refs []batch.Ref, err error) {
	for i, rec := range recs {
		times, err := batch.Times(rec)
		if err != nil {
			return nil, err
		}
		for row, t := range times {
			if schema.Ticks(t) >= at {
				refs = append(refs, batch.Ref{Record: int32(i), Row: int32(row)})
			}
		}
	}
	return refs, nil
}
