package keyface

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// Keys that come from elsewhere, and keys that are kept elsewhere.

// imported is the body of an import.
type imported struct {
	HSM *bool `json:"hsm"`
	Key struct {
		Kind   string    `json:"kty"`
		Ops    []string  `json:"key_ops"`
		N      base64URL `json:"n"`
		E      base64URL `json:"e"`
		D      base64URL `json:"d"`
		P      base64URL `json:"p"`
		Q      base64URL `json:"q"`
		Curve  string    `json:"crv"`
		X      base64URL `json:"x"`
		Y      base64URL `json:"y"`
		Secret base64URL `json:"k"`
	} `json:"key"`
	change
}

func (c *call) importKey(url.Values) (any, error) {
	b, err := body[imported](c)
	if err != nil {
		return nil, err
	}
	n := material.Numbers{Kind: material.Kind(clip(b.Key.Kind)), N: b.Key.N, E: b.Key.E, D: b.Key.D, P: b.Key.P, Q: b.Key.Q, Curve: clip(b.Key.Curve), X: b.Key.X, Y: b.Key.Y}
	defer n.Clear()
	defer clear(b.Key.Secret)
	if b.HSM != nil && *b.HSM || strings.HasSuffix(b.Key.Kind, "-HSM") {
		return nil, bad("The key needs an HSM, and this vault has none. Import it as a software key.")
	}
	private, err := material.Import(n)
	if err != nil {
		return nil, unfit(err)
	}
	now := time.Now().Unix()
	v := keystore.Version{Kind: n.Kind, Ops: allOps[n.Kind], Enabled: true, Created: now, Updated: now}
	if b.change.Ops = b.Key.Ops; len(b.Key.Ops) == 0 {
		b.change.Ops = nil // none named: all
	}
	if err := b.apply(&v); err != nil {
		return nil, err
	}
	return c.add(&v, private)
}

// add makes private the newest version of the call's key.
func (c *call) add(v *keystore.Version, private *material.Private) (any, error) {
	return c.addWith(v, private, nil)
}

// addWith does so and sets the key's rotation policy, unless that is nil.
func (c *call) addWith(v *keystore.Version, private *material.Private, rotation *keystore.RotationPolicy) (any, error) {
	var k keystore.Key
	err := c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, err = c.nameFree(t); err != nil {
			return err
		}
		if k.Deleted != nil {
			if err := t.DropKey(k); err != nil {
				return err
			}
			k = keystore.Key{Vault: c.vault.UID, Name: c.target.name}
		}
		if rotation != nil {
			k.Rotation = rotation
		}
		return t.AddVersion(&k, v, private)
	})
	if err != nil {
		return nil, err
	}
	c.happened(c.vault, admin.GridNewVersion, k, *v)
	c.changed(admin.KeyCreated, k.Name, v.ID)
	return c.bundle(k, *v)
}

// blob is the body of a restore and the answer to a backup.
type blob struct {
	Value base64URL `json:"value"`
}

// subscription is whose vaults a backup can be restored into.
func (c *call) subscription() string {
	return c.vault.Properties.TenantID + "/" + strings.ToLower(c.vault.ID.Subscription())
}

func (c *call) backup(url.Values) (any, error) {
	var b blob
	err := c.Store.View(c.ctx, func(t *keystore.Tx) error {
		k, err := live(t, c.vault, c.target.name)
		if err != nil {
			return err
		}
		b.Value, err = t.Backup(k, c.subscription())
		return err
	})
	return b, err
}

func (c *call) restore(url.Values) (any, error) {
	in, err := body[blob](c)
	if err != nil {
		return nil, err
	}
	var k keystore.Key
	var v keystore.Version
	err = c.Store.Update(c.ctx, func(t *keystore.Tx) error {
		b, err := t.OpenBackup(in.Value, c.subscription())
		if errors.Is(err, keystore.ErrBackup) {
			return bad("Backup blob is not valid: it is no backup of a key of a vault in this subscription, or it was altered.")
		}
		if err != nil {
			return err
		}
		defer b.Forget()
		c.target.name = b.Name()
		switch k, err = t.Key(c.vault.UID, b.Name()); {
		case errors.Is(err, keystore.ErrNotFound):
		case err != nil:
			return err
		case k.Deleted == nil:
			return refuse(http.StatusConflict, "Conflict", "A key with the name %s exists in this vault already; a backup is restored only where there is none.", k.Name)
		case !k.Deleted.Over(time.Now()):
			return keyIsDeleted(k.Name)
		default:
			if err := t.DropKey(k); err != nil {
				return err
			}
		}
		k, v, err = t.Restore(c.vault.UID, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.changed(admin.KeyCreated, k.Name, v.ID)
	return c.bundle(k, v)
}
