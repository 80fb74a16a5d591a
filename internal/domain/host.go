package domain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

var _ supervise.Host = (*Domains)(nil)

// Accounts implements supervise.Host. The accounts' folders are in place then.
func (d *Domains) Accounts(ctx context.Context, domain schema.ClusterID) ([]wire.Account, error) {
	// Asked before the catalog is read: who shuts an account after this waits for
	// this start to end, and who opened it again before this has changed what is
	// read below. Asked later, an account could be given away and open again
	// between the two, and two workers would open it.
	shut := d.shutNow()
	out, err := d.accountsOf(ctx, domain)
	if err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(a wire.Account) bool { return shut[a.ID] })
	for i, a := range out {
		out[i].Seen = d.entry(a.ID)
		if err := d.settle(domain, a.ID); err != nil {
			return nil, err
		}
	}
	if err := d.handOver(ctx, domain, out); err != nil {
		return nil, fmt.Errorf("hand over the spools of key domain %s: %w", domain, err)
	}
	used := map[string]bool{}
	for _, a := range out {
		for _, r := range a.Records {
			used[r.KID.String()] = true
		}
	}
	d.noteUse(ctx, domain, slices.Collect(maps.Keys(used)))
	d.fillCache(domain, out)
	for _, a := range out {
		if len(a.Manifest.Packed) > keptFrom*usualPacked {
			d.repackSoon(a.ID)
		}
	}
	return out, nil
}

// describe collects what a worker must know of an account. An account that is
// being made, and has no key yet, is not covered.
func (d *Domains) describe(ctx context.Context, tx *catalog.Tx, a catalog.Account) (out wire.Account, covered bool, err error) {
	if out, covered, err = keysOf(ctx, tx, a); err == nil && covered {
		out.Manifest, err = d.manifestOf(ctx, tx, a.ID)
	}
	return out, covered, err
}

// keysOf is describe without the account's manifest.
func keysOf(ctx context.Context, tx *catalog.Tx, a catalog.Account) (out wire.Account, covered bool, err error) {
	out = wire.Account{ID: a.ID, Workspace: a.Workspace, Cluster: schema.ServiceCluster}
	if a.Kind == ofCluster {
		out.Cluster = a.Domain
	}
	if out.Records, err = readRecords(ctx, tx, a.ID); err != nil || len(out.Records) == 0 {
		return out, false, err
	}
	out.Tenant = out.Records[0].Tenant
	return out, true, nil
}

// manifestOf is an account's manifest as the catalog has it.
func (d *Domains) manifestOf(ctx context.Context, tx *catalog.Tx, id schema.AccountID) (out wire.Manifest, err error) {
	m, err := tx.Manifest(ctx, id)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return out, err
	}
	// Without a manifest there must be no segments; who has the key judges that.
	if out, err = d.manifests.segments(ctx, tx, id, m); err != nil {
		return out, err
	}
	aside, err := tx.Asides(ctx, id)
	if err != nil || len(aside) == 0 {
		return out, err
	}
	segments, err := out.Segments()
	if err != nil {
		return out, err
	}
	named := make(map[schema.SegmentID]bool, len(segments))
	for _, s := range segments {
		named[s.ID] = true
	}
	for _, s := range aside { // of which the manifest may have forgotten some
		if named[s.ID] {
			out.Aside = append(out.Aside, s.ID)
		}
	}
	return out, nil
}

func wireSegment(s catalog.Segment) wire.Segment {
	return wire.Segment{
		ID: s.ID, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows, Bytes: s.Bytes,
		MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created,
	}
}

// Account implements supervise.Host: what a reader must know to open an account
// that it may open. It asks for the manifest when it follows it.
func (d *Domains) Account(ctx context.Context, h supervise.Holding, id schema.AccountID) (wire.Account, error) {
	var out wire.Account
	domain, err := d.readable(ctx, h, id, func(tx *catalog.Tx, a catalog.Account) (covered bool, err error) {
		out, covered, err = keysOf(ctx, tx, a)
		out.Folder = inventory.Of(d.cfg.Accounts, a.Domain, id)
		return covered, err
	})
	if err != nil {
		return out, err
	}
	used := map[string]bool{}
	for _, r := range out.Records {
		used[r.KID.String()] = true
	}
	// A reader opens its accounts one by one; one note tells of all.
	fresh := slices.DeleteFunc(slices.Collect(maps.Keys(used)), func(kid string) bool { return !d.stale(domain, kid) })
	if len(fresh) > 0 {
		d.noteUse(ctx, domain, fresh)
	}
	return out, nil
}

// stale reports whether the use of a key version was last noted for a domain a
// while ago, and takes it as noted now.
func (d *Domains) stale(domain schema.ClusterID, kid string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, key := d.cfg.Now(), string(domain)+" "+kid
	if at, ok := d.noted[key]; ok && now.Sub(at) < 10*time.Second {
		return false
	}
	d.noted[key] = now
	return true
}

