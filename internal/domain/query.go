package domain

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// A whereabouts is where the rows of a workspace are.
type whereabouts struct {
	own      schema.ClusterID   // the key domain of the workspace's own account
	clusters []schema.ClusterID // that hold, or may hold, rows of it
}

// whereabouts reads them. The workspace's gate is held.
func (d *Domains) whereabouts(ctx context.Context, w schema.WorkspaceID) (at whereabouts, err error) {
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		a, err := tx.Account(ctx, serviceAccount(w))
		if err != nil {
			return err
		}
		at.own = a.Domain
		at.clusters, err = tx.History(ctx, w)
		return err
	})
	return at, err
}

// domains are those whose workers have rows of the workspace.
func (at whereabouts) domains() []schema.ClusterID {
	if slices.Contains(at.clusters, at.own) {
		return at.clusters
	}
	return append(at.clusters[:len(at.clusters):len(at.clusters)], at.own)
}

// readable is where its rows are by table.
func (at whereabouts) readable(w schema.WorkspaceID) wire.Readable {
	r := wire.Readable{Workspace: w, Accounts: []schema.AccountID{serviceAccount(w)}}
	for _, c := range at.clusters {
		r.Spread = append(r.Spread, clusterAccounts(c))
	}
	return r
}

// accounts are those that may have rows of the workspace.
func (at whereabouts) accounts(w schema.WorkspaceID) []supervise.Located {
	list := []supervise.Located{{Domain: at.own, Account: serviceAccount(w)}}
	for _, c := range at.clusters {
		for _, id := range clusterAccounts(c) {
			list = append(list, supervise.Located{Domain: c, Account: id})
		}
	}
	return list
}

// Query runs a query over workspaces; the answer is the client's body. It runs
// in a reader that has what these workspaces need and nothing else, however
// many key domains that is (design note 0021).
func (d *Domains) Query(ctx context.Context, workspaces []control.Workspace, q wire.Query) (io.ReadCloser, error) {
	// In one order for all queries: two that wait for each other's gates behind
	// moves would wait for ever.
	sorted := slices.Clone(workspaces)
	slices.SortFunc(sorted, func(x, y control.Workspace) int { return strings.Compare(string(x.CustomerID), string(y.CustomerID)) })
	sorted = slices.CompactFunc(sorted, func(x, y control.Workspace) bool { return x.CustomerID == y.CustomerID })
	located := map[supervise.Located]bool{}
	for _, w := range sorted {
		g := d.gate(w.CustomerID)
		g.RLock()
		defer g.RUnlock()
		at, err := d.whereabouts(ctx, w.CustomerID)
		if err != nil {
			return nil, err
		}
		q.Readable = append(q.Readable, at.readable(w.CustomerID))
		for _, a := range at.accounts(w.CustomerID) {
			located[a] = true
		}
	}
	h, by := holding(located)
	var worker *supervise.Worker
	release := func() {}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		var err error
		worker, release, err = d.sup.Reader(gctx, h, q.Likely()...)
		return d.keysFault(h.Clusters, err)
	})
	var waiting []schema.ClusterID
	var marks []wire.Mark
	group.Go(func() error {
		var err error
		marks, waiting, err = d.marks(gctx, by, true)
		return err
	})
	err := group.Wait()
	var answer io.ReadCloser
	if err == nil {
		q.Marks = marks
		answer, err = worker.Query(ctx, q)
	}
	if wanted, ok := errors.AsType[*wire.Wanted](err); ok && wanted.Marks {
		waiting = nil
		if q.Marks, _, err = d.marks(ctx, by, false); err == nil {
			answer, err = worker.Query(ctx, q)
		}
	}
	err = d.keysFault(h.Clusters, err)
	for _, domain := range waiting {
		d.startSoon(domain)
	}
	if err != nil {
		release()
		return nil, err
	}
	return &held{ReadCloser: answer, release: sync.OnceFunc(release)}, nil
}

// held is an answer that keeps its reader until it is closed.
type held struct {
	io.ReadCloser
	release func()
}

// Close implements io.Closer.
func (h *held) Close() error {
	defer h.release()
	return h.ReadCloser.Close()
}

// holding is what a reader of the accounts needs, and the accounts by domain.
// One domain's reader serves all queries over it.
func holding(located map[supervise.Located]bool) (h supervise.Holding, by map[schema.ClusterID][]schema.AccountID) {
	by = map[schema.ClusterID][]schema.AccountID{}
	for a := range located {
		by[a.Domain] = append(by[a.Domain], a.Account)
		h.Accounts = append(h.Accounts, a)
	}
	for c := range by {
		if c != schema.ServiceCluster || len(by) == 1 { // the service's lease is every reader's
			h.Clusters = append(h.Clusters, c)
		}
	}
	slices.Sort(h.Clusters)
	slices.SortFunc(h.Accounts, func(x, y supervise.Located) int { return strings.Compare(string(x.Account), string(y.Account)) })
	if len(by) == 1 {
		h.Accounts = nil
	}
	return h, by
}

// keysFault is keyFault for who needs several keys: it tells of the first that
// can't be used.
func (d *Domains) keysFault(clusters []schema.ClusterID, err error) error {
	if err == nil {
		return nil
	}
	for _, c := range clusters {
		if s := d.ring.Status(c); !s.State.Serves() {
			return d.keyFault(c, err)
		}
	}
	return d.keyFault(clusters[0], err)
}

// retire has readers let go of an account that moves or goes. Its workspace's
// gate is held, so no query reads it.
func (d *Domains) retire(ctx context.Context, a supervise.Located) error {
	for _, r := range d.sup.Readers(a) {
		err := errors.New("it may have no other account")
		if len(r.Holding.Accounts) == 0 {
			err = r.Release(ctx, wire.Release{Accounts: []schema.AccountID{a.Account}})
		}
		if err == nil {
			continue
		}
		r.End("an account that it read goes elsewhere")
		select {
		case <-r.Gone():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
