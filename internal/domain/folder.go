package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"logkeep/internal/catalog"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
)

// The accounts of a domain lie in one folder, which is all that the domain's
// worker can open:
//
//	accounts/{domain}/{account}/{journal,objects}/…
//
// An account that comes into a domain is moved into its folder. The worker of
// the domain that it comes from has let go of it by then.

// settle brings an account's folder to where the account belongs, and makes it
// if there is none. Only the keeper makes these folders: a worker refuses to
// open an account whose folder is not there.
func (d *Domains) settle(domain schema.ClusterID, id schema.AccountID) error {
	d.settling.Lock()
	defer d.settling.Unlock()
	there := inventory.Of(d.cfg.Accounts, domain, id)
	elsewhere, err := filepath.Glob(filepath.Join(d.cfg.Accounts, "*", string(id)))
	if err != nil {
		return err
	}
	flat := filepath.Join(d.cfg.Accounts, string(id)) // as the first version had it
	if _, err := os.Lstat(flat); err == nil {
		elsewhere = append(elsewhere, flat)
	}
	switch {
	case len(elsewhere) > 1:
		return fmt.Errorf("storage account %s has several folders (%q); remove all but the one that was in use", id, elsewhere)
	case len(elsewhere) == 1 && elsewhere[0] == there:
		return nil
	}
	if err := d.makeFolder(filepath.Dir(there)); err != nil {
		return err
	}
	if len(elsewhere) == 0 {
		return d.makeFolder(there)
	}
	if err := os.Rename(elsewhere[0], there); err != nil {
		return fmt.Errorf("bring storage account %s to its key domain: %w", id, err)
	}
	return errors.Join(syncFolder(filepath.Dir(there)), syncFolder(filepath.Dir(elsewhere[0])))
}

// makeFolder makes one folder durably; its parent may be missing.
func (d *Domains) makeFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := d.makeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		return d.makeFolder(path)
	case err != nil:
		return fmt.Errorf("make a storage account's folder: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// erase removes what is left of an account, wherever it is. The domain's folder
// stays: a worker that runs can open that one and no other of its name.
func (d *Domains) erase(ctx context.Context, id schema.AccountID) error {
	d.settling.Lock()
	defer d.settling.Unlock()
	if err := d.eraseObjects(ctx, id); err != nil {
		return err
	}
	all, err := filepath.Glob(filepath.Join(d.cfg.Accounts, "*", string(id)))
	if err != nil {
		return err
	}
	for _, path := range append(all, filepath.Join(d.cfg.Accounts, string(id))) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// keepAside moves objects out of the way of everybody, to where the operator
// finds them.
func (d *Domains) keepAside(ctx context.Context, domain schema.ClusterID, id schema.AccountID, segments []catalog.Segment) error {
	if d.cfg.Storage != nil {
		return d.cfg.Storage.keepAside(ctx, id, segments)
	}
	account := inventory.Of(d.cfg.Accounts, domain, id)
	if err := d.makeFolder(filepath.Join(account, "aside")); err != nil {
		return err
	}
	for _, s := range segments {
		err := os.Rename(filepath.Join(account, "objects", string(s.ID)), filepath.Join(account, "aside", string(s.ID)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(syncFolder(filepath.Join(account, "aside")), syncFolder(filepath.Join(account, "objects")))
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
