package domain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

var (
	_ keyring.Book    = (*Domains)(nil)
	_ keyring.Workers = (*Domains)(nil)
)

// Renew implements keyring.Workers.
func (d *Domains) Renew(cluster schema.ClusterID, until time.Time) {
	d.sup.Renew(cluster, until)
	d.lightCache(cluster)
	d.importWaiting(cluster)
}

// Revoke implements keyring.Workers.
func (d *Domains) Revoke(cluster schema.ClusterID, s keyring.Status) {
	reason := "its key is " + s.State.String()
	if s.Reason != "" {
		reason += ": " + s.Reason
	}
	d.sup.Revoke(cluster, reason)
	d.forgetCache(cluster)
	if d.cfg.Revoked != nil {
		d.cfg.Revoked()
	}
}

// NewGeneration implements keyring.Workers. Accounts of workspaces are given
// keys by the service's worker, whichever domain holds them.
func (d *Domains) NewGeneration(ctx context.Context, cluster schema.ClusterID, kid, outer kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error) {
	owner, c := d.owner(cluster)
	r := wire.Generate{Key: kid, Outer: outer, Owner: owner, Canary: true}
	for _, id := range accounts {
		known, err := d.cfg.Catalog.Wraps(ctx, id)
		if err != nil {
			return nil, wrap.Canary{}, err
		}
		a := wire.Account{ID: id, Tenant: c.Tenant, Cluster: cluster}
		for _, w := range known {
			rec, err := wrap.DecodeRecord(w.Record)
			if err != nil {
				return nil, wrap.Canary{}, err
			}
			a.Records = append(a.Records, rec)
		}
		r.Accounts = append(r.Accounts, a)
	}
	w, err := d.sup.Worker(ctx, cluster)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	return answered(w.Generate(ctx, r))
}

// Rewrap implements keyring.Workers.
func (d *Domains) Rewrap(ctx context.Context, cluster schema.ClusterID, kid kek.ID, records []wrap.Record) ([]wrap.Record, wrap.Canary, error) {
	w, err := d.sup.Worker(ctx, cluster)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	owner, _ := d.owner(cluster)
	return answered(w.Rewrap(ctx, wire.Rewrap{Records: records, Key: kid, Owner: owner}))
}

func answered(g wire.Generated, err error) ([]wrap.Record, wrap.Canary, error) {
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	if g.Canary == nil {
		return nil, wrap.Canary{}, errors.New("the worker made no canary")
	}
	return g.Records, *g.Canary, nil
}

// Adopt implements keyring.Workers. A worker that can't be told is ended: the
// next one starts from the page.
func (d *Domains) Adopt(ctx context.Context, cluster schema.ClusterID, page keyring.Page) error {
	held := map[schema.ClusterID][]wrap.Record{}
	for _, r := range page.Records {
		a, err := d.cfg.Catalog.Account(ctx, r.Account)
		if err != nil {
			return err
		}
		held[a.Domain] = append(held[a.Domain], r)
	}
	var failed error
	for domain, records := range held {
		// One that is starting may have been told the page before.
		w, ok, err := d.sup.Settled(ctx, domain)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := w.Adopt(ctx, wire.Adopt{Records: records}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tell the worker of key domain %s: %w", domain, err))
			w.End("it could not take over a new page of keys")
		}
	}
	return failed
}

// owner is whose identity and whose name new records of a cluster carry.
func (d *Domains) owner(cluster schema.ClusterID) (wire.Owner, keyring.Cluster) {
	c := keyring.Cluster{ID: cluster, Tenant: d.cfg.Service.Tenant}
	if cluster != schema.ServiceCluster {
		c.Tenant = d.holder(cluster).Tenant
	}
	return wire.Owner{Tenant: c.Tenant, Cluster: cluster}, c
}

// Open is keyring.Config's Open: a vault as a cluster's identity sees it.
func (d *Domains) Open(c keyring.Cluster, vaultURI string) (kek.Vault, error) {
	if err := d.cfg.Policy.Allowed(vaultURI); err != nil {
		return nil, err
	}
	return kek.NewClient(vaultURI, kek.Config{
		Credential: credential{d.cfg.Tokens, c.Identity},
		Dial:       d.cfg.Policy.Dial,
		Roots:      d.cfg.Roots,
	})
}
