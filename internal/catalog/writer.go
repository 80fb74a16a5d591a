package catalog

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

// A writer is the one connection that writes. Those who want to write come in
// the order in which they asked. While others wait, a transaction is left open
// for them, each behind a savepoint, so that one fsync serves all of a group; who
// is last commits, and nobody is told of success before that.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	turn    chan struct{} // who waits for it gets it in the order of asking
	waiting atomic.Int64
	group   *group // open, or nil; by who has the turn

	prepared map[string]*sql.Stmt // text → statement; by who has the turn
	recent   *recent              // what readers remember
}

// A group is transactions that are committed together.
type group struct {
	members int
	changed bool
	touched []map[string]bool // keys of resources
	over    chan struct{}
	err     error // of the commit; after over
}

// most is how many transactions one commit may end: what a crash could lose of
// those that nobody has been told of, and how long the first waits for the last.
const most = 128

func newWriter(ctx context.Context, db *sql.DB, r *recent) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &writer{db: db, conn: conn, turn: make(chan struct{}, 1), prepared: map[string]*sql.Stmt{}, recent: r}, nil
}

func (w *writer) Close() error {
	w.take()
	defer w.give()
	if w.group != nil {
		w.end(context.Background())
	}
	// SQLite empties its log only when no statement is left, and a connection of
	// one's own does not close them.
	var err error
	for _, p := range w.prepared {
		err = errors.Join(err, p.Close())
	}
	return errors.Join(err, w.conn.Close(), w.db.Close())
}

// take waits for the turn. Whoever is counted takes it, even if his caller has
// gone meanwhile: an earlier one may count on him to commit.
func (w *writer) take() {
	w.waiting.Add(1)
	w.turn <- struct{}{}
	w.waiting.Add(-1)
}

func (w *writer) give() { <-w.turn }

// transact runs f in a transaction. f returns which resources it touched and
// whether it changed anything.
//
// What f and its statements do is never cut short by a context: SQLite ends a
// transaction whose statement is interrupted, and it is not f's alone.
func (w *writer) transact(ctx context.Context, f func() (touched map[string]bool, changed bool, err error)) error {
	g, err := w.join(ctx, f)
	if g == nil {
		return err
	}
	<-g.over
	if g.err != nil {
		return g.err
	}
	return err
}

// join has f's turn. It returns the group whose commit decides, or nil if none does.
func (w *writer) join(ctx context.Context, f func() (map[string]bool, bool, error)) (g *group, err error) {
	w.take()
	defer w.give()
	lasting := context.WithoutCancel(ctx)
	defer func() { // also when f panics
		if w.group != nil && (w.group.members >= most || w.waiting.Load() == 0) {
			w.end(lasting)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.group == nil {
		if err := w.do(lasting, "BEGIN IMMEDIATE"); err != nil {
			return nil, err
		}
		w.group = &group{over: make(chan struct{})}
	}
	g = w.group
	g.members++
	if err := w.do(lasting, "SAVEPOINT member"); err != nil {
		w.spoil(lasting, err)
		return g, nil
	}
	kept := false
	defer func() {
		if kept {
			return
		}
		// A full disk, say, has undone everything already.
		if undone := errors.Join(w.do(lasting, "ROLLBACK TO member"), w.do(lasting, "RELEASE member")); undone != nil {
			w.spoil(lasting, errors.Join(err, undone))
		}
	}()
	touched, changed, err := f()
	if err != nil {
		return g, err
	}
	if err := w.do(lasting, "RELEASE member"); err != nil {
		w.spoil(lasting, err)
		return g, nil
	}
	kept, g.changed = true, g.changed || changed
	g.touched = append(g.touched, touched)
	return g, nil
}

// end commits the group.
func (w *writer) end(ctx context.Context) {
	g := w.group
	last := "ROLLBACK"
	if g.changed {
		last = "COMMIT"
		defer w.recent.forget(g.touched)()
	}
	if err := w.do(ctx, last); err != nil {
		w.spoil(ctx, err)
		return
	}
	w.group = nil
	close(g.over)
}

// spoil undoes the group, for all of its members.
func (w *writer) spoil(ctx context.Context, err error) {
	g := w.group
	if g == nil {
		return
	}
	w.group, g.err = nil, err
	// SQLite may have undone it already, and says so; then there is nothing to do.
	_ = w.do(ctx, "ROLLBACK")
	close(g.over)
}

// truncate moves the log into the database and empties it, unless a reader is busy.
func (w *writer) truncate(ctx context.Context) (busy bool, err error) {
	w.take()
	defer w.give()
	if w.group != nil {
		w.end(context.WithoutCancel(ctx))
	}
	var logged, moved int
	err = w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved)
	return busy, err
}

func (w *writer) do(ctx context.Context, text string) error {
	_, err := w.ExecContext(ctx, text)
	return worded(err)
}

func (w *writer) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if p := w.prepared[text]; p != nil {
		return p, nil
	}
	p, err := w.conn.PrepareContext(ctx, text)
	if err == nil {
		w.prepared[text] = p
	}
	return p, err
}

// Statements of who has the turn.

func (w *writer) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	p, err := w.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

func (w *writer) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	p, err := w.statement(ctx, text)
	if err != nil {
		return w.conn.QueryRowContext(ctx, text, args...) // which meets the same error and can tell it
	}
	return p.QueryRowContext(ctx, args...)
}

func (w *writer) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	p, err := w.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return p.ExecContext(ctx, args...)
}
