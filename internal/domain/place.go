package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

var _ control.Domains = (*Domains)(nil)

// EnsureCluster implements control.Domains: the cluster has its accounts, each
// with a key, and is watched.
func (d *Domains) EnsureCluster(ctx context.Context, c control.Cluster) (err error) {
	defer d.word(c.ClusterID, &err)
	d.placing.Lock()
	defer d.placing.Unlock()
	err = d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		for i := range AccountsPerCluster {
			if err := ensureAccount(ctx, tx, catalog.Account{ID: clusterAccountAt(c.ClusterID, i), Domain: c.ClusterID, Kind: ofCluster}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h := control.Holder{Cluster: c.ClusterID, Name: c.ID.Name(), Tenant: c.Tenant, Principal: c.Identity.Principal, Settings: c.Settings, DoubleEncryption: c.DoubleEncryption}
	if err := d.watch(ctx, h); err != nil {
		return err
	}
	if err := d.ring.Cover(ctx, c.ClusterID); err != nil {
		return err
	}
	return d.openIn(ctx, c.ClusterID)
}

// EnsureWorkspace implements control.Domains: the workspace has an account of
// its own with a key.
func (d *Domains) EnsureWorkspace(ctx context.Context, w control.Workspace) (err error) {
	defer d.word(schema.ServiceCluster, &err)
	d.placing.Lock()
	defer d.placing.Unlock()
	id := serviceAccount(w.CustomerID)
	err = d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		return ensureAccount(ctx, tx, catalog.Account{ID: id, Domain: schema.ServiceCluster, Workspace: w.CustomerID, Kind: ofService})
	})
	if err != nil {
		return err
	}
	c, err := d.service(ctx)
	if err != nil {
		return err
	}
	if err := d.ring.Watch(ctx, c); err != nil {
		return err
	}
	if err := d.ring.Cover(ctx, c.ID); err != nil {
		return err
	}
	return d.openIn(ctx, schema.ServiceCluster)
}

func ensureAccount(ctx context.Context, tx *catalog.Tx, a catalog.Account) error {
	_, err := tx.Account(ctx, a.ID)
	if errors.Is(err, catalog.ErrNotFound) {
		a.Created = time.Now()
		return tx.AddAccount(ctx, a)
	}
	return err
}

// openIn has the domain's worker, if it runs, open what it does not hold yet.
// One that starts later opens everything.
func (d *Domains) openIn(ctx context.Context, domain schema.ClusterID) error {
	w, err := d.sup.Worker(ctx, domain)
	if errors.Is(err, supervise.ErrNoLease) {
		return nil
	}
	if err != nil {
		return err
	}
	accounts, err := d.Accounts(ctx, domain)
	if err != nil {
		return err
	}
	return w.Open(ctx, wire.Open{Accounts: accounts})
}

// Link implements control.Domains: the workspace's own account moves into the
// cluster's key domain, and the cluster becomes part of the workspace's history.
// What another cluster holds of it stays there. Appends and queries of the
// workspace wait meanwhile.
func (d *Domains) Link(ctx context.Context, w control.Workspace, c control.Cluster) (err error) {
	defer d.word(c.ClusterID, &err)
	d.placing.Lock()
	defer d.placing.Unlock()
	a, err := d.cfg.Catalog.Account(ctx, serviceAccount(w.CustomerID))
	if err != nil {
		return err
	}
	if err := d.cfg.Catalog.AddHistory(ctx, w.CustomerID, c.ClusterID); err != nil || a.Domain == c.ClusterID {
		return err
	}
	return d.move(ctx, a, c.ClusterID)
}

// move gives a workspace's account to another key domain.
func (d *Domains) move(ctx context.Context, a catalog.Account, to schema.ClusterID) error {
	g := d.gate(a.Workspace)
	g.Lock()
	defer g.Unlock()
	if err := d.retire(ctx, supervise.Located{Domain: a.Domain, Account: a.ID}); err != nil {
		return err
	}
	err := d.shutWhile(ctx, a, func() error {
		if d.cfg.Storage != nil { // what is in the cache belongs to the key that it is under
			d.cfg.Storage.Cache.Leave(string(a.ID) + "/")
		}
		return d.cfg.Catalog.MoveAccount(ctx, a.ID, to)
	})
	if err != nil {
		return errors.Join(err, d.openIn(context.WithoutCancel(ctx), a.Domain)) // who had it has it again
	}
	return d.openIn(ctx, to)
}

// shutWhile does something to an account while no worker has it open: neither
// the one that runs nor one that is being started.
func (d *Domains) shutWhile(ctx context.Context, a catalog.Account, do func() error) error {
	d.mu.Lock()
	d.shut[a.ID] = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.shut, a.ID)
		d.mu.Unlock()
	}()
	holder, running, err := d.sup.Settled(ctx, a.Domain)
	if err == nil && running {
		err = holder.Release(ctx, wire.Release{Accounts: []schema.AccountID{a.ID}})
	}
	if err != nil {
		return fmt.Errorf("take account %s from key domain %s: %w", a.ID, a.Domain, err)
	}
	return do()
}

