package domain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/catalog"
	"logkeep/internal/inventory"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// marks asks the writers of accounts how far they have come. Only a writer can
// tell what of a journal is durable; but where there is none, nothing changes, and
// a reader finds out for itself: then it is not started for the query (design
// 0060). waiting are key domains that it should be started for all the same, later,
// since rows wait in a journal for being flushed. orRest is false if
// writers are to be asked in any case.
func (d *Domains) marks(ctx context.Context, by map[schema.ClusterID][]schema.AccountID, orRest bool) (all []wire.Mark, waiting []schema.ClusterID, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for domain, accounts := range by {
		group.Go(func() error {
			marks, rows, err := []wire.Mark(nil), false, error(nil)
			if orRest {
				marks, rows, err = d.resting(ctx, domain, accounts)
			}
			if err == nil && marks == nil {
				marks, err = d.asked(ctx, domain, accounts)
			}
			if err != nil {
				return d.keyFault(domain, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, marks...)
			if rows {
				waiting = append(waiting, domain)
			}
			return nil
		})
	}
	return all, waiting, group.Wait()
}

// asked are the marks of a writer, which is started if need be.
func (d *Domains) asked(ctx context.Context, domain schema.ClusterID, accounts []schema.AccountID) ([]wire.Mark, error) {
	w, err := d.sup.Worker(ctx, domain)
	if err != nil {
		return nil, err
	}
	return w.Marks(ctx, wire.Marks{Accounts: accounts})
}

// few is how many bytes of a journal hold no rows: after a flush one frame is left,
// of some 300 bytes. One with a row has a thousand and more.
const few = 600

// resting are the marks of accounts that nobody writes to; nil if somebody does,
// or has to before rows are there that were acknowledged. rows tells whether there
// may be some that were not flushed.
//
// What a writer acknowledged before the query was in its journal when it ended. The
// files are listed between two looks that see none: what is in the list is all
// there is, and whoever comes later begins a file of his own.
func (d *Domains) resting(ctx context.Context, domain schema.ClusterID, accounts []schema.AccountID) (all []wire.Mark, rows bool, err error) {
	if d.cfg.Storage != nil {
		return nil, false, nil // who writes there is known by a claim in the bucket
	}
	before, ok := d.sup.Resting(domain)
	if !ok {
		return nil, false, nil
	}
	for _, id := range accounts {
		rest, n, err := journalAtRest(inventory.Of(d.cfg.Accounts, domain, id))
		if err != nil || rest == nil {
			return nil, false, nil // whoever starts says what is wrong, or mends it
		}
		rest.Seen = d.entry(id)
		rows = rows || n > few
		all = append(all, wire.Mark{Account: id, Rest: rest})
	}
	if after, ok := d.sup.Resting(domain); !ok || after != before || len(all) == 0 {
		return nil, false, nil
	}
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		for i := range all {
			m, err := tx.Manifest(ctx, all[i].Account)
			if err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return err
			}
			all[i].Seq, all[i].Rest.Floor = m.Seq, m.Floor
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return all, rows, nil
}

// journalAtRest lists the journal in an account's folder, and how long it is; nil
// if rows wait in the account's spool, which a writer has to take first.
func journalAtRest(folder string) (*wire.Rest, int64, error) {
	if waiting, err := os.ReadDir(filepath.Join(folder, "spool")); len(waiting) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	if _, err := os.Stat(folder); err != nil {
		return nil, 0, err
	}
	files, err := os.ReadDir(filepath.Join(folder, "journal")) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	rest, bytes := &wire.Rest{}, int64(0)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".journal") {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return nil, 0, err
		}
		rest.Newest = f.Name()
		bytes += info.Size()
	}
	return rest, bytes, nil
}

// startSoon has a domain's writer started beside what else is done: it flushes what
// its journals hold.
func (d *Domains) startSoon(domain schema.ClusterID) {
	d.imports.Go(func() {
		if _, err := d.sup.Worker(d.importing, domain); err != nil && d.importing.Err() == nil {
			d.cfg.Log.Info("a writer was not started; the next request does", "for", string(domain), "why", err.Error())
		}
	})
}
