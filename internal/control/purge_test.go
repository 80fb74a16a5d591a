package control

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/purge"
	"logkeep/internal/schema"
)

var someone = []purge.Filter{{Column: "User", Operator: "in", Value: json.RawMessage(`["anna","bert"]`)}}

// peopled is a world with a table that names people.
func peopled(t *testing.T) (*world, Workspace) {
	w := newWorld(t)
	w.Service.texts = &texts{}
	v := w.makeWorkspace("ws-1")
	_, err := w.PutTable(t.Context(), v.ID.Child("tables", "T_CL"), TableChange{Replace: true, Columns: []Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "User", Type: schema.String}}})
	if err != nil {
		t.Fatal(err)
	}
	return w, v
}

func TestPurgeIsAnOperationThatDoesNotGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, v := peopled(t)
		defer w.Service.Close()
		w.places.set(nil, errors.New("the key is away"))
		o, err := w.BeginPurge(t.Context(), v.ID, "me", "T_CL", someone)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if o, err = w.PurgeStatus(t.Context(), v.ID, o.ID); err != nil || o.Over() {
			t.Fatalf("%+v, %v", o, err)
		}
		w.places.set(nil, nil)
		time.Sleep(purgeRetry)
		synctest.Wait()
		if o, err = w.PurgeStatus(t.Context(), v.ID, o.ID); err != nil || o.Status != catalog.Succeeded {
			t.Fatalf("%+v, %v", o, err)
		}
		if !w.places.did(`purge ws-1 T_CL User in ["anna","bert"]`) {
			t.Errorf("done was %q", w.places.log)
		}
		other := w.makeWorkspace("ws-2")
		if _, err := w.PurgeStatus(t.Context(), other.ID, o.ID); !errors.Is(err, fault.OperationNotFound) {
			t.Errorf("another workspace's purge: %v", err)
		}
	})
}

func TestPurgesAreFewAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, v := peopled(t)
		defer w.Service.Close()
		for range 50 {
			if _, err := w.BeginPurge(t.Context(), v.ID, "me", "T_CL", someone); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		_, err := w.BeginPurge(t.Context(), v.ID, "me", "T_CL", someone)
		f := fault.Of(err)
		if f.Code != fault.TooManyRequests || f.RetryAfter() != 601 {
			t.Fatalf("%v, Retry-After %d", err, f.RetryAfter())
		}
		time.Sleep(time.Duration(f.RetryAfter()) * time.Second)
		if _, err := w.BeginPurge(t.Context(), v.ID, "me", "T_CL", someone); err != nil {
			t.Error(err)
		}
	})
}

// swept sweeps, and insists on how many days are kept on the disk.
func (w *world) swept(days int, why string) {
	w.t.Helper()
	w.places.mu.Lock()
	w.places.log = nil
	w.places.mu.Unlock()
	if err := w.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if want := "retain T_CL " + time.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly); !w.places.did(want) {
		w.t.Errorf("%s: %q, want %q", why, w.places.log, want)
	}
}

func TestAShorterRetentionOfTheWorkspaceHasAGraceToo(t *testing.T) {
	w, v := peopled(t)
	swept := w.swept
	workspace := func(days int32) {
		t.Helper()
		if _, err := w.PatchWorkspace(t.Context(), v.ID, WorkspaceChange{Retention: &days}); err != nil {
			t.Fatal(err)
		}
	}
	workspace(400)
	swept(400, "the workspace's")
	workspace(100)
	swept(400, "the workspace's grace")
	workspace(60)
	swept(400, "the grace of before goes on")
	workspace(60)
	swept(400, "nothing changed")
	if _, err := w.PutTable(t.Context(), v.ID.Child("tables", "T_CL"), TableChange{Retention: new(int32(90))}); err != nil {
		t.Fatal(err)
	}
	swept(400, "going over to one of its own shortens, too")
}

func TestTheEdgeFollowsTheRetention(t *testing.T) {
	w, v := peopled(t)
	id := v.ID.Child("tables", "T_CL")
	swept := w.swept
	change := func(ch TableChange) {
		t.Helper()
		if _, err := w.PutTable(t.Context(), id, ch); err != nil {
			t.Fatal(err)
		}
	}
	swept(31, "30 days are 31")
	change(TableChange{Total: new(int32(365))})
	swept(365, "total retention")
	change(TableChange{Total: new(int32(60))})
	swept(365, "a month of grace")
	change(TableChange{Total: new(int32(730))})
	swept(730, "longer counts at once")
	if _, err := w.PatchWorkspace(t.Context(), v.ID, WorkspaceChange{Features: map[string]any{"immediatePurgeDataOn30Days": true}}); err != nil {
		t.Fatal(err)
	}
	change(TableChange{Total: new(int32(-1))})
	swept(30, "30 days exactly, and at once")
}