// shutNow is the accounts that no worker may open.
func (d *Domains) shutNow() map[schema.AccountID]bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.shut)
}

// Unlink implements control.Domains. The workspace's account stays where it
// is: what the workspace has in the cluster goes on to be part of its history,
// and the two stay together until the workspace is linked to another.
func (d *Domains) Unlink(context.Context, control.Workspace, control.Cluster) error { return nil }

// DropCluster implements control.Domains: what the cluster holds is gone;
// workspaces keep what lies under the service's key, or in other clusters.
func (d *Domains) DropCluster(ctx context.Context, c control.Cluster) (err error) {
	defer d.word(schema.ServiceCluster, &err)
	d.placing.Lock()
	defer d.placing.Unlock()
	if err := d.Forget(ctx, c.ClusterID); err != nil {
		return err
	}
	if err := d.cfg.Catalog.RemoveHistory(ctx, "", c.ClusterID); err != nil {
		return err
	}
	accounts, err := d.cfg.Catalog.Accounts(ctx, c.ClusterID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.Kind == ofService {
			if err := d.move(ctx, a, schema.ServiceCluster); err != nil {
				return err
			}
			continue
		}
		if err := d.remove(ctx, a.ID); err != nil {
			return err
		}
	}
	if err := d.cfg.Catalog.RemoveCanary(ctx, c.ClusterID); err != nil {
		return err
	}
	folder := filepath.Join(d.cfg.Accounts, string(c.ClusterID))
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.cfg.Log.Warn("the folder of a deleted cluster could not be removed; nothing can be read in it", "folder", folder, "error", err.Error())
	}
	return nil
}

// remove erases an account: first its keys, so that what is left of its files
// is noise, then the files.
func (d *Domains) remove(ctx context.Context, id schema.AccountID) error {
	if err := d.leaving(ctx, id); err != nil {
		return err
	}
	if err := d.cfg.Catalog.RemoveAccount(ctx, id); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	d.changes.forget(id)
	d.manifests.forget(id)
	if err := d.cfg.Catalog.Scrub(ctx); err != nil {
		return err
	}
	return d.erase(ctx, id)
}

// DropWorkspace implements control.Domains: every row of the workspace is gone.
func (d *Domains) DropWorkspace(ctx context.Context, w control.Workspace) (err error) {
	defer d.word(schema.ServiceCluster, &err)
	d.placing.Lock()
	defer d.placing.Unlock()
	a, err := d.cfg.Catalog.Account(ctx, serviceAccount(w.CustomerID))
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.drop(ctx, w, wire.Drop{Workspace: w.CustomerID}); err != nil {
		return err
	}
	g := d.gate(w.CustomerID)
	g.Lock()
	defer g.Unlock()
	if err := d.retire(ctx, supervise.Located{Domain: a.Domain, Account: a.ID}); err != nil {
		return err
	}
	if err := d.cfg.Catalog.RemoveHistory(ctx, w.CustomerID, ""); err != nil {
		return err
	}
	if err := d.shutWhile(ctx, a, func() error { return d.remove(ctx, a.ID) }); err != nil {
		return err
	}
	c, err := d.service(ctx)
	if err != nil {
		return err
	}
	return d.ring.Watch(ctx, c)
}

// DropTable implements control.Domains.
func (d *Domains) DropTable(ctx context.Context, w control.Workspace, table schema.TableName) error {
	err := d.drop(ctx, w, wire.Drop{Workspace: w.CustomerID, Table: table})
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}

// drop removes rows wherever the workspace has some.
func (d *Domains) drop(ctx context.Context, w control.Workspace, r wire.Drop) error {
	at, err := d.whereabouts(ctx, w.CustomerID)
	if err != nil {
		return err
	}
	for _, domain := range at.domains() {
		worker, err := d.sup.Worker(ctx, domain)
		if err == nil {
			err = worker.Drop(ctx, r)
		}
		if err != nil {
			return d.keyFault(domain, err)
		}
	}
	return nil
}

// Worker implements control.Domains.
func (d *Domains) Worker(cluster schema.ClusterID) (pid int, since time.Time, ok bool) {
	w, ok := d.sup.Running(cluster)
	if !ok { // nobody writes, so there may be no writer
		w, ok = d.sup.Reading(cluster)
	}
	if !ok {
		return 0, time.Time{}, false
	}
	return w.PID, w.Started, true
}

// Readers implements control.Domains.
func (d *Domains) Readers(cluster schema.ClusterID) (pids []int) {
	for _, r := range d.sup.Living(cluster) {
		pids = append(pids, r.PID)
	}
	slices.Sort(pids)
	return pids
}
