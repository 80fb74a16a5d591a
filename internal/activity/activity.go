// Package activity keeps the activity log: who did what to which resource,
// when, from where, and with what outcome (docs/design/0028).
//
//	api ──Begin──▶ outbox in the catalog, durable, then the write happens
//	    ──End────▶ outbox ──▶ rows of AzureActivity, sealed, in the subscription's own account
//	ARM ──Events─▶ a query over those rows
//
// An event that Begin returned for is never lost; it is a row exactly once.
// Rows are in the order in which events happened as near as their times tell.
package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Keep is how long events can be read through ARM.
const Keep = 90 * 24 * time.Hour

// A Holder keeps rows: domain.Domains.
type Holder interface {
	EnsureWorkspace(ctx context.Context, w control.Workspace) error
	Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error)
	Query(ctx context.Context, workspaces []control.Workspace, q wire.Query) (io.ReadCloser, error)
}

// An Outbox keeps events until they are rows: catalog.Catalog.
type Outbox interface {
	AddActivity(ctx context.Context, events []json.RawMessage) error
	PendingActivity(ctx context.Context, most int) ([]catalog.Pending, error)
	ForgetActivity(ctx context.Context, upTo int64) error
}

// A Journal is the activity log. It is safe for concurrent use.
type Journal struct {
	outbox Outbox
	holder Holder
	log    *slog.Logger

	entries chan entry
	fresh   chan struct{} // there is something in the outbox
	flush   chan chan error
	stop    context.CancelFunc
	over    sync.WaitGroup

	places sync.Map // schema.WorkspaceID of those that are there

	mu   sync.Mutex
	last time.Time // of the last event

	doubt bool // some of the outbox may be rows already; by carry alone
}

// An entry is an event on its way to the outbox.
type entry struct {
	event json.RawMessage // nil: only those before it are meant
	done  chan<- error    // nil: nobody waits
}

// Start returns a journal that works until Close.
func Start(outbox Outbox, holder Holder, log *slog.Logger) *Journal {
	ctx, stop := context.WithCancel(context.Background())
	j := &Journal{outbox: outbox, holder: holder, log: log, stop: stop, doubt: true,
		entries: make(chan entry, 1024), fresh: make(chan struct{}, 1), flush: make(chan chan error)}
	j.over.Go(func() { j.record(ctx) })
	j.over.Go(func() { j.carry(ctx) })
	return j
}

// Close stops. What is in the outbox stays there for the next start.
func (j *Journal) Close() {
	j.stop()
	j.over.Wait()
}

// Begin tells of an event and returns when it is durable. The write that it is
// about must not happen if it fails.
func (j *Journal) Begin(ctx context.Context, e Event) error {
	text, err := json.Marshal(j.stamp(e))
	if err != nil {
		return err
	}
	return j.told(ctx, text)
}

// told returns when an event, and all that were told before, are durable.
func (j *Journal) told(ctx context.Context, event json.RawMessage) error {
	done := make(chan error, 1)
	return ask(ctx, j.entries, entry{event, done}, done)
}

// ask sends a request and returns the answer.
func ask[T any](ctx context.Context, to chan<- T, request T, done <-chan error) error {
	select {
	case to <- request:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End tells of an event without waiting for it to be durable. ctx bounds only
// the wait for room.
func (j *Journal) End(ctx context.Context, e Event) {
	text, err := json.Marshal(j.stamp(e))
	if err != nil {
		j.log.Error("activity is not recorded", "operation", e.Operation, "resource", e.Resource, "cause", err)
		return
	}
	select {
	case j.entries <- entry{text, nil}:
	case <-ctx.Done():
		j.log.Error("activity is not recorded", "operation", e.Operation, "resource", e.Resource, "status", e.Status, "caller", e.Caller, "cause", ctx.Err())
	}
}

// stamp gives an event its id and its time. No two events of a process have one
// time: the next page of a list begins at one.
func (j *Journal) stamp(e Event) Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.ID, e.Time = uuid.NewString(), time.Now().UTC().Truncate(100*time.Nanosecond)
	if !e.Time.After(j.last) {
		e.Time = j.last.Add(100 * time.Nanosecond)
	}
	j.last = e.Time
	return e
}

// place makes sure that the rows of a workspace have a place.
func (j *Journal) place(ctx context.Context, w control.Workspace) error {
	if _, there := j.places.Load(w.CustomerID); there {
		return nil
	}
	if err := j.holder.EnsureWorkspace(ctx, w); err != nil {
		return fmt.Errorf("make a place for activity: %w", err)
	}
	j.places.Store(w.CustomerID, true)
	return nil
}

// Flush returns when every event that was told before is a row.
func (j *Journal) Flush(ctx context.Context) error {
	if err := j.told(ctx, nil); err != nil {
		return err
	}
	done := make(chan error, 1)
	return ask(ctx, j.flush, done, done)
}

// Ready returns when what was told before can be read in a log's workspace.
func (j *Journal) Ready(ctx context.Context, log control.Workspace) error {
	err := j.Flush(ctx)
	if err == nil {
		err = j.place(ctx, log)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// space is the namespace of the ids of the workspaces that hold activity.
var space = uuid.MustParse("6f5c1a3e-3f0b-4d52-9a55-2a0d5c7f9e11")

// Workspace is where the activity of a subscription is, or of a tenant's root
// where subscription is "". It is in no catalog and has no name that a client
// could use.
func Workspace(tenant schema.TenantID, subscription string) control.Workspace {
	id := uuid.NewSHA1(space, []byte(strings.ToLower(string(tenant)+"/"+subscription)))
	return control.Workspace{CustomerID: schema.WorkspaceID(id.String()), Tenant: tenant}
}
