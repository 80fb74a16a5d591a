package keyface

import (
	"context"
	"errors"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// tendInterval is how often the calendar is looked at.
const tendInterval = time.Minute

// Tend does what is due by the calendar until ctx ends: it purges vaults and
// keys whose retention is over, rotates keys whose policy says so, and tells of
// keys that will expire or have. What it did is in the audit records, by nobody.
func (f *Face) Tend(ctx context.Context) {
	tick := time.NewTicker(tendInterval)
	defer tick.Stop()
	for {
		if err := f.tend(ctx); err != nil && ctx.Err() == nil {
			f.Log.Error("retention and rotation were not looked after", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (f *Face) tend(ctx context.Context) error {
	var vaults []keystore.Vault
	err := f.Store.View(ctx, func(t *keystore.Tx) (err error) { vaults, err = t.Vaults(); return err })
	errs := []error{err}
	for _, v := range vaults {
		switch {
		case v.Deleted.Over(time.Now()):
			errs = append(errs, f.purgeVault(ctx, v))
		case v.Deleted == nil:
			errs = append(errs, f.tendKeys(ctx, v))
		}
	}
	return errors.Join(errs...)
}

func (f *Face) purgeVault(ctx context.Context, v keystore.Vault) error {
	err := f.Store.Update(ctx, func(t *keystore.Tx) error {
		now, err := t.Vault(v.Name)
		if err != nil || !now.Deleted.Over(time.Now()) { // recovered meanwhile
			return err
		}
		return t.DropVault(now)
	})
	if err != nil {
		return err
	}
	f.forget(ctx)
	f.Notice(ctx, admin.Notice{VaultURI: f.uri(v), What: admin.VaultPurged})
	return nil
}

func (f *Face) tendKeys(ctx context.Context, v keystore.Vault) error {
	var errs []error
	for after := keystore.KeyName(""); ; {
		var keys []keystore.Key
		var due []keystore.Version // beside keys; the zero Version where nothing is due
		var tell []bool            // beside keys: there is something to tell
		err := f.Store.View(ctx, func(t *keystore.Tx) (err error) {
			if keys, err = t.Keys(v.UID, after, maxResults); err != nil {
				return err
			}
			due, tell = make([]keystore.Version, len(keys)), make([]bool, len(keys))
			for i, k := range keys {
				if k.Deleted != nil {
					continue
				}
				newest, err := t.Version(k, "")
				if err != nil {
					return err
				}
				if k.Rotation != nil && isDue(*k.Rotation, newest, time.Now()) {
					due[i] = newest
				}
				tell[i] = expiry(k, newest, time.Now()) != k.Told
			}
			return nil
		})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for i, k := range keys {
			after = k.Name
			if k.Deleted.Over(time.Now()) {
				errs = append(errs, f.purgeKey(ctx, v, k))
			}
			if due[i].ID != "" {
				start := time.Now()
				_, made, err := f.rotate(ctx, v, k.Name, due[i].ID)
				switch {
				case err == nil:
					f.itself(v, "KeyRotate", k.Name, made.ID, start)
					continue // the new version has its own time
				case !errors.Is(err, errOvertaken):
					errs = append(errs, err)
				}
			}
			if tell[i] {
				errs = append(errs, f.tellExpiry(ctx, v, k.Name))
			}
		}
		if len(keys) < maxResults {
			return errors.Join(errs...)
		}
	}
}

// isDue tells whether the newest version is old enough to be followed. A
// disabled key is left alone: a new version would enable it again.
func isDue(r keystore.RotationPolicy, newest keystore.Version, now time.Time) bool {
	if !newest.Enabled {
		return false
	}
	if d, err := parseDuration(r.AfterCreate); err == nil && !now.Before(d.after(time.Unix(newest.Created, 0).UTC())) {
		return true
	}
	d, err := parseDuration(r.BeforeExpiry)
	return err == nil && newest.Expires != nil && !now.Before(d.before(time.Unix(*newest.Expires, 0).UTC()))
}

func (f *Face) purgeKey(ctx context.Context, v keystore.Vault, k keystore.Key) error {
	err := f.Store.Update(ctx, func(t *keystore.Tx) error {
		now, err := t.Key(v.UID, k.Name)
		if err != nil || !now.Deleted.Over(time.Now()) {
			return err
		}
		return t.DropKey(now)
	})
	if err != nil {
		return err
	}
	f.forget(ctx)
	f.itself(v, "KeyPurge", k.Name, "", time.Now())
	f.Notice(ctx, admin.Notice{VaultURI: f.uri(v), Key: string(k.Name), What: admin.KeyPurged})
	return nil
}
