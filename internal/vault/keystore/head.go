package keystore

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"

	"logkeep/internal/seal"
)

// The head is one row of meta that stands for all others. It counts the changes
// and holds a sum over the records' macs, so that a row that was genuine once and
// is put back, alone, does not fit any more. A file that is put back as a whole
// fits; but its head is then one that was passed, and who was told of a later
// one outside of this disk knows (package witness).
//
//	record = {"changes":N,"digest":HEX}   the digest is a MAC of the sum
//	secret = sealed, the sum: 32 bytes
//
// The sum is that of MACs of the records' macs, modulo 2^256, a multiset hash: a
// change adds and takes away what it changes, however many rows there are. It is
// sealed and its terms are nowhere stored, so nobody can look for other rows with
// the same sum. A file from before there was a head gets one with its next change.
const metaHead = "head" // on disk: never change it

// A Head tells how far the vault has come.
type Head struct {
	Changes uint64 `json:"changes"` // grows with each change of a vault, a key or a version
	Digest  string `json:"digest"`  // of all that there is; hex
}

// sum is a number of 256 bits, the lowest word first.
type sum [4]uint64

func sumOf(b [sha256.Size]byte) (s sum) {
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return s
}

func (s sum) bytes() (b []byte) {
	for _, w := range s {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func (s sum) plus(o sum) sum {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
	return s
}

func (s sum) minus(o sum) sum {
	var borrow uint64
	for i := range s {
		s[i], borrow = bits.Sub64(s[i], o[i], borrow)
	}
	return s
}

// A moving head belongs to a transaction that writes.
type moving struct {
	changes uint64
	sum     sum
}

func termPlace() seal.Place   { return placeOf("vault-head-term", metaHead) }
func digestPlace() seal.Place { return placeOf("vault-head-digest", metaHead) }

// macs selects the macs of rows.
type macs struct {
	query string
	args  []any
}

// every selects all rows that the head stands for.
func every() []macs {
	return []macs{
		{"SELECT mac FROM vaults", nil}, {"SELECT mac FROM keys", nil}, {"SELECT mac FROM versions", nil},
		{"SELECT mac FROM meta WHERE name NOT IN ('root', '" + metaHead + "')", nil},
	}
}

// total is the sum over rows.
func (t *Tx) total(of []macs) (all sum, err error) {
	one := func(m macs) error {
		found, err := t.tx.QueryContext(t.ctx, m.query, m.args...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var mac []byte
			if err := found.Scan(&mac); err != nil {
				return err
			}
			term, err := t.keys.MAC(termPlace(), mac)
			if err != nil {
				return err
			}
			all = all.plus(sumOf(term))
		}
		return found.Err()
	}
	for _, m := range of {
		if err := one(m); err != nil {
			return all, err
		}
	}
	return all, nil
}

// change runs a statement; of selects the rows that it adds, changes or removes.
func (t *Tx) change(of []macs, statement string, args ...any) error {
	if t.head == nil {
		h, err := t.readHead()
		if errors.Is(err, ErrNotFound) {
			h = moving{}
			h.sum, err = t.total(every())
		}
		if err != nil {
			return err
		}
		t.head = &h
	}
	before, err := t.total(of)
	if err != nil {
		return err
	}
	if err := t.exec(statement, args...); err != nil {
		return err
	}
	after, err := t.total(of)
	if err != nil {
		return err
	}
	t.head.sum = t.head.sum.minus(before).plus(after)
	return nil
}

func (t *Tx) readHead() (h moving, err error) {
	var record, mac, sealed []byte
	switch err := t.tx.QueryRowContext(t.ctx, "SELECT record, mac, secret FROM meta WHERE name = ?", metaHead).Scan(&record, &mac, &sealed); {
	case errors.Is(err, sql.ErrNoRows):
		return h, ErrNotFound
	case err != nil:
		return h, err
	}
	var stored Head
	if err := t.decode(metaPlace(metaHead), record, mac, &stored); err != nil {
		return h, err
	}
	text, _, err := seal.OpenMessage(t.keys, metaPlace(metaHead), sealed)
	if err != nil {
		return h, damaged(err)
	}
	if len(text) != sha256.Size {
		return h, fmt.Errorf("%w: its head has %d bytes", ErrDamaged, len(text))
	}
	h.changes, h.sum = stored.Changes, sumOf([sha256.Size]byte(text))
	return h, nil
}

// show is the head as others may see it.
func (t *Tx) show(h moving) (Head, error) {
	digest, err := t.keys.MAC(digestPlace(), h.sum.bytes())
	return Head{h.changes, hex.EncodeToString(digest[:])}, err
}

// writeHead stores the head of a transaction that changed something.
func (t *Tx) writeHead() error {
	if t.head == nil {
		return nil
	}
	t.head.changes++
	shown, err := t.show(*t.head)
	if err != nil {
		return err
	}
	record, mac, err := t.encode(metaPlace(metaHead), shown)
	if err != nil {
		return err
	}
	sealed, _, err := seal.SealMessage(t.keys, metaPlace(metaHead), t.head.sum.bytes())
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO meta (name, record, mac, secret) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET record = excluded.record, mac = excluded.mac, secret = excluded.secret`, metaHead, record, mac, sealed.AppendTo(nil))
}

// Head is that of now; the zero Head before the first change that there was
// since there are heads.
func (s *Store) Head(ctx context.Context) (h Head, err error) {
	err = s.View(ctx, func(t *Tx) error {
		m, err := t.readHead()
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			h, err = t.show(m)
		}
		return err
	})
	return h, err
}

// Opened is the head of the file as it was found.
func (s *Store) Opened() Head { return s.opened }

// whole refuses a file in which a row is not of the same state as the others.
func (s *Store) whole(ctx context.Context) error {
	return s.View(ctx, func(t *Tx) error {
		h, err := t.readHead()
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		all, err := t.total(every())
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(all.bytes(), h.sum.bytes()) != 1 {
			return fmt.Errorf("%w: a record of an earlier time was put back, or one was removed", ErrDamaged)
		}
		s.opened, err = t.show(h)
		return err
	})
}
