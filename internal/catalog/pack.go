package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"logkeep/internal/schema"
)

// A Pack is a copy of an account's segments in one piece, since reading 100,000
// rows takes a second of a core. What the piece looks like is the caller's matter.
type Pack struct {
	Packed  []byte
	Changed []schema.SegmentID // came or went since; Named says which are there
}

// A pack is written again when so many segments came or went since, or an eighth of
// all, and not used when twice as many did: they are read one by one.
const packedChanges = 1024

// leastPacked is from how many segments on an account has a pack.
const leastPacked = 2048

// Pack returns the pack of an account, or ErrNotFound if there is none, or none
// that is of use.
func (r Records) Pack(ctx context.Context, account schema.AccountID) (p Pack, err error) {
	n, changed, err := r.packed(ctx, account)
	if err == nil && changed > 2*tolerated(n) {
		err = ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("pack of account %s: %w", account, err)
	}
	if err := r.read().QueryRowContext(ctx, "SELECT packed FROM packs WHERE account = ?", string(account)).Scan(&p.Packed); err != nil {
		return p, fmt.Errorf("pack of account %s: %w", account, worded(err))
	}
	p.Changed, err = query(ctx, r.read(), func(scan func(...any) error) (id schema.SegmentID, err error) { return id, scan(&id) },
		"SELECT segment FROM unpacked WHERE account = ? ORDER BY segment", string(account))
	return p, err
}

func tolerated(segments int64) int64 { return max(packedChanges, segments/8) }

// packed returns how many segments an account's pack has, and how many came or
// went since; ErrNotFound if it has none.
func (r Records) packed(ctx context.Context, account schema.AccountID) (segments, changed int64, err error) {
	err = r.read().QueryRowContext(ctx, "SELECT segments, (SELECT count(*) FROM unpacked WHERE account = ?1) FROM packs WHERE account = ?1", string(account)).Scan(&segments, &changed)
	return segments, changed, worded(err)
}

// PackDue reports whether an account should have a pack, or a new one.
func (r Records) PackDue(ctx context.Context, account schema.AccountID) (due bool, err error) {
	n, changed, err := r.packed(ctx, account)
	if err == nil {
		return changed > tolerated(n), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("pack of account %s: %w", account, err)
	}
	err = r.read().QueryRowContext(ctx, "SELECT count(*) FROM segments WHERE account = ?", string(account)).Scan(&n)
	return n >= leastPacked, worded(err)
}

// PutPack keeps a pack of an account's segments as they are at a change. If that is
// not its last one any more, the error is ErrConflict.
func (r Records) PutPack(ctx context.Context, account schema.AccountID, of Manifest, segments int, packed []byte) error {
	err := r.change(ctx, func(tx *Tx) error {
		m, err := tx.Manifest(ctx, account)
		if err != nil {
			return err
		}
		if m.Seq != of.Seq || !bytes.Equal(m.MAC, of.MAC) {
			return ErrConflict
		}
		if _, err := tx.exec(ctx, "DELETE FROM unpacked WHERE account = ?", string(account)); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "INSERT INTO packs (account, segments, packed) VALUES (?,?,?) ON CONFLICT DO UPDATE SET segments = excluded.segments, packed = excluded.packed",
			string(account), segments, packed)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a pack of account %s: %w", account, err)
	}
	return nil
}

// Named returns those of an account's segments that are there, of these ids.
func (r Records) Named(ctx context.Context, account schema.AccountID, ids []schema.SegmentID) (there []Segment, err error) {
	sets := columnSets{}
	for _, id := range ids {
		s, err := query(ctx, r.read(), sets.scan, selectSegment+"WHERE id = ? AND account = ?", string(id), string(account))
		if err != nil {
			return nil, err
		}
		there = append(there, s...)
	}
	return there, nil
}

// unpack notes that segments of an account come or go, if it has a pack.
func (t *Tx) unpack(ctx context.Context, account schema.AccountID, add []Segment, remove []schema.SegmentID) error {
	var there int
	err := t.read().QueryRowContext(ctx, "SELECT count(*) FROM packs WHERE account = ?", string(account)).Scan(&there)
	if err != nil || there == 0 {
		return worded(err)
	}
	note := func(id schema.SegmentID) error {
		_, err := t.exec(ctx, "INSERT INTO unpacked (account, segment) VALUES (?,?) ON CONFLICT DO NOTHING", string(account), string(id))
		return err
	}
	for _, s := range add {
		if err := note(s.ID); err != nil {
			return err
		}
	}
	for _, id := range remove {
		if err := note(id); err != nil {
			return err
		}
	}
	return nil
}
