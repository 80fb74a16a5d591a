package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"logkeep/internal/schema"
)

// A Why says why a segment was set aside. These words are on disk.
type Why string

// Why segments are set aside.
const (
	Expired Why = "expired" // all of its rows were older than their table keeps
	Damaged Why = "damaged" // its object can't be read
)

// An Aside is a segment that nobody reads any more. The account's manifest may
// still name it, since only the holder of the key can change that.
type Aside struct {
	Segment
	Why Why
	At  time.Time
}

// SetAside notes that segments of an account are not to be read any more.
func (r Records) SetAside(ctx context.Context, why Why, segments []Segment) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, s := range segments {
			record, err := json.Marshal(s)
			if err != nil {
				return err
			}
			_, err = tx.exec(ctx, "INSERT INTO aside (segment, account, why, record, at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
				string(s.ID), string(s.Account), string(why), string(record), stamp(time.Now()))
			if err != nil {
				return fmt.Errorf("set segment %s aside: %w", s.ID, err)
			}
		}
		return nil
	})
}

// TakeBack undoes SetAside: the segment can be read again.
func (r Records) TakeBack(ctx context.Context, id schema.SegmentID) error {
	return r.change(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, "DELETE FROM aside WHERE segment = ?", string(id))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Asides returns what was set aside of an account, or of all if it is empty, in
// the order of ids.
func (r Records) Asides(ctx context.Context, account schema.AccountID) ([]Aside, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (a Aside, err error) {
		var record string
		var at sql.NullInt64
		if err := scan(&a.Why, &record, &at); err != nil {
			return a, err
		}
		if err := json.Unmarshal([]byte(record), &a.Segment); err != nil {
			return a, fmt.Errorf("%w: a segment that was set aside: %w", ErrDamaged, err)
		}
		a.At = moment(at)
		return a, nil
	}, "SELECT why, record, at FROM aside WHERE ?1 = '' OR account = ?1 ORDER BY segment", string(account))
}

// A TableSpan is the oldest row of a table in an account.
type TableSpan struct {
	Workspace schema.WorkspaceID
	Table     schema.TableName
	MinTime   schema.Ticks
}

// TableSpans returns them for an account, but for what was set aside.
func (r Records) TableSpans(ctx context.Context, account schema.AccountID) ([]TableSpan, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (t TableSpan, err error) {
		return t, scan(&t.Workspace, &t.Table, &t.MinTime)
	}, `SELECT workspace, table_name, MIN(min_time) FROM segments WHERE account = ?1 AND id NOT IN (SELECT segment FROM aside WHERE account = ?1)
		GROUP BY workspace, table_name`, string(account))
}

// OldSegments returns the segments of a table in an account that have rows from
// before a time and were made before another one, but for what was set aside.
func (r Records) OldSegments(ctx context.Context, account schema.AccountID, workspace schema.WorkspaceID, table schema.TableName, before, made schema.Ticks) ([]Segment, error) {
	// The rows of a table that are behind its edge have mostly left, but there may be
	// a year of such times that came lately.
	return query(ctx, r.read(), columnSets{}.scan, selectSegment+
		`INDEXED BY segments_by_age WHERE account = ?1 AND workspace = ?2 AND table_name = ?3 AND min_time < ?4 AND created < ?5 AND id NOT IN (SELECT segment FROM aside WHERE account = ?1) ORDER BY min_time, id`,
		string(account), string(workspace), string(table), int64(before), stamp(made.Time()))
}

// A Purge is what a data purge took rows out of.
type Purge struct {
	Segment   schema.SegmentID
	Operation string
	Workspace schema.WorkspaceID
	Table     schema.TableName
	At        time.Time
}

// NotePurged notes segments that a purge replaced.
func (r Records) NotePurged(ctx context.Context, purged []Purge) error {
	return r.change(ctx, func(tx *Tx) error {
		for _, p := range purged {
			_, err := tx.exec(ctx, "INSERT INTO purged (segment, operation, workspace, table_name, at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
				string(p.Segment), p.Operation, string(p.Workspace), string(p.Table), stamp(time.Now()))
			if err != nil {
				return fmt.Errorf("note the purge of segment %s: %w", p.Segment, err)
			}
		}
		return nil
	})
}

// Purges returns everything that purges replaced, oldest first.
func (r Records) Purges(ctx context.Context) ([]Purge, error) {
	return query(ctx, r.read(), func(scan func(...any) error) (p Purge, err error) {
		var at sql.NullInt64
		err = scan(&p.Segment, &p.Operation, &p.Workspace, &p.Table, &at)
		p.At = moment(at)
		return p, err
	}, "SELECT segment, operation, workspace, table_name, at FROM purged ORDER BY at, segment")
}
