package keyface

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// change is the body of create and update. What is absent stays as it is.
type change struct {
	Kind       string `json:"kty"`
	Bits       *int   `json:"key_size"`
	Curve      string `json:"crv"`
	Exponent   *int   `json:"public_exponent"`
	Attributes struct {
		Enabled    *bool  `json:"enabled"`
		NotBefore  *int64 `json:"nbf"`
		Expires    *int64 `json:"exp"`
		Exportable *bool  `json:"exportable"`
	} `json:"attributes"`
	Ops     []string          `json:"key_ops"`
	Tags    map[string]string `json:"tags"`
	Release *struct{}         `json:"release_policy"`
}

// spec is the key that a body asks for.
func (b change) spec() (material.Spec, error) {
	switch {
	case b.Kind == "":
		return material.Spec{}, bad("Property kty is required: RSA or EC.")
	case strings.HasSuffix(b.Kind, "-HSM"):
		return material.Spec{}, bad("Key type %q needs an HSM, and this vault has none. Use %s.", clip(b.Kind), strings.TrimSuffix(clip(b.Kind), "-HSM"))
	case b.Exponent != nil && *b.Exponent != 0 && *b.Exponent != 65537:
		return material.Spec{}, bad("Property public_exponent can only be 65537.")
	}
	s := material.Spec{Kind: material.Kind(clip(b.Kind))}
	switch s.Kind {
	case material.RSA:
		s.Bits = 2048
		if b.Bits != nil && *b.Bits != 0 {
			s.Bits = *b.Bits
		}
	case material.EC:
		s.Curve = cmp.Or(clip(b.Curve), "P-256")
	}
	return s, unfit(s.Check())
}

// allOps are the operations of a key whose maker named none.
var allOps = map[material.Kind][]string{
	material.RSA: {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"},
	material.EC:  {"sign", "verify"},
}

// apply changes v as the body says.
func (b change) apply(v *keystore.Version) error {
	if b.Release != nil || b.Attributes.Exportable != nil && *b.Attributes.Exportable {
		return bad("Keys of this vault are not exportable and have no release policy.")
	}
	if b.Ops != nil {
		ops := []string{}
		for _, op := range b.Ops {
			if !slices.Contains(allOps[v.Kind], op) {
				return bad("Property key_ops: %q is not an operation of a key of type %s; those are %s.", clip(op), v.Kind, strings.Join(allOps[v.Kind], ", "))
			}
			if !slices.Contains(ops, op) {
				ops = append(ops, op)
			}
		}
		v.Ops = ops
	}
	if b.Tags != nil {
		if len(b.Tags) > 15 {
			return bad("A key can have at most 15 tags.")
		}
		for name, value := range b.Tags {
			if len(name) > 256 || len(value) > 256 {
				return bad("A tag's name and value can have at most 256 characters each.")
			}
		}
		v.Tags = b.Tags
	}
	a := b.Attributes
	if a.Enabled != nil {
		v.Enabled = *a.Enabled
	}
	v.NotBefore, v.Expires = cmp.Or(a.NotBefore, v.NotBefore), cmp.Or(a.Expires, v.Expires)
	for _, at := range []*int64{v.NotBefore, v.Expires} {
		if at != nil && (*at < 0 || *at >= 253402300800) { // the year 10000
			return bad("Properties nbf and exp are seconds since 1970.")
		}
	}
	if v.NotBefore != nil && v.Expires != nil && *v.Expires <= *v.NotBefore {
		return bad("Property exp must be later than nbf.")
	}
	return nil
}

// fresh is the first version of a new key, and what kind of key it is.
func (b change) fresh() (keystore.Version, material.Spec, error) {
	spec, err := b.spec()
	if err != nil {
		return keystore.Version{}, spec, err
	}
	now := time.Now().Unix()
	v := keystore.Version{Kind: spec.Kind, Ops: allOps[spec.Kind], Enabled: true, Created: now, Updated: now}
	return v, spec, b.apply(&v)
}

func (c *call) create(url.Values) (any, error) {
	b, err := body[change](c)
	if err != nil {
		return nil, err
	}
	v, spec, err := b.fresh()
	if err != nil {
		return nil, err
	}
	// Making a key takes long: it is done before anyone has to wait for us,
	// and only if it may be of use.
	if err := c.Store.View(c.ctx, func(t *keystore.Tx) error { _, err := c.nameFree(t); return err }); err != nil {
		return nil, err
	}
	private, err := c.make(c.ctx, spec)
	if err != nil {
		return nil, err
	}
	return c.add(&v, private)
}

// nameFree returns the key that is to get a version, new or not. One whose time
// to recover is over is returned as it is: its name is free once it is dropped.
func (c *call) nameFree(t *keystore.Tx) (keystore.Key, error) {
	k, err := t.Key(c.vault.UID, c.target.name)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return keystore.Key{Vault: c.vault.UID, Name: c.target.name}, nil
	case err == nil && k.Deleted != nil && !k.Deleted.Over(time.Now()):
		return k, keyIsDeleted(k.Name)
	}
	return k, err
}

