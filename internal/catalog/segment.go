package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/schema"
)

// A Segment is the record of one immutable columnar object.
type Segment struct {
	ID         schema.SegmentID
	Account    schema.AccountID
	Workspace  schema.WorkspaceID
	Table      schema.TableName
	Generation uint32
	Rows       int64
	Bytes      int64
	MinTime    schema.Ticks
	MaxTime    schema.Ticks
	Columns    []schema.Column
	Created    time.Time
}

// A Manifest is the head of an account's chain of changes: a number that only
// grows, the journal position below which everything is in segments, and a
// code over both and the segments that only the holder of the account's key
// can make.
type Manifest struct {
	Seq   uint64
	Floor uint64
	MAC   []byte
}

// CommitSegments adds and removes segments of an account and moves its
// manifest, all in one transaction. A manifest that does not move on (Seq must
// grow, Floor must not shrink) or the removal of a segment that is not there
// means that two writers hold the account: ErrConflict, and nothing changes.
func (r Records) CommitSegments(ctx context.Context, account schema.AccountID, add []Segment, remove []schema.SegmentID, m Manifest) error {
	err := r.change(ctx, func(tx *Tx) error {
		old, err := tx.Manifest(ctx, account)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && (m.Seq <= old.Seq || m.Floor < old.Floor) {
			return fmt.Errorf("manifest %d (floor %d) does not follow %d (floor %d): %w", m.Seq, m.Floor, old.Seq, old.Floor, ErrConflict)
		}
		for _, id := range remove {
			n, err := tx.exec(ctx, "DELETE FROM segments WHERE id = ? AND account = ?", string(id), string(account))
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("segment %s is not there: %w", id, ErrConflict)
			}
			if _, err := tx.exec(ctx, "DELETE FROM aside WHERE segment = ? AND why = ?", string(id), string(Expired)); err != nil {
				return err
			}
		}
		for _, s := range add {
			if s.Account != account {
				return fmt.Errorf("internal error: segment %s belongs to account %s", s.ID, s.Account)
			}
			if err := tx.addSegment(ctx, s); err != nil {
				return err
			}
		}
		if err := tx.unpack(ctx, account, add, remove); err != nil {
			return err
		}
		_, err = tx.exec(ctx, "INSERT INTO manifests (account, seq, floor, mac) VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET seq = excluded.seq, floor = excluded.floor, mac = excluded.mac",
			string(account), int64(m.Seq), int64(m.Floor), nonNil(m.MAC))
		return err
	})
	if err != nil {
		return fmt.Errorf("commit segments of account %s: %w", account, err)
	}
	return nil
}

func (t *Tx) addSegment(ctx context.Context, s Segment) error {
	columns, err := json.Marshal(s.Columns)
	if err != nil {
		return err
	}
	if s.Created.IsZero() {
		s.Created = time.Now()
	}
	_, err = t.exec(ctx, "INSERT INTO segments (id, account, workspace, table_name, generation, row_count, bytes, min_time, max_time, columns, created) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
		string(s.ID), string(s.Account), string(s.Workspace), string(s.Table), int64(s.Generation), s.Rows, s.Bytes,
		int64(s.MinTime), int64(s.MaxTime), string(columns), stamp(s.Created))
	return err
}

// Manifest returns the head of an account's chain; ErrNotFound before the
// first commit.
func (r Records) Manifest(ctx context.Context, account schema.AccountID) (Manifest, error) {
	var m Manifest
	var seq, floor int64
	err := r.read().QueryRowContext(ctx, "SELECT seq, floor, mac FROM manifests WHERE account = ?", string(account)).Scan(&seq, &floor, &m.MAC)
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest of account %s: %w", account, worded(err))
	}
	m.Seq, m.Floor = uint64(seq), uint64(floor)
	return m, nil
}

// Segments returns the segments of an account by workspace, table and time.
// To have them and the manifest of one state, ask for both in one View. The
// caller must not change their columns, which segments share.
func (r Records) Segments(ctx context.Context, account schema.AccountID) ([]Segment, error) {
	return query(ctx, r.read(), columnSets{}.scan, selectSegment+
		"WHERE account = ? ORDER BY workspace, table_name, min_time, id", string(account))
}

const selectSegment = "SELECT id, account, workspace, table_name, generation, row_count, bytes, min_time, max_time, columns, created FROM segments "

// columnSets are sets of columns by their JSON: few are those of very many segments.
type columnSets map[string][]schema.Column

func (sets columnSets) scan(scan func(...any) error) (Segment, error) {
	var (
		s       Segment
		columns sql.RawBytes
		created sql.NullInt64
	)
	err := scan(&s.ID, &s.Account, &s.Workspace, &s.Table, &s.Generation, &s.Rows, &s.Bytes, &s.MinTime, &s.MaxTime, &columns, &created)
	if err != nil {
		return Segment{}, err
	}
	var known bool
	if s.Columns, known = sets[string(columns)]; !known {
		if err := json.Unmarshal(columns, &s.Columns); err != nil {
			return Segment{}, fmt.Errorf("%w: columns of segment %s: %w", ErrDamaged, s.ID, err)
		}
		sets[string(columns)] = s.Columns
	}
	s.Created = moment(created)
	return s, nil
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
