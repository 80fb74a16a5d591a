// Package audit takes the audit records of vaults to the workspaces that
// diagnostic settings name (docs/design/0034).
//
//	vault's log ──Audit, after the mark──▶ rows of AZKVAuditLogs or AzureDiagnostics
//	            ◀──────────── mark in the catalog, once the rows are durable
//
// A record is a row exactly once. While a workspace can't take rows (its key is
// revoked, its worker is away) its records wait in the vault's log, which has room
// for two hundred thousand of each vault that wait. What is lost beyond that is
// counted and told in the workspace's table Operation.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
	"logkeep/internal/worker/wire"
)

// A Source has vaults' records: admin.Client.
type Source interface {
	Audit(ctx context.Context, q admin.AuditQuery) (admin.AuditPage, error)
}

// A Plane knows settings and workspaces: control.Service.
type Plane interface {
	Diagnostics(ctx context.Context, scope resource.ID) ([]control.Diagnostic, error)
	Workspace(ctx context.Context, id resource.ID) (control.Workspace, error)
	KeepTable(ctx context.Context, workspace resource.ID, t schema.Table) (control.Table, error)
}

// Marks remember how far settings have come: catalog.Catalog.
type Marks interface {
	AuditMark(ctx context.Context, setting string) (int64, error)
	SetAuditMark(ctx context.Context, setting string, mark int64) error
}

// A Holder keeps rows: domain.Domains.
type Holder interface {
	Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error)
	Query(ctx context.Context, workspaces []control.Workspace, q wire.Query) (io.ReadCloser, error)
}

const (
	every    = 2 * time.Second  // how often a vault is asked for new records
	batch    = 500              // records of one append; a row has about 2 KiB
	patience = 30 * time.Second // for one append, and between tries of a workspace that takes none
)

// A Forwarder does the work until Close.
type Forwarder struct {
	source Source
	plane  Plane
	marks  Marks
	holder Holder
	log    *slog.Logger

	stop context.CancelFunc
	over sync.WaitGroup

	ways map[string]*way // by the setting's key; by run alone
}

// A way is what is known of a setting between two rounds.
type way struct {
	sure     bool      // no record beyond the mark is a row
	failures int       // in a row
	next     time.Time // not before
}

// Start returns a Forwarder at work.
func Start(source Source, plane Plane, marks Marks, holder Holder, log *slog.Logger) *Forwarder {
	ctx, stop := context.WithCancel(context.Background())
	f := &Forwarder{source: source, plane: plane, marks: marks, holder: holder, log: log, stop: stop, ways: map[string]*way{}}
	f.over.Go(func() { f.run(ctx) })
	return f
}

// Close stops. What was not taken is taken after the next start.
func (f *Forwarder) Close() {
	f.stop()
	f.over.Wait()
}

func (f *Forwarder) run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		settings, err := f.plane.Diagnostics(ctx, resource.Root())
		if err != nil {
			if ctx.Err() == nil {
				f.log.Error("diagnostic settings could not be read", "cause", err)
			}
			continue
		}
		there := map[string]*way{}
		for _, d := range settings {
			w := f.ways[d.ID.Key()]
			if w == nil {
				w = &way{}
			}
			there[d.ID.Key()] = w
			if d.Audits() && !time.Now().Before(w.next) {
				f.serve(ctx, d, w)
			}
		}
		f.ways = there
	}
}

// serve takes what is new, and puts a setting off whose workspace takes nothing.
func (f *Forwarder) serve(ctx context.Context, d control.Diagnostic, w *way) {
	err := f.forward(ctx, d, w)
	if err == nil || ctx.Err() != nil {
		w.failures = 0
		return
	}
	w.sure = false
	w.failures++
	w.next = time.Now().Add(min(every<<min(w.failures, 5), patience))
	if w.failures == 1 {
		f.log.Warn("audit records wait in the vault", "setting", d.ID.String(), "cause", err)
	}
}

