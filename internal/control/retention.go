package control

import (
	"context"
	"errors"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// edge is the time so many days before now.
func edge(now time.Time, days int) schema.Ticks {
	return max(schema.TicksOf(now.Add(-time.Duration(days)*day)), 0)
}

// removed is how many days a row stays on the disk. 30 days are 31 unless it is
// asked that they are 30 (behaviour 17.4).
func removed(w Workspace, k Keeping) int {
	if exact, _ := w.Features["immediatePurgeDataOn30Days"].(bool); k.Removal == 30 && !exact {
		return 31
	}
	return k.Removal
}

// retain removes from the disk what tables of living workspaces do not keep any
// more. One that can't does not keep the others from it.
func (s *Service) retain(ctx context.Context) error {
	all, err := s.Workspaces(ctx, resource.Root())
	if err != nil {
		return err
	}
	var failed error
	for _, w := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !w.State.Settled() {
			continue
		}
		keeping, err := s.Keepings(ctx, w.ID)
		if err == nil {
			now := time.Now()
			err = s.domains.Retain(ctx, w.CustomerID, func(t schema.TableName) schema.Ticks { return edge(now, removed(w, keeping(t))) })
		}
		if err != nil && !errors.Is(err, catalog.ErrNotFound) { // it was deleted meanwhile
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
