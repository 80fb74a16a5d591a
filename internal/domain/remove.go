package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/inventory"
	"logkeep/internal/purge"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// Retain implements control.Domains: rows of a workspace that are behind the
// edges of their tables leave the disk. Where the key is away, segments that have
// no other rows go all the same: the keeper notes that they are set aside, and
// removes their objects (design 0040).
func (d *Domains) Retain(ctx context.Context, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error {
	g := d.gate(w)
	g.RLock()
	defer g.RUnlock()
	at, err := d.whereabouts(ctx, w)
	if err != nil {
		return err
	}
	due := map[schema.ClusterID]*overdue{}
	for _, a := range at.accounts(w) {
		if err := d.findOverdue(ctx, due, a, w, edge); err != nil {
			return err
		}
	}
	var failed error
	for domain, o := range due {
		worker, err := d.sup.Worker(ctx, domain)
		switch {
		case errors.Is(err, supervise.ErrNoLease):
			err = d.expire(ctx, domain, o.whole)
		case err == nil:
			err = worker.Retain(ctx, wire.Retain{Tables: o.tables})
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// An overdue is what of a workspace is to leave the disk, in one key domain.
type overdue struct {
	tables []wire.Retained
	whole  map[schema.AccountID][]catalog.Segment // that have nothing else
}

func (d *Domains) findOverdue(ctx context.Context, due map[schema.ClusterID]*overdue, at supervise.Located, w schema.WorkspaceID, edge func(schema.TableName) schema.Ticks) error {
	spans, err := d.cfg.Catalog.TableSpans(ctx, at.Account)
	if err != nil {
		return err
	}
	for _, t := range spans {
		if t.Workspace != w {
			continue
		}
		before := edge(t.Table)
		if t.MinTime >= before {
			continue
		}
		segments, err := d.cfg.Catalog.OldSegments(ctx, at.Account, w, t.Table, before, schema.HistoryFrom(before))
		if err != nil {
			return err
		}
		for _, s := range segments {
			stay := schema.Stay{First: s.MinTime, Last: s.MaxTime, Created: schema.TicksOf(s.Created)}
			if !stay.Due(before) {
				continue
			}
			o := due[at.Domain]
			if o == nil {
				o = &overdue{whole: map[schema.AccountID][]catalog.Segment{}}
				due[at.Domain] = o
			}
			if r := (wire.Retained{Workspace: w, Table: t.Table, Edge: before}); !slices.Contains(o.tables, r) {
				o.tables = append(o.tables, r)
			}
			if stay.Expired(before) {
				o.whole[at.Account] = append(o.whole[at.Account], s)
			}
		}
	}
	return nil
}

// expire removes objects without the key. No worker has the accounts meanwhile.
func (d *Domains) expire(ctx context.Context, domain schema.ClusterID, whole map[schema.AccountID][]catalog.Segment) error {
	d.placing.Lock()
	defer d.placing.Unlock()
	for id, segments := range whole {
		a, err := d.cfg.Catalog.Account(ctx, id)
		if err != nil {
			return err
		}
		err = d.shutWhile(ctx, a, func() error {
			// Noted first: an object that is missing without it is damage.
			if err := d.cfg.Catalog.SetAside(ctx, catalog.Expired, segments); err != nil {
				return err
			}
			return d.removeObjects(ctx, domain, id, segments)
		})
		if err := errors.Join(err, d.openIn(context.WithoutCancel(ctx), domain)); err != nil {
			return fmt.Errorf("retention in account %s: %w", id, err)
		}
		d.cfg.Log.Info("segments were removed whose rows are older than their tables keep, without the key", "account", string(id), "segments", len(segments))
	}
	return nil
}

// removeObjects removes sealed objects of an account that nobody has open.
func (d *Domains) removeObjects(ctx context.Context, domain schema.ClusterID, id schema.AccountID, segments []catalog.Segment) error {
	if s := d.cfg.Storage; s != nil {
		for _, g := range segments {
			name := string(id) + "/objects/" + string(g.ID)
			s.Cache.Leave(name)
			if err := s.Bucket.Remove(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
	folder := filepath.Join(inventory.Of(d.cfg.Accounts, domain, id), "objects")
	for _, s := range segments {
		if err := os.Remove(filepath.Join(folder, string(s.ID))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Purge implements control.Domains. Faults about keys say what to do.
func (d *Domains) Purge(ctx context.Context, w control.Workspace, operation string, table schema.Table, filters []purge.Filter) (rows int64, err error) {
	text, err := json.Marshal(filters)
	if err != nil {
		return 0, err
	}
	at, err := d.whereabouts(ctx, w.CustomerID)
	if errors.Is(err, catalog.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, domain := range at.domains() {
		worker, err := d.sup.Worker(ctx, domain)
		var done wire.Purged
		if err == nil {
			done, err = worker.Purge(ctx, wire.Purge{Workspace: w.CustomerID, Table: table, Filters: text})
		}
		if err != nil {
			return rows, d.keyFault(domain, err)
		}
		rows += done.Rows
		purged := make([]catalog.Purge, len(done.Segments))
		for i, id := range done.Segments {
			purged[i] = catalog.Purge{Segment: id, Operation: operation, Workspace: w.CustomerID, Table: table.Name}
		}
		if err := d.cfg.Catalog.NotePurged(ctx, purged); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// Readable implements control.Domains: nil if the keys of all that the workspace
// has can be used now, or a fault that says what to do.
func (d *Domains) Readable(ctx context.Context, w control.Workspace) error {
	at, err := d.whereabouts(ctx, w.CustomerID)
	if err != nil {
		return err
	}
	for _, domain := range at.domains() {
		if _, err := d.sup.Worker(ctx, domain); err != nil {
			return d.keyFault(domain, err)
		}
	}
	return nil
}

// OpenAll has an account's worker open every record of its segments. The error
// says why it can't.
func (d *Domains) OpenAll(ctx context.Context, domain schema.ClusterID, id schema.AccountID) (wire.Checked, error) {
	w, err := d.sup.Worker(ctx, domain)
	if err != nil {
		return wire.Checked{}, d.keyFault(domain, err)
	}
	c, err := w.Check(ctx, wire.Check{Account: id})
	return c, d.keyFault(domain, err)
}

// PutAside takes segments out of use that can't be read. What is left of their
// objects is kept in the account's folder "aside". It needs no key.
func (d *Domains) PutAside(ctx context.Context, id schema.AccountID, damaged []catalog.Segment) error {
	d.placing.Lock()
	defer d.placing.Unlock()
	a, err := d.cfg.Catalog.Account(ctx, id)
	if err != nil {
		return err
	}
	if err := d.retire(ctx, supervise.Located{Domain: a.Domain, Account: id}); err != nil {
		return err
	}
	err = d.shutWhile(ctx, a, func() error {
		if err := d.cfg.Catalog.SetAside(ctx, catalog.Damaged, damaged); err != nil {
			return err
		}
		return d.keepAside(ctx, a.Domain, id, damaged)
	})
	if err := errors.Join(err, d.openIn(context.WithoutCancel(ctx), a.Domain)); err != nil {
		return fmt.Errorf("set segments of account %s aside: %w", id, err)
	}
	return nil
}

// TakeBack puts a segment to use again that was set aside.
func (d *Domains) TakeBack(ctx context.Context, s catalog.Segment) error {
	d.placing.Lock()
	defer d.placing.Unlock()
	a, err := d.cfg.Catalog.Account(ctx, s.Account)
	if err != nil {
		return err
	}
	if err := d.retire(ctx, supervise.Located{Domain: a.Domain, Account: a.ID}); err != nil {
		return err
	}
	err = d.shutWhile(ctx, a, func() error { return d.cfg.Catalog.TakeBack(ctx, s.ID) })
	return errors.Join(err, d.openIn(context.WithoutCancel(ctx), a.Domain))
}
