package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/control"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
)

var _ control.Keys = (*Domains)(nil)

// A credential gives the keeper tokens of one identity.
type credential struct {
	tokens    Tokens
	principal string
}

// GetToken implements azcore.TokenCredential. An identity that is gone is the
// one thing that is a denial and not silence.
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	var audience string
	if len(o.Scopes) > 0 {
		audience = strings.TrimSuffix(o.Scopes[0], "/.default")
	}
	token, expires, err := c.tokens.TokenFor(ctx, c.principal, audience)
	if errors.Is(err, fs.ErrNotExist) {
		return azcore.AccessToken{}, &kek.Denied{Op: "sign in", Code: "IdentityNotFound", Message: "the identity that may use the key does not exist any more"}
	}
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{Token: token, ExpiresOn: expires}, nil
}

// Check implements control.Keys.
func (d *Domains) Check(ctx context.Context, h control.Holder, id kek.ID, bits int32) error {
	if h.Principal == "" {
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: "the cluster has no identity that could use it"}
	}
	v, err := d.Open(keyring.Cluster{ID: h.Cluster, Tenant: h.Tenant, Identity: h.Principal}, id.VaultURI)
	if err != nil {
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: err.Error()}
	}
	checked, err := kek.Check(ctx, v, id, d.cfg.Now)
	if k := checked.Key; err == nil && strings.HasPrefix(k.Type, "RSA") && k.Bits < int(bits) {
		return &kek.Unfit{Key: k.ID, Why: kek.Unsupported, Detail: fmt.Sprintf("it has %d bits, and keyRsaSize asks for %d at least", k.Bits, bits)}
	}
	return err
}

// SetKey implements control.Keys.
func (d *Domains) SetKey(ctx context.Context, h control.Holder, id kek.ID) error {
	if err := d.watch(ctx, h); err != nil {
		return err
	}
	if err := d.ring.SetKey(ctx, h.Cluster, id); err != nil || !h.Settings.CoverExistingData {
		return d.changeFault(h.Cluster, err)
	}
	if err := d.ring.Embrace(ctx, h.Cluster); err != nil {
		return d.changeFault(h.Cluster, err)
	}
	return d.scrub(ctx)
}

// changeFault words for the client that a change of keys needs the keys of now,
// and that they can't be had.
func (d *Domains) changeFault(cluster schema.ClusterID, err error) error {
	if _, ok := errors.AsType[*keyring.Unavailable](err); ok {
		err = fmt.Errorf("%w: %w", supervise.ErrNoLease, err)
	}
	return d.keyFault(cluster, err)
}

// scrub waits until what was erased from the catalog is in none of its files.
// Readers of an older state are in the way for moments.
func (d *Domains) scrub(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := d.cfg.Catalog.Scrub(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// ClearKey implements control.Keys.
func (d *Domains) ClearKey(ctx context.Context, h control.Holder) error {
	if err := d.watch(ctx, h); err != nil {
		return err
	}
	return d.changeFault(h.Cluster, d.ring.ClearKey(ctx, h.Cluster))
}

// Watch implements control.Keys.
func (d *Domains) Watch(ctx context.Context, h control.Holder, id kek.ID) error {
	return d.watch(ctx, h)
}

// Forget implements control.Keys.
func (d *Domains) Forget(ctx context.Context, cluster schema.ClusterID) error {
	d.ring.Forget(cluster)
	if _, _, err := d.sup.Settled(ctx, cluster); err != nil {
		return err
	}
	for _, r := range d.sup.Living(cluster) {
		r.End("the cluster is deleted")
		select {
		case <-r.Gone():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.forgetSpools(cluster)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.holders, cluster)
	return nil
}

// Status implements control.Keys.
func (d *Domains) Status(cluster schema.ClusterID) (control.KeyStatus, bool) {
	s := d.ring.Status(cluster)
	if s.State == keyring.Unknown || s.Setting.IsZero() {
		return control.KeyStatus{}, false
	}
	reason := s.Reason
	if reason == "" {
		reason = s.Rotation
	}
	return control.KeyStatus{
		State: s.State.String(), Reason: reason, Since: s.Since, LastUnwrap: s.LastUnwrap, NextProbe: s.NextProbe, Version: s.Version.Version, Expires: s.Expires,
		Spool: d.spoolStatus(cluster),
	}, true
}
