package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/purge"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// ring keeps keys in memory. A key's name says how its vault answers.
type ring struct {
	sets    int // calls of SetKey
	silent  int // of which so many are not answered
	mu      sync.Mutex
	set     map[schema.ClusterID]kek.ID
	holders map[schema.ClusterID]Holder
}

func (r *ring) Check(_ context.Context, h Holder, id kek.ID, _ int32) error {
	switch {
	case h.Principal == "":
		return errors.New("internal error: a check without principal")
	case id.Name == "gone":
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: "the vault refused to show it: 404 KeyNotFound", Err: &kek.Denied{Op: "get", Key: id, Status: http.StatusNotFound}}
	case id.Name == "purgeable":
		return &kek.Unfit{Key: id, Why: kek.NotRecoverable, Detail: `its recovery level is "Recoverable+Purgeable"`}
	case id.Name == "silent":
		return &kek.Silent{Op: "get", Key: id, Err: errors.New("dial tcp: no route to host")}
	}
	return nil
}

func (r *ring) SetKey(ctx context.Context, h Holder, id kek.ID) error {
	if id.Name == "breaks" {
		return &kek.Denied{Op: "wrap", Key: id, Status: http.StatusForbidden, Code: "KeyDisabled", Message: "no"}
	}
	r.mu.Lock()
	r.sets++
	silent := r.sets <= r.silent
	r.mu.Unlock()
	if silent {
		return &kek.Silent{Op: "wrap", Key: id, Err: io.ErrUnexpectedEOF}
	}
	return r.Watch(ctx, h, id)
}

func (r *ring) ClearKey(ctx context.Context, h Holder) error { return r.Forget(ctx, h.Cluster) }

func (r *ring) Watch(_ context.Context, h Holder, id kek.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set[h.Cluster], r.holders[h.Cluster] = id, h
	return nil
}

func (r *ring) Forget(_ context.Context, c schema.ClusterID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.set, c)
	return nil
}

func (r *ring) Status(c schema.ClusterID) (KeyStatus, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.set[c]
	return KeyStatus{State: "Active"}, ok
}

// places records what was done and can hold work back.
type places struct {
	mu   sync.Mutex
	log  []string
	hold chan struct{} // nil: work goes through
	fail error
}

func (p *places) do(ctx context.Context, format string, args ...any) error {
	p.mu.Lock()
	p.log = append(p.log, fmt.Sprintf(format, args...))
	hold, fail := p.hold, p.fail
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (p *places) EnsureCluster(ctx context.Context, c Cluster) error {
	return p.do(ctx, "cluster %s", c.ID.Name())
}
func (p *places) EnsureWorkspace(ctx context.Context, w Workspace) error {
	return p.do(ctx, "workspace %s", w.ID.Name())
}
func (p *places) Link(ctx context.Context, w Workspace, c Cluster) error {
	return p.do(ctx, "link %s %s", w.ID.Name(), c.ID.Name())
}
func (p *places) Unlink(ctx context.Context, w Workspace, c Cluster) error {
	return p.do(ctx, "unlink %s %s", w.ID.Name(), c.ID.Name())
}
func (p *places) DropCluster(ctx context.Context, c Cluster) error {
	return p.do(ctx, "drop cluster %s", c.ID.Name())
}
func (p *places) DropWorkspace(ctx context.Context, w Workspace) error {
	return p.do(ctx, "drop workspace %s", w.ID.Name())
}
func (p *places) DropTable(ctx context.Context, w Workspace, t schema.TableName) error {
	return p.do(ctx, "drop table %s %s", w.ID.Name(), t)
}
func (p *places) Retain(ctx context.Context, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error {
	return p.do(ctx, "retain T_CL %s", edge("T_CL").Time().Format(time.DateOnly))
}
func (p *places) Readable(context.Context, Workspace) error { return nil }
func (p *places) Purge(ctx context.Context, w Workspace, _ string, t schema.Table, filters []purge.Filter) (int64, error) {
	return 1, p.do(ctx, "purge %s %s %s %s %s", w.ID.Name(), t.Name, filters[0].Column, filters[0].Operator, filters[0].Value)
}
func (p *places) Readers(schema.ClusterID) []int                 { return nil }
func (p *places) Worker(schema.ClusterID) (int, time.Time, bool) { return 0, time.Time{}, false }

func (p *places) set(hold chan struct{}, fail error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold, p.fail = hold, fail
}

func (p *places) did(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.log, what)
}

// elsewhere knows one vault of another region and one of another tenant.
type elsewhere struct{ tenant schema.TenantID }

func (e elsewhere) Locate(_ context.Context, uri string) (schema.TenantID, string, bool, error) {
	switch uri {
	case "https://far.vault.x.test":
		return e.tenant, "northeurope", true, nil
	case "https://theirs.vault.x.test":
		return "another", "westeurope", true, nil
	case "https://kv.vault.x.test":
		return e.tenant, "West Europe", true, nil
	}
	return "", "", false, nil
}

// world is a control plane with a tenant, a subscription and a group.
type world struct {
	*Service
	t      *testing.T
	cat    *catalog.Catalog
	keys   *ring
	places *places
	group  resource.ID
	tenant schema.TenantID
}

func newWorld(t *testing.T) *world {
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cat.Close() })
	tenant, err := entra.NewTenant(t.Context(), cat, "T")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := cat.AddSubscription(t.Context(), tenant.ID, "S")
	if err != nil {
		t.Fatal(err)
	}
	group := resource.GroupID(sub.Subscription(), "rg")
	if _, err := cat.Put(t.Context(), catalog.Resource{ID: group.String(), Type: string(resource.Group), Name: "rg", Location: "westeurope"}, catalog.Always()); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cat: cat, group: group, tenant: tenant.ID, places: &places{},
		keys: &ring{set: map[schema.ClusterID]kek.ID{}, holders: map[schema.ClusterID]Holder{}}}
	w.restart()
	return w
}

