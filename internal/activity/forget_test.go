package activity

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/schema"
)

// remover tells whose rows it was to remove, and before when.
type remover struct {
	edges map[schema.WorkspaceID]schema.Ticks
	fails map[schema.WorkspaceID]error
}

func (r *remover) Retain(_ context.Context, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error {
	r.edges[w] = edge(Table)
	return r.fails[w]
}

func TestActivityIsForgottenAfterNinetyDays(t *testing.T) {
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	tenant, err := entra.NewTenant(t.Context(), cat, "T")
	if err != nil {
		t.Fatal(err)
	}
	want := []schema.WorkspaceID{Workspace(tenant.ID, "").CustomerID}
	for _, name := range []string{"one", "two"} {
		id, err := cat.AddSubscription(t.Context(), tenant.ID, name)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, Workspace(tenant.ID, strings.ToLower(id.Subscription())).CustomerID)
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	r := &remover{map[schema.WorkspaceID]schema.Ticks{}, map[schema.WorkspaceID]error{want[0]: catalog.ErrNotFound}}
	if err := Forget(t.Context(), cat, r, now); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if got := r.edges[w]; got != schema.TicksOf(time.Date(2026, 8, 24, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %v", w, got)
		}
		delete(r.edges, w)
	}
	if len(r.edges) != 0 {
		t.Errorf("others: %v", r.edges)
	}
	r.fails[want[1]] = errors.New("no")
	if err := Forget(t.Context(), cat, r, now); err == nil || len(r.edges) != len(want) {
		t.Errorf("one that fails: %v, %d tried", err, len(r.edges))
	}
}
