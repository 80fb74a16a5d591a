package keystore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"logkeep/internal/vault/admin"
)

// Each vault's audit log keeps its newest maxEvents records, and of older ones
// those that somebody who reads the log does not have yet, up to maxWaiting: a
// workspace whose key is away takes none. A record has a kilobyte or two. What goes
// unread beyond that is counted.
const (
	maxEvents  = 10_000
	maxWaiting = 200_000
	pruneEvery = 256         // records, after which old ones make room
	forgotten  = time.Hour   // since its last question nobody waits for a reader
	settling   = time.Minute // that readers have after a start to ask
)

// readers are who reads logs, and how far each has come. They are known by their
// questions alone.
type readers struct {
	mu    sync.Mutex
	since time.Time
	of    map[VaultUID]map[string]asked
}

type asked struct {
	after int64
	at    time.Time
}

// asks notes a question.
func (r *readers) asks(v VaultUID, reader string, after int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[VaultUID]map[string]asked{}
	}
	if r.of[v] == nil {
		r.of[v] = map[string]asked{}
	}
	r.of[v][reader] = asked{after, time.Now()}
}

// had is the last record of a vault's log that every reader has.
func (r *readers) had(v VaultUID) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	least := int64(math.MaxInt64)
	if time.Since(r.since) < settling {
		least = 0
	}
	for name, a := range r.of[v] {
		if time.Since(a.at) > forgotten {
			delete(r.of[v], name)
			continue
		}
		least = min(least, a.after)
	}
	return least
}

// An Entry is an event and the vault in whose log it belongs.
type Entry struct {
	Vault VaultUID
	Event admin.Event
}

// AppendEvents writes audit records, all in one transaction. Those of a vault
// that was purged meanwhile go with it.
func (s *Store) AppendEvents(ctx context.Context, entries []Entry) error {
	return s.update(ctx, func(t *Tx) error { // not at the cost of the reserve
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
				if err := s.prune(t); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// prune cuts every vault's log.
func (s *Store) prune(t *Tx) error {
	vaults, err := t.Vaults()
	if err != nil {
		return err
	}
	for _, v := range vaults {
		had := s.readers.had(v.UID)
		if err := t.exec(`DELETE FROM events WHERE vault = ?1 AND sequence <= ?3 AND sequence <=
			(SELECT sequence FROM events WHERE vault = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)`, string(v.UID), s.room.newest, had); err != nil {
			return err
		}
		if err := t.exec("DELETE FROM cuts WHERE vault = ? AND through <= ?", string(v.UID), had); err != nil {
			return err // everybody who waits was told
		}
		if err := t.lose(v.UID, s.room.waiting); err != nil {
			return err
		}
	}
	return nil
}

// lose cuts what nobody has had and there is no room for, and counts it.
func (t *Tx) lose(v VaultUID, room int) error {
	var through int64
	err := t.tx.QueryRowContext(t.ctx, "SELECT sequence FROM events WHERE vault = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?", string(v), room).Scan(&through)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	cut, err := t.tx.ExecContext(t.ctx, "DELETE FROM events WHERE vault = ? AND sequence <= ?", string(v), through)
	if err != nil {
		return err
	}
	n, err := cut.RowsAffected()
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO cuts (vault, through, records) VALUES (?1, ?2, ?3)
		ON CONFLICT (vault) DO UPDATE SET through = ?2, records = records + ?3`, string(v), through, n)
}

// Events returns at most limit records of a vault's log with sequences above
// after, oldest first, and the sequence of the last one (after when there is
// none). lost is how many records above after were cut before the reader had them,
// at most. What comes after after waits for the reader, unless its name is "".
func (s *Store) Events(ctx context.Context, v VaultUID, reader string, after int64, limit int) (events []admin.Event, last, lost int64, err error) {
	last = after
	if reader != "" {
		s.readers.asks(v, reader, after)
	}
	err = s.View(ctx, func(t *Tx) error {
		err := t.tx.QueryRowContext(t.ctx, "SELECT records FROM cuts WHERE vault = ? AND through > ?", string(v), after).Scan(&lost)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
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
	return events, last, lost, err
}
