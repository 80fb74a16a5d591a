package keystore

import (
	"context"
	"encoding/json"

	"logkeep/internal/vault/admin"
)

// maxEvents bounds each vault's audit log; pruneEvery says after how many new
// records old ones make room.
const (
	maxEvents  = 10_000
	pruneEvery = 256
)

// An Entry is an event and the vault in whose log it belongs.
type Entry struct {
	Vault VaultUID
	Event admin.Event
}

// AppendEvents writes audit records, all in one transaction. Those of a vault
// that was purged meanwhile go with it. Each log is cut to
// its newest ten thousand.
func (s *Store) AppendEvents(ctx context.Context, entries []Entry) error {
	return s.Update(ctx, func(t *Tx) error {
		for _, e := range entries {
			b, err := json.Marshal(e.Event)
			if err != nil {
				return err
			}
			r, err := t.tx.ExecContext(t.ctx, "INSERT INTO events (vault, event) SELECT uid, ? FROM vaults WHERE uid = ?", b, string(e.Vault))
			if err != nil {
				return err
			}
			n, err := r.LastInsertId()
			if err != nil {
				return err
			}
			if n%pruneEvery == 0 {
				if err := t.prune(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// prune cuts every vault's log to its newest records.
func (t *Tx) prune() error {
	vaults, err := t.Vaults()
	if err != nil {
		return err
	}
	for _, v := range vaults {
		if err := t.exec(`DELETE FROM events WHERE vault = ?1 AND sequence <=
			(SELECT sequence FROM events WHERE vault = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)`, string(v.UID), maxEvents); err != nil {
			return err
		}
	}
	return nil
}

// Events returns at most limit records of a vault's log with sequences above
// after, oldest first, and the sequence of the last one (after when there is
// none).
func (s *Store) Events(ctx context.Context, v VaultUID, after int64, limit int) (events []admin.Event, last int64, err error) {
	last = after
	err = s.View(ctx, func(t *Tx) error {
		found, err := t.tx.QueryContext(t.ctx, "SELECT sequence, event FROM events WHERE vault = ? AND sequence > ? ORDER BY sequence LIMIT ?", string(v), after, limit)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var b []byte
			var e admin.Event
			if err := found.Scan(&last, &b); err != nil {
				return err
			}
			if err := json.Unmarshal(b, &e); err != nil {
				return err
			}
			events = append(events, e)
		}
		return found.Err()
	})
	return events, last, err
}
