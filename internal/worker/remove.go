package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"logkeep/internal/fault"
	"logkeep/internal/purge"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// drop removes all rows of a table, or of a workspace.
func (w *Worker) drop(ctx context.Context, r wire.Drop) error {
	if err := w.whole(); err != nil {
		return err
	}
	for _, a := range w.all() {
		if err := a.store.Drop(ctx, r.Workspace, r.Table); err != nil {
			return err
		}
	}
	return nil
}

// retain removes what is behind the edges of tables. An account that can't does
// not keep the others from it.
func (w *Worker) retain(ctx context.Context, r wire.Retain) error {
	tables := make([]store.Retained, len(r.Tables))
	for i, t := range r.Tables {
		tables[i] = store.Retained(t)
	}
	failed := w.whole()
	for _, a := range w.all() {
		failed = errors.Join(failed, a.store.Retain(ctx, tables))
	}
	return damageFault(failed)
}

// purge removes the rows of a table that match all filters.
func (w *Worker) purge(ctx context.Context, r wire.Purge) (out wire.Purged, err error) {
	var filters []purge.Filter
	if err := json.Unmarshal(r.Filters, &filters); err != nil {
		return out, errors.New("internal error: a purge's filters can't be read")
	}
	if err := w.whole(); err != nil {
		return out, err
	}
	m, err := purge.New(r.Table, filters)
	if err != nil { // its text may tell of rows
		return out, fmt.Errorf("internal error: a purge of %s was not checked before", r.Table.Name)
	}
	for _, a := range w.all() {
		done, err := a.store.Purge(ctx, r.Workspace, r.Table.Name, m.Rows)
		out.Rows += done.Rows
		out.Segments = append(out.Segments, done.Segments...)
		if err != nil {
			return out, damageFault(err)
		}
	}
	return out, nil
}

// check opens everything that an account has in segments.
func (w *Worker) check(ctx context.Context, r wire.Check) (out wire.Checked, err error) {
	w.mu.Lock()
	broken := w.broken[r.Account]
	w.mu.Unlock()
	if broken != nil {
		out.Journal = broken.Error()
		return out, nil
	}
	a, err := w.account(r.Account)
	if err != nil {
		return out, err
	}
	done, err := a.store.Check(ctx)
	out.Segments, out.Bytes = done.Segments, done.Bytes
	for _, d := range done.Damaged {
		out.Damaged = append(out.Damaged, wire.DamagedObject{Segment: d.Segment, Table: d.Table, Reason: d.Err.Error()})
	}
	return out, err
}

// damageFault words for whoever asked that an object on the disk is damaged.
func damageFault(err error) error {
	if d := damagedBy(err); d != nil {
		return fault.New(fault.StorageDamaged, "The object of segment '%s' of table '%s' is missing or damaged. Everything else can be read. The operator restores the object from a backup, or sets it aside with 'logkeep storage check --repair'.", d.Segment, d.Table).Because(err)
	}
	return err
}