// restart is a new process on the same catalog.
func (w *world) restart() {
	if w.Service != nil {
		w.Service.Close()
	}
	w.Service = New(Config{Catalog: w.cat, Keys: w.keys, Domains: w.places, Vaults: elsewhere{w.tenant},
		Limits: Limits{DoubleEncryption: []string{"West Europe"}},
		Check: func(text string, stream, table []schema.Column) []*fault.Error {
			if strings.Contains(text, "bad") {
				return []*fault.Error{fault.New(fault.TransformFailed, "%d columns of %d", len(table), len(stream))}
			}
			return nil
		},
		KeyHost: func(host string) bool { return strings.HasSuffix(host, ".vault.x.test") }})
	if err := w.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.Service.Close)
}

func (w *world) id(t resource.Type, name string) resource.ID { return w.group.Resource(t, name) }

func (w *world) finish(o Operation, err error) Operation {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	o, err = w.Await(w.t.Context(), o, 5*time.Second)
	if err != nil || !o.Over() {
		w.t.Fatalf("operation %+v is not over: %v", o, err)
	}
	return o
}

func (w *world) makeCluster(name string) Cluster {
	w.t.Helper()
	_, o, err := w.PutCluster(w.t.Context(), w.id(resource.Cluster, name), "me", newCluster())
	if o := w.finish(o, err); o.Status != catalog.Succeeded {
		w.t.Fatalf("%+v", o)
	}
	return w.mustCluster(name)
}

func (w *world) mustCluster(name string) Cluster {
	w.t.Helper()
	c, err := w.Cluster(w.t.Context(), w.id(resource.Cluster, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) makeWorkspace(name string) Workspace {
	w.t.Helper()
	_, o, _, err := w.PutWorkspace(w.t.Context(), w.id(resource.Workspace, name), "me", WorkspaceChange{Location: new("westeurope")})
	w.finish(o, err)
	return w.mustWorkspace(name)
}

func (w *world) mustWorkspace(name string) Workspace {
	w.t.Helper()
	v, err := w.Workspace(w.t.Context(), w.id(resource.Workspace, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func newCluster() ClusterChange {
	return ClusterChange{Location: new("West Europe"), SkuName: new("CapacityReservation"), Capacity: new(int64(500)), Identity: &IdentityChange{Type: "SystemAssigned"}}
}

func key(name string) *KeyChange {
	return &KeyChange{VaultURI: new("https://kv.vault.x.test/"), Name: new(name), Version: new("")}
}

// wants fails unless err is a fault of the code with the text in its message.
func wants(t *testing.T, what string, err error, code fault.Code, text string) {
	t.Helper()
	if f := fault.Of(err); err == nil || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("%s: %v", what, err)
	}
}
