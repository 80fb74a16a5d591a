package domain

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// Append brings rows to the worker that holds the workspace's data and returns
// when they are durable. Faults about keys say what to do.
func (d *Domains) Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	g := d.gate(w.CustomerID)
	g.RLock()
	defer g.RUnlock()
	r.Workspace = w.CustomerID
	domain, linked, err := d.takes(ctx, w)
	if err != nil {
		return wire.Appended{}, err
	}
	if r.Account = serviceAccount(w.CustomerID); linked {
		r.Account = clusterAccount(domain, w.CustomerID, r.Table.Name)
	}
	worker, err := d.sup.Worker(ctx, domain)
	if err != nil {
		err = d.keyFault(domain, err)
		if d.seals(w, domain, err) {
			return d.sealRows(ctx, domain, r, body, err)
		}
		return wire.Appended{}, err
	}
	done, err := worker.Append(ctx, r, body)
	if err == nil {
		d.heard(r.Account, done.Entry)
	}
	return done, d.keyFault(domain, err)
}

// Ready tells whether rows of a workspace can be appended now: the fault is the
// one that Append would return.
func (d *Domains) Ready(ctx context.Context, w control.Workspace) error {
	g := d.gate(w.CustomerID)
	g.RLock()
	defer g.RUnlock()
	domain, _, err := d.takes(ctx, w)
	if err != nil {
		return err
	}
	if _, err = d.sup.Worker(ctx, domain); err != nil {
		if err = d.keyFault(domain, err); d.seals(w, domain, err) {
			return nil
		}
	}
	return err
}

// takes is the key domain that takes a workspace's rows, and whether it is that
// of the cluster that it is linked to.
func (d *Domains) takes(ctx context.Context, w control.Workspace) (domain schema.ClusterID, linked bool, err error) {
	if l := w.Link; l != nil && l.State == resource.Succeeded {
		return l.ClusterID, true, nil
	}
	domain, err = d.domainOf(ctx, w.CustomerID)
	return domain, false, err
}

// domainOf is the key domain that holds a workspace's own account.
func (d *Domains) domainOf(ctx context.Context, w schema.WorkspaceID) (schema.ClusterID, error) {
	a, err := d.cfg.Catalog.Account(ctx, serviceAccount(w))
	if err != nil {
		return "", err
	}
	return a.Domain, nil
}

// word words for the control plane why the accounts of a cluster could not be
// placed. What passes by itself (a worker that lacks its lease for a moment, a
// key's vault that was too slow) is ServiceUnavailable: then the work is done again.
func (d *Domains) word(cluster schema.ClusterID, err *error) {
	if *err == nil {
		return
	}
	*err = d.changeFault(cluster, *err)
	_, silent := errors.AsType[*kek.Silent](*err)
	unreached := errors.Is(*err, fault.CustomerManagedKeyUnreachable) && d.ring.Status(cluster).State.Serves()
	if silent || unreached || errors.Is(*err, context.DeadlineExceeded) {
		*err = fault.New(fault.ServiceUnavailable, "A key that is needed could not be used in time. Try again.").WithRetryAfter(1).Because(*err)
	}
}

// keyFault words an error for the client if the domain's key is its cause: a
// worker that was refused, or that ended under a call.
func (d *Domains) keyFault(domain schema.ClusterID, err error) error {
	if err == nil {
		return nil
	}
	keys := errors.Is(err, supervise.ErrNoLease) || errors.Is(err, supervise.ErrGone)
	for _, c := range [...]fault.Code{fault.CustomerManagedKeyRevoked, fault.CustomerManagedKeyUnreachable, fault.CustomerManagedKeyDamaged} {
		keys = keys || errors.Is(err, c)
	}
	if !keys {
		return err
	}
	s := d.ring.Status(domain)
	if domain == schema.ServiceCluster || s.Setting.IsZero() && s.State != keyring.Damaged {
		if s = d.ring.Status(schema.ServiceCluster); s.State.Serves() && errors.Is(err, supervise.ErrGone) {
			return err
		}
		return fault.New(fault.ServiceUnavailable, "The service's own key can't be used now. Try again; if it stays, the operator finds the cause in the server's log.").WithRetryAfter(5).Because(err)
	}
	since, reason := s.Since.UTC().Format(time.RFC3339), strings.TrimSuffix(s.Reason, ".")
	switch s.State {
	case keyring.Revoked:
		return fault.New(fault.CustomerManagedKeyRevoked, "The customer-managed key of cluster '%s' is revoked since %s: %s. Repair the key '%s': enable or recover it and restore the cluster's permissions; access returns by itself.%s", d.name(domain), since, reason, s.Setting, d.waitingWords(domain)).Because(err)
	case keyring.Damaged:
		return fault.New(fault.CustomerManagedKeyDamaged, "The customer-managed key of cluster '%s' can't be used since %s: %s. Restore the cluster's key records, or the key, from a backup.%s", d.name(domain), since, reason, d.waitingWords(domain)).Because(err)
	case keyring.Unreachable:
		return fault.New(fault.CustomerManagedKeyUnreachable, "The vault of the customer-managed key of cluster '%s' does not answer since %s: %s. Access returns when it answers.%s", d.name(domain), since, reason, d.waitingWords(domain)).WithRetryAfter(5).Because(err)
	}
	if errors.Is(err, supervise.ErrNoLease) {
		return fault.New(fault.ServiceUnavailable, "Cluster '%s' is about to serve again. Try again.", d.name(domain)).WithRetryAfter(1).Because(err)
	}
	return err
}
