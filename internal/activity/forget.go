package activity

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/entra"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// Places knows of what there can be activity: catalog.Catalog.
type Places interface {
	Tenants(ctx context.Context) ([]entra.Tenant, error)
	List(ctx context.Context, scope, typ string) ([]catalog.Resource, error)
}

// A Remover removes rows that are behind an edge of time: domain.Domains.
type Remover interface {
	Retain(ctx context.Context, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error
}

// Forget removes events that are older than Keep, as documented, from the logs
// of all subscriptions and tenants. One that can't be does not keep the others
// from it.
func Forget(ctx context.Context, places Places, from Remover, now time.Time) error {
	tenants, err := places.Tenants(ctx)
	if err != nil {
		return err
	}
	subscriptions, err := places.List(ctx, resource.Root().String(), catalog.SubscriptionType)
	if err != nil {
		return err
	}
	var logs []control.Workspace
	for _, t := range tenants {
		logs = append(logs, Workspace(t.ID, ""))
	}
	for _, s := range subscriptions {
		id, err := resource.Parse(s.ID)
		if err != nil {
			return err
		}
		logs = append(logs, Workspace(s.Tenant, id.Subscription()))
	}
	edge := schema.TicksOf(now.Add(-Keep))
	var failed error
	for _, w := range logs {
		err := from.Retain(ctx, w.CustomerID, func(schema.TableName) schema.Ticks { return edge })
		if err != nil && !errors.Is(err, catalog.ErrNotFound) { // there is no activity of it yet
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Forgetting forgets once an hour until stop is called.
func Forgetting(places Places, from Remover, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		tick := time.NewTicker(time.Hour)
		defer tick.Stop()
		for {
			if err := Forget(ctx, places, from, time.Now()); err != nil && ctx.Err() == nil {
				log.Error("old activity was not removed", "cause", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		over.Wait()
	}
}
