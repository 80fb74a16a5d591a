package keyface

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// remove deletes a key softly, with all its versions.
func (c *call) remove(url.Values) (any, error) {
	var k keystore.Key
	var v keystore.Version
	err := c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, v, err = liveVersion(t, c.vault, c.target.name, ""); err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Second)
		k.Deleted = &keystore.Deletion{At: now, Purge: now.Add(c.vault.Retention())}
		return t.PutKey(k)
	})
	if err != nil {
		return nil, err
	}
	c.changed(admin.KeyDeleted, k.Name, "")
	return c.bundle(k, v)
}

func (c *call) recover(url.Values) (any, error) {
	var k keystore.Key
	var v keystore.Version
	err := c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, v, err = deleted(t, c.vault, c.target.name); err != nil {
			return err
		}
		k.Deleted = nil
		return t.PutKey(k)
	})
	if err != nil {
		return nil, err
	}
	c.changed(admin.KeyRecovered, k.Name, "")
	return c.bundle(k, v)
}

// purge destroys a deleted key for ever, unless the vault forbids it.
func (c *call) purge(url.Values) (any, error) {
	var k keystore.Key
	err := c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, _, err = deleted(t, c.vault, c.target.name); err != nil {
			return err
		}
		if c.vault.Properties.EnablePurgeProtection {
			return refuse(http.StatusForbidden, "Forbidden", "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed. Vault: %s;location=%s", c.vault.Name, c.vault.Location)
		}
		return t.DropKey(k)
	})
	if err != nil {
		return nil, err
	}
	c.forget(c.ctx)
	c.changed(admin.KeyPurged, k.Name, "")
	return nil, nil
}

// forget empties the write-ahead log of what was purged. A reader in the way
// only delays it: the log is rewritten as it goes on.
func (f *Face) forget(ctx context.Context) {
	if err := f.Store.Forget(context.WithoutCancel(ctx)); err != nil {
		f.Log.Warn("purged key is still in the write-ahead log", "error", err)
	}
}
