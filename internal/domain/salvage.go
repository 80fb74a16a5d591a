package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"logkeep/internal/bucket"
	"logkeep/internal/catalog"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// SalvageJournal has an account's worker bring into segments what can be read of a
// damaged journal, so that the account works again. The journal's files are kept
// before, as they are, in the account's folder "aside", and so are segments that the
// catalog does not name. It needs the key.
func (d *Domains) SalvageJournal(ctx context.Context, id schema.AccountID) (out wire.Salvaged, err error) {
	d.placing.Lock()
	defer d.placing.Unlock()
	a, err := d.cfg.Catalog.Account(ctx, id)
	if err != nil {
		return out, err
	}
	if err := d.retire(ctx, supervise.Located{Domain: a.Domain, Account: id}); err != nil {
		return out, err
	}
	// Who has the account open has all of its rows in memory: then nothing is lost.
	if w, running, err := d.sup.Settled(ctx, a.Domain); err == nil && running {
		if _, err := w.Flush(ctx); err != nil {
			d.cfg.Log.Warn("what is in memory was not flushed before a journal was salvaged", "account", string(id), "error", err.Error())
		}
	}
	err = d.shutWhile(ctx, a, func() error {
		if err := errors.Join(d.keepJournal(ctx, a.Domain, id), d.keepUnnamed(ctx, a.Domain, id)); err != nil {
			return err
		}
		var info wire.Account
		err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) (err error) {
			covered := false
			if info, covered, err = d.describe(ctx, tx, a); err == nil && !covered {
				err = fmt.Errorf("account %s has no key", id)
			}
			return err
		})
		if err != nil {
			return err
		}
		info.Seen = d.entry(id)
		w, err := d.sup.Worker(ctx, a.Domain)
		if err != nil {
			return d.keyFault(a.Domain, err)
		}
		out, err = w.Salvage(ctx, wire.Salvage{Account: info})
		return d.keyFault(a.Domain, err)
	})
	if err := errors.Join(err, d.openIn(context.WithoutCancel(ctx), a.Domain)); err != nil {
		return out, fmt.Errorf("save what can be read of the journal of account %s: %w", id, err)
	}
	return out, nil
}

// keepJournal keeps a journal's files, as they are, where the operator finds them.
func (d *Domains) keepJournal(ctx context.Context, domain schema.ClusterID, id schema.AccountID) error {
	if d.cfg.Storage != nil {
		return d.cfg.Storage.keepJournal(ctx, id)
	}
	account := inventory.Of(d.cfg.Accounts, domain, id)
	if err := d.makeFolder(filepath.Join(account, "aside")); err != nil {
		return err
	}
	return linkAside(account, "journal", func(name string) bool { return strings.HasSuffix(name, ".journal") })
}

// linkAside gives files of an account's folder a second name in its folder "aside".
// The first goes when they are not needed; the bytes are never written again.
func linkAside(account, folder string, which func(name string) bool) error {
	files, err := os.ReadDir(filepath.Join(account, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if !which(f.Name()) {
			continue
		}
		err := os.Link(filepath.Join(account, folder, f.Name()), filepath.Join(account, "aside", f.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return syncFolder(filepath.Join(account, "aside"))
}

// keepUnnamed keeps segments that the catalog does not name, as they are. An account
// removes them when it is opened, for they are what crashes leave. But where the
// journal does not begin where the catalog says, the catalog may be an older one, and
// they have rows that nothing else has.
func (d *Domains) keepUnnamed(ctx context.Context, domain schema.ClusterID, id schema.AccountID) error {
	segments, err := d.cfg.Catalog.Segments(ctx, id)
	if err != nil {
		return err
	}
	named := make(map[string]bool, len(segments))
	for _, s := range segments {
		named[string(s.ID)] = true
	}
	unnamed := func(name string) bool { return !named[name] && !strings.HasPrefix(name, ".") }
	if d.cfg.Storage != nil {
		return d.cfg.Storage.keepUnnamed(ctx, id, unnamed)
	}
	return linkAside(inventory.Of(d.cfg.Accounts, domain, id), "objects", unnamed)
}

// keepJournal copies a journal's parts, as they are, to ACCOUNT/aside.
func (s *Storage) keepJournal(ctx context.Context, id schema.AccountID) error {
	s.Cache.Leave(string(id) + "/journal/")
	parts, err := s.Bucket.List(ctx, string(id)+"/journal/")
	if err != nil {
		return err
	}
	for _, p := range parts {
		file, offset := path.Split(strings.TrimPrefix(p.Name, string(id)+"/journal/"))
		if err := s.copyAside(ctx, id, p, file+offset); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// keepUnnamed copies objects, as they are, to ACCOUNT/aside.
func (s *Storage) keepUnnamed(ctx context.Context, id schema.AccountID, unnamed func(name string) bool) error {
	objects, err := s.Bucket.List(ctx, string(id)+"/objects/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if name := path.Base(o.Name); unnamed(name) {
			if err := s.copyAside(ctx, id, o, name); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	return nil
}

// copyAside copies an object of an account to ACCOUNT/aside. If it is there, that is
// fs.ErrExist.
func (s *Storage) copyAside(ctx context.Context, id schema.AccountID, from bucket.Info, name string) error {
	b := make([]byte, from.Size)
	if n, err := s.Bucket.ReadAt(ctx, from.Name, b, 0); int64(n) < from.Size {
		return fmt.Errorf("object %s can't be read to its end: %w", from.Name, err)
	}
	return s.Bucket.Put(ctx, string(id)+"/aside/"+name, b)
}