// Manifest implements supervise.Host.
func (d *Domains) Manifest(ctx context.Context, h supervise.Holding, of wire.ManifestOf) (wire.Manifest, error) {
	if m, ok := d.difference(ctx, h, of); ok {
		return m, nil
	}
	var out wire.Manifest
	_, err := d.readable(ctx, h, of.Account, func(tx *catalog.Tx, a catalog.Account) (bool, error) {
		var err error
		out, err = d.manifestOf(ctx, tx, a.ID)
		return true, err
	})
	return out, err
}

// readable reads what a reader asks for of an account that it may open.
func (d *Domains) readable(ctx context.Context, h supervise.Holding, id schema.AccountID, read func(*catalog.Tx, catalog.Account) (covered bool, err error)) (domain schema.ClusterID, err error) {
	moving := fault.New(fault.ServiceUnavailable, "The storage account is moving to another process. Try again.").WithRetryAfter(1)
	if d.shutNow()[id] {
		return "", moving
	}
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		a, err := tx.Account(ctx, id)
		if err != nil {
			return err
		}
		if !h.May(supervise.Located{Domain: a.Domain, Account: id}) {
			return fault.New(fault.AuthorizationFailed, "A reader asked for an account that it may not open.")
		}
		domain = a.Domain
		covered, err := read(tx, a)
		if err == nil && !covered {
			err = moving
		}
		return err
	})
	return domain, err
}

// Token implements supervise.Host: a process gets tokens of the identities of
// its own clusters and of the service's, and no others.
func (d *Domains) Token(ctx context.Context, clusters []schema.ClusterID, r wire.TokenRequest) (wire.Token, error) {
	// A token for anything but a vault would let a worker act as the cluster elsewhere.
	audience, isURL := strings.CutPrefix(r.Audience, "https://")
	if err := d.cfg.Policy.Allowed("https://any." + audience); !isURL || err != nil {
		return wire.Token{}, fault.New(fault.AuthorizationFailed, "A worker asked for a token that is not for a vault.").Because(err)
	}
	principal := d.cfg.Service.Principal
	if r.Owner != (wire.Owner{}) {
		if !slices.Contains(clusters, r.Owner.Cluster) {
			return wire.Token{}, fault.New(fault.AuthorizationFailed, "A worker asked for the identity of another cluster.")
		}
		if principal = d.holder(r.Owner.Cluster).Principal; principal == "" {
			return wire.Token{}, fault.New(fault.IdentityRemoved, "The cluster has no identity.")
		}
	}
	token, expires, err := d.cfg.Tokens.TokenFor(ctx, principal, r.Audience)
	if err != nil {
		return wire.Token{}, fmt.Errorf("token for %s: %w", principal, err)
	}
	return wire.Token{Token: token, Expires: expires}, nil
}

// Commit implements supervise.Host.
func (d *Domains) Commit(ctx context.Context, domain schema.ClusterID, c wire.Commit) error {
	add := make([]catalog.Segment, len(c.Add))
	for i, s := range c.Add {
		add[i] = catalog.Segment{
			ID: s.ID, Account: c.Account, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows,
			Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created,
		}
	}
	by := "" // nothing was written if this is the same change again
	err := d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		by = ""
		a, err := tx.Account(ctx, c.Account)
		if err != nil {
			return err
		}
		if a.Domain != domain {
			return fault.New(fault.Conflict, "The storage account belongs to another key domain now.")
		}
		old, err := tx.Manifest(ctx, c.Account)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		switch {
		case c.Seq == old.Seq && bytes.Equal(c.MAC, old.MAC): // sent again by a worker that did not hear the answer
			return nil
		case c.Seq != old.Seq+1:
			return fault.New(fault.Conflict, "Change %d of the storage account does not follow change %d.", c.Seq, old.Seq)
		case c.Floor > old.Floor:
			by = byFlush
		default:
			by = byRewrite
		}
		return tx.CommitSegments(ctx, c.Account, add, c.Remove, catalog.Manifest{Seq: c.Seq, Floor: c.Floor, MAC: c.MAC})
	})
	if err == nil && by != "" {
		d.changes.note(c)
		d.manifests.note(c)
		if c.Seq%repackEach == 0 {
			d.repackSoon(c.Account)
		}
		d.cfg.Metrics.wrote(domain, by, c.Add)
	}
	return err
}

// wraps puts records into the words of the catalog.
func wraps(records []wrap.Record) ([]catalog.Wrap, error) {
	out := make([]catalog.Wrap, len(records))
	for i, r := range records {
		text, err := r.Encode()
		if err != nil {
			return nil, err
		}
		out[i] = catalog.Wrap{Account: r.Account, Generation: r.Generation, KID: r.KID.String(), Record: text, Created: r.Created}
	}
	return out, nil
}
