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

	"logkeep/internal/catalog"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// SalvageJournal has an account's worker bring into segments what can be read of a
// damaged journal, so that the account works again. The journal's files are kept
// before, as they are, in the account's folder "aside". It needs the key.
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
		if err := d.keepJournal(ctx, a.Domain, id); err != nil {
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
	files, err := os.ReadDir(filepath.Join(account, "journal"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".journal") {
			continue
		}
		// The name that it has in journal/ goes with the release; the bytes are never written again.
		err := os.Link(filepath.Join(account, "journal", f.Name()), filepath.Join(account, "aside", f.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return syncFolder(filepath.Join(account, "aside"))
}

// keepJournal copies a journal's parts, as they are, to ACCOUNT/aside.
func (s *Storage) keepJournal(ctx context.Context, id schema.AccountID) error {
	s.Cache.Leave(string(id) + "/journal/")
	parts, err := s.Bucket.List(ctx, string(id)+"/journal/")
	if err != nil {
		return err
	}
	for _, p := range parts {
		b := make([]byte, p.Size)
		if n, err := s.Bucket.ReadAt(ctx, p.Name, b, 0); int64(n) < p.Size {
			return fmt.Errorf("object %s can't be read to its end: %w", p.Name, err)
		}
		file, offset := path.Split(strings.TrimPrefix(p.Name, string(id)+"/journal/"))
		err := s.Bucket.Put(ctx, string(id)+"/aside/"+file+offset, b)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
