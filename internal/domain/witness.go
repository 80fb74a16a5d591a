package domain

import (
	"context"
	"fmt"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/schema"
)

// A Witness is told, outside of the data directory, how far the accounts have
// come.
type Witness interface {
	// Leaving tells that accounts are about to be deleted; they may be once it
	// has returned nil.
	Leaving(ctx context.Context, ids ...schema.AccountID) error
	// Told says where, up to when, and what the last try failed with.
	Told() control.Witness
}

// heard notes that an account's journal has an entry. The next worker that opens
// the account must find it: whoever turns back an account's folder is noticed
// while the keeper lives, and beyond if there is a witness.
func (d *Domains) heard(id schema.AccountID, entry uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries[id] = max(d.entries[id], entry)
}

func (d *Domains) entry(id schema.AccountID) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.entries[id]
}

// Entries is, of each account's journal, an entry that was acknowledged; 0 if
// none is known of.
func (d *Domains) Entries(ids []schema.AccountID) map[schema.AccountID]uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make(map[schema.AccountID]uint64, len(ids))
	for _, id := range ids {
		all[id] = d.entries[id]
	}
	return all
}

// leaving tells the witness, if there is one, that an account is about to go.
func (d *Domains) leaving(ctx context.Context, id schema.AccountID) error {
	if d.cfg.Witness != nil {
		if err := d.cfg.Witness.Leaving(ctx, id); err != nil {
			return fmt.Errorf("account %s is not deleted before its witness knows: %w", id, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, id)
	return nil
}

// NoteWitness puts into every key domain's events what became of the witness.
func NoteWitness(ctx context.Context, cat *catalog.Catalog, what, from, to, reason string) error {
	return cat.Tx(ctx, func(tx *catalog.Tx) error {
		clusters, err := tx.Watched(ctx)
		if err != nil {
			return err
		}
		for _, id := range clusters {
			if err := changeLeaf(ctx, tx, id, func(l *leaf) { l.tell(time.Now(), what, from, to, reason) }); err != nil {
				return err
			}
		}
		return nil
	})
}
