// Package catalog keeps the control plane's durable records: ARM resources,
// long-running operations, principals, accounts with their wrap records and
// canaries, and the segments of every account.
//
// # Promises
//
// A write that returned nil is on the disk (SQLite in WAL mode with
// synchronous=FULL) and survives kill -9 and a power cut. A write that
// returned an error changed nothing. Writers queue for one connection; readers
// never wait for them and see the last commit.
//
// Every method of [Records] can be called on the [Catalog], where it is a
// transaction of its own, or on a [Tx], where it is part of that transaction:
//
//	err := cat.Tx(ctx, func(tx *catalog.Tx) error {
//		r, err := tx.Get(ctx, id)
//		…
//		_, err = tx.Put(ctx, r, catalog.IfMatch(r.ETag))
//		return err
//	})
//
// Inside the function use tx only: a write to the Catalog itself would wait
// for the transaction that waits for it.
//
// # Identity of resources
//
// Resource ids are compared without regard to case, and are given back as they
// were first written. The catalog knows nothing of what a resource means: its
// body is JSON that belongs to the service that wrote it.
//
// # The file
//
// One SQLite database, mode 0600, application id "LKct". Its schema version is
// the number of the last migration; a file of a newer version, of another
// application, or damaged, is refused in words and left untouched. Deleted
// content is overwritten (secure_delete), see [Catalog.Scrub].
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that callers tell apart with errors.Is. The first two are also
// fs.ErrNotExist and fs.ErrExist, for callers that don't know this package.
var (
	ErrNotFound = error(named{"no such record", fs.ErrNotExist})
	ErrExists   = error(named{"the record exists already", fs.ErrExist})
	ErrConflict = errors.New("the record was changed by somebody else")
	ErrNewer    = errors.New("written by a newer version")
	ErrDamaged  = errors.New("damaged")
)

// named is an error that is also another one, without its text.
type named struct {
	text string
	also error
}

func (n named) Error() string        { return n.text }
func (n named) Is(target error) bool { return target == n.also }

// A Catalog is an open catalog. It is safe for concurrent use.
type Catalog struct {
	Records
	path    string
	writer  *writer
	reader  *sql.DB
	reading *statements // prepared, of the reader's connections
	recent  recent

	revisions sync.Map // lower-case resource type → *atomic.Uint64
}

// Records are the operations on durable records: those of a Catalog or of one
// of its transactions. Only this package makes them.
type Records struct {
	cat *Catalog
	tx  *Tx // nil outside of a transaction
}

// A Tx is a transaction. It lives as long as the function it is handed to.
type Tx struct {
	Records
	sql     queries
	write   bool
	changed bool            // a row was
	touched map[string]bool // keys of resources changed
	types   map[string]bool // and their types, lower case
}

// Tx runs f in a write transaction and commits when f returns nil. What others
// ask for at the same time may be committed together with it; each is all or
// nothing by itself. A ctx that ends before f's turn ends the wait's purpose, not
// f: what has begun is brought to its end.
func (c *Catalog) Tx(ctx context.Context, f func(*Tx) error) error {
	tx := &Tx{sql: c.writer, write: true, touched: map[string]bool{}, types: map[string]bool{}}
	tx.Records = Records{cat: c, tx: tx}
	err := c.writer.transact(ctx, func() (map[string]bool, bool, error) {
		if err := f(tx); err != nil {
			return nil, false, err
		}
		if !tx.changed {
			return nil, false, nil
		}
		return tx.touched, true, tx.step(ctx)
	})
	if err != nil {
		return err
	}
	for typ := range tx.types {
		c.revision(typ).Add(1)
	}
	return nil
}

// View runs f on one consistent state of the catalog. f must not write.
func (c *Catalog) View(ctx context.Context, f func(*Tx) error) error {
	t, err := c.reader.BeginTx(ctx, nil)
	if err != nil {
		return worded(err)
	}
	on := within{statements: c.reading, tx: t, missed: map[string]bool{}}
	defer on.catchUp(ctx)
	defer t.Rollback()
	tx := &Tx{sql: on}
	tx.Records = Records{cat: c, tx: tx}
	return f(tx)
}

// Revision returns a number that grows with every committed change of a
// resource of the type, so that what was derived from such resources can be
// kept for as long as the number stays. Read it before you read the resources.
func (c *Catalog) Revision(resourceType string) uint64 {
	return c.revision(fold(resourceType)).Load()
}

func (c *Catalog) revision(typ string) *atomic.Uint64 {
	if n, ok := c.revisions.Load(typ); ok {
		return n.(*atomic.Uint64)
	}
	n, _ := c.revisions.LoadOrStore(typ, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

// Close closes the catalog. Everything written before is durable already.
func (c *Catalog) Close() error {
	return errors.Join(c.reader.Close(), c.writer.Close())
}

// Scrub moves every page of the write-ahead log into the database and empties
// the log. With secure_delete this is the point after which deleted records
// are no longer in any file of the catalog.
func (c *Catalog) Scrub(ctx context.Context) error {
	busy, err := c.writer.truncate(ctx)
	if err != nil {
		return fmt.Errorf("scrub catalog: %w", worded(err))
	}
	if busy {
		return errors.New("scrub catalog: a reader holds an older state; try again")
	}
	return nil
}

// queries is what reading and writing need of a connection or a transaction.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (r Records) read() queries {
	if r.tx != nil {
		return r.tx.sql
	}
	return r.cat.reading
}

// change runs f in the transaction at hand, or in one of its own.
func (r Records) change(ctx context.Context, f func(*Tx) error) error {
	if r.tx == nil {
		return r.cat.Tx(ctx, f)
	}
	if !r.tx.write {
		return errors.New("internal error: write in a catalog view")
	}
	return f(r.tx)
}

func (t *Tx) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	res, err := t.cat.writer.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, worded(err)
	}
	changed, err = res.RowsAffected()
	t.changed = t.changed || changed > 0
	return changed, err
}

// worded gives the errors of SQLite that callers act upon their names.
func worded(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch code := e.Code(); {
	case code&0xff == sqlite3.SQLITE_CORRUPT, code&0xff == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case code&0xff == sqlite3.SQLITE_FULL: // under the name that everybody knows
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	case code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, code == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("%w: %w", ErrExists, err)
	case code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: a record that this one names: %w", ErrNotFound, err)
	}
	return err
}

// query reads all rows of a statement.
func query[T any](ctx context.Context, q queries, scan func(func(...any) error) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, worded(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, worded(err)
		}
		all = append(all, v)
	}
	return all, worded(rows.Err())
}

// Times are stored as nanoseconds since 1970, UTC; a zero time is NULL.

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}