// make makes a key, two at a time: the work is the processor's.
func (f *Face) make(ctx context.Context, spec material.Spec) (*material.Private, error) {
	select {
	case f.making <- struct{}{}:
		defer func() { <-f.making }()
		return material.Generate(spec)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *call) update(url.Values) (any, error) {
	b, err := body[change](c)
	if err != nil {
		return nil, err
	}
	var k keystore.Key
	var v keystore.Version
	err = c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, v, err = liveVersion(t, c.vault, c.target.name, c.target.version); err != nil {
			return err
		}
		if err := b.apply(&v); err != nil {
			return err
		}
		v.Updated = time.Now().Unix()
		return t.PutVersion(k, v)
	})
	if err != nil {
		return nil, err
	}
	c.changed(admin.KeyUpdated, k.Name, v.ID)
	return c.bundle(k, v)
}

func (c *call) rotate(url.Values) (any, error) {
	k, v, err := c.Face.rotate(c.ctx, c.vault, c.target.name, "")
	if err != nil {
		return nil, err
	}
	return c.bundle(k, v)
}

// rotate gives a key a new version of the same type and size, with the
// operations and tags of the newest one and the expiry of its rotation policy.
// If only is not empty, it must still be the newest.
func (f *Face) rotate(ctx context.Context, vault keystore.Vault, name keystore.KeyName, only keystore.VersionID) (keystore.Key, keystore.Version, error) {
	rotatable := func(t *keystore.Tx) (keystore.Key, keystore.Version, error) {
		k, newest, err := liveVersion(t, vault, name, "")
		if err == nil && !newest.Enabled {
			err = keyDisabled("rotate")
		}
		if err == nil && only != "" && only != newest.ID {
			err = errOvertaken
		}
		return k, newest, err
	}
	var newest keystore.Version
	err := f.Store.View(ctx, func(t *keystore.Tx) (err error) { _, newest, err = rotatable(t); return err })
	if err != nil {
		return keystore.Key{}, newest, err
	}
	public, err := material.ParsePublic(newest.Public)
	if err != nil {
		return keystore.Key{}, newest, err
	}
	private, err := f.make(ctx, public.Spec())
	if err != nil {
		return keystore.Key{}, newest, err
	}
	var k keystore.Key
	var v keystore.Version
	err = f.Store.Update(ctx, func(t *keystore.Tx) error {
		var err error
		if k, newest, err = rotatable(t); err != nil {
			return err
		}
		now := time.Now()
		v = keystore.Version{Ops: newest.Ops, Tags: newest.Tags, Enabled: true, Created: now.Unix(), Updated: now.Unix()}
		if k.Rotation != nil && k.Rotation.Expiry != "" {
			d, err := parseDuration(k.Rotation.Expiry)
			if err != nil {
				return err
			}
			v.Expires = new(d.after(now).Unix())
		}
		return t.AddVersion(&k, &v, private)
	})
	if err != nil {
		return k, v, err
	}
	f.happened(vault, admin.GridNewVersion, k, v)
	f.Notice(ctx, admin.Notice{VaultURI: f.uri(vault), Key: string(k.Name), Version: string(v.ID), What: admin.KeyRotated})
	return k, v, nil
}

// errOvertaken reports that someone else rotated the key meanwhile.
var errOvertaken = errors.New("the key has a newer version already")
