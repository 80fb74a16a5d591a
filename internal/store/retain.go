package store

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

func stay(i segment.Info) schema.Stay {
	return schema.Stay{First: i.MinTime, Last: i.MaxTime, Created: i.Created}
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
				if gone[g.info.ID] || !stay(g.info).Due(edge) {
					continue
				}
				gone[g.info.ID] = true // whatever comes of it, once is enough
				w := rewrite{old: g}
				if at := stay(g.info).Edge(edge); !stay(g.info).Expired(edge) {
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
