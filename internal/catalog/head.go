package catalog

import (
	"context"
	"database/sql"

	"logkeep/internal/schema"
)

// A Head tells how far the catalog has come. Nothing vouches for it: who can write
// the file can write any number. It shows an older copy, put back as it was.
type Head struct {
	Changes   uint64 // grows with each transaction that changes something
	Witnessed string // where the head is told, "" if nowhere
}

// Head returns the catalog's head.
func (r Records) Head(ctx context.Context) (h Head, err error) {
	var changes int64
	err = r.read().QueryRowContext(ctx, "SELECT changes, witnessed FROM head").Scan(&changes, &h.Witnessed)
	h.Changes = uint64(changes)
	return h, worded(err)
}

// SetWitnessed notes where the head is told.
func (r Records) SetWitnessed(ctx context.Context, where string) error {
	return r.change(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "UPDATE head SET witnessed = ?", where)
		return err
	})
}

// step moves the head of a transaction that changed something.
func (t *Tx) step(ctx context.Context) error {
	_, err := t.cat.writer.ExecContext(ctx, "UPDATE head SET changes = changes + 1")
	return worded(err)
}

// A Standing is an account and the head of its chain; an account without a
// change has the zero Manifest.
type Standing struct {
	Account schema.AccountID
	Manifest
}

// Standings returns all accounts' in the order of their ids.
func (r Records) Standings(ctx context.Context) ([]Standing, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (s Standing, err error) {
		var seq, floor sql.NullInt64
		err = scan(&s.Account, &seq, &floor, &s.MAC)
		s.Seq, s.Floor = uint64(seq.Int64), uint64(floor.Int64)
		return s, err
	}, "SELECT a.id, m.seq, m.floor, m.mac FROM accounts a LEFT JOIN manifests m ON m.account = a.id ORDER BY a.id")
}

// Watched returns the key domains that have key records.
func (r Records) Watched(ctx context.Context) ([]schema.ClusterID, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (d schema.ClusterID, err error) { return d, scan(&d) },
		"SELECT cluster FROM canaries ORDER BY cluster")
}