// forward takes every record beyond the mark.
func (f *Forwarder) forward(ctx context.Context, d control.Diagnostic, w *way) error {
	mark, err := f.marks.AuditMark(ctx, d.ID.String())
	if err != nil {
		return err
	}
	for {
		page, err := f.source.Audit(ctx, admin.AuditQuery{Vault: d.Vault(), After: mark, Limit: batch, Reader: d.ID.Key()})
		if p, ok := errors.AsType[*admin.Problem](err); ok && p.Status == 404 {
			return nil // purged; a vault that is made in its place goes on
		}
		if err != nil || page.Next == mark {
			return err
		}
		events := page.Events[:0:0]
		for _, e := range page.Events {
			if !e.Time.Before(d.Since) {
				events = append(events, e)
			}
		}
		if err := f.store(ctx, d, events, w.sure); err != nil {
			return err
		}
		if page.Lost > 0 {
			if err := f.tell(ctx, d, page.Lost); err != nil {
				return err
			}
		}
		if err := f.marks.SetAuditMark(ctx, d.ID.String(), page.Next); err != nil {
			return err
		}
		w.sure, mark = true, page.Next
	}
}

// store makes rows of events. Unless it is sure that none of them is one
// already, it looks first.
func (f *Forwarder) store(ctx context.Context, d control.Diagnostic, events []admin.Event, sure bool) error {
	if len(events) == 0 {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	space, err := f.plane.Workspace(ctx, d.Workspace)
	if errors.Is(err, fault.WorkspaceNotFound) {
		return nil // nobody is there to read them
	}
	if err != nil {
		return err
	}
	form := diagnostics
	if d.Dedicated {
		form = dedicated
	}
	t, err := f.plane.KeepTable(ctx, d.Workspace, form.schema())
	if err != nil {
		return err
	}
	if !sure {
		if events, err = f.missing(ctx, space, t.Schema(), events); err != nil || len(events) == 0 {
			return err
		}
	}
	rows := make([]map[string]any, len(events))
	for i, e := range events {
		rows[i] = form.row(e, space)
	}
	return f.append(ctx, space, t.Schema(), rows)
}

// append stores rows of which a table has the columns.
func (f *Forwarder) append(ctx context.Context, space control.Workspace, t schema.Table, rows any) error {
	body, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	if _, err := f.holder.Append(ctx, space, wire.Append{Table: t, MaxBytes: int64(len(body)), Length: int64(len(body))}, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("store rows of %s: %w", t.Name, err)
	}
	return nil
}

// tell says in the workspace that records are missing there. It may be said twice.
func (f *Forwarder) tell(ctx context.Context, d control.Diagnostic, lost int64) error {
	f.log.Error("audit records were removed before a workspace had them", "setting", d.ID.String(), "records", lost)
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	space, err := f.plane.Workspace(ctx, d.Workspace)
	if errors.Is(err, fault.WorkspaceNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	row := map[string]string{
		"OperationCategory": "Audit", "OperationKey": "Records lost", "OperationStatus": "Error", "Solution": "LogManagement", "_ResourceId": strings.ToLower(d.Vault().String()),
		"Detail": fmt.Sprintf("The workspace took no audit records of the vault '%s' for so long that up to %d of them were removed before they could be stored.", d.Vault().Name(), lost),
	}
	form := schema.Table{Name: "Operation", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		form.Columns = append(form.Columns, schema.Column{Name: name, Type: schema.String})
	}
	if _, err := f.plane.KeepTable(ctx, d.Workspace, form); err != nil {
		return err
	}
	return f.append(ctx, space, form, []map[string]string{row})
}

// missing returns the events that are no rows yet.
func (f *Forwarder) missing(ctx context.Context, w control.Workspace, t schema.Table, events []admin.Event) ([]admin.Event, error) {
	from, to := events[0].Time, events[0].Time
	for _, e := range events {
		if e.Time.Before(from) {
			from = e.Time
		}
		if e.Time.After(to) {
			to = e.Time
		}
	}
	answer, err := f.holder.Query(ctx, []control.Workspace{w}, wire.Query{
		Text: string(t.Name) + " | project _ItemId", Now: schema.TicksOf(time.Now()),
		From: schema.TicksOf(from.Add(-time.Microsecond)), To: schema.TicksOf(to.Add(time.Microsecond)),
		Tables: []schema.Table{t}, MaxRows: 1 << 20, MaxBytes: 64 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("find out which audit records are stored: %w", err)
	}
	defer answer.Close()
	var body struct {
		Tables []struct{ Rows [][]string }
	}
	if err := json.NewDecoder(answer).Decode(&body); err != nil || len(body.Tables) == 0 {
		return nil, fmt.Errorf("read which audit records are stored: %v", err)
	}
	stored := map[string]bool{}
	for _, r := range body.Tables[0].Rows {
		if len(r) == 1 {
			stored[r[0]] = true
		}
	}
	kept := events[:0:0]
	for _, e := range events {
		if !stored[itemID(e)] {
			kept = append(kept, e)
		}
	}
	return kept, nil
}
