package domain

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/control"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
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
func (d *Domains) Check(ctx context.Context, h control.Holder, id kek.ID) error {
	if h.Principal == "" {
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: "the cluster has no identity that could use it"}
	}
	v, err := d.Open(keyring.Cluster{ID: h.Cluster, Tenant: h.Tenant, Identity: h.Principal}, id.VaultURI)
	if err != nil {
		return &kek.Unfit{Key: id, Why: kek.Unreadable, Detail: err.Error()}
	}
	_, err = kek.Check(ctx, v, id, d.cfg.Now)
	return err
}

// SetKey implements control.Keys.
func (d *Domains) SetKey(ctx context.Context, h control.Holder, id kek.ID) error {
	if err := d.watch(ctx, h); err != nil {
		return err
	}
	return d.ring.SetKey(ctx, h.Cluster, id)
}

// ClearKey implements control.Keys.
func (d *Domains) ClearKey(ctx context.Context, h control.Holder) error {
	if err := d.watch(ctx, h); err != nil {
		return err
	}
	return d.ring.ClearKey(ctx, h.Cluster)
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
		State: s.State.String(), Reason: reason, Since: s.Since, LastUnwrap: s.LastUnwrap, NextProbe: s.NextProbe, Version: s.Version.Version,
	}, true
}
