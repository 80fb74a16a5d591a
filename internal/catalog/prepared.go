package catalog

import (
	"context"
	"database/sql"
	"sync"
)

// Statements are prepared once a connection: parsing them took most of the time
// of a read. There are as many as there are in this package's text; none of
// them is made of what a caller says.
type statements struct {
	db  *sql.DB
	all sync.Map // text → *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if p, ok := s.all.Load(text); ok {
		return p.(*sql.Stmt), nil
	}
	p, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if first, loaded := s.all.LoadOrStore(text, p); loaded {
		p.Close()
		return first.(*sql.Stmt), nil
	}
	return p, nil
}

// QueryContext implements queries.
func (s *statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	p, err := s.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

// QueryRowContext implements queries.
func (s *statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	p, err := s.prepare(ctx, text)
	if err != nil {
		return s.db.QueryRowContext(ctx, text, args...) // which meets the same error and can tell it
	}
	return p.QueryRowContext(ctx, args...)
}

// within is the statements of a View.
type within struct {
	*statements
	tx     *sql.Tx
	missed map[string]bool
}

// prepared returns a statement on the transaction's connection. To prepare one
// would be to wait for the connection that the transaction has: a new one is used
// as it is, and prepared when the transaction is over.
func (w within) prepared(ctx context.Context, text string) *sql.Stmt {
	p, ok := w.all.Load(text)
	if !ok {
		return nil
	}
	return w.tx.StmtContext(ctx, p.(*sql.Stmt))
}

func (w within) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if p := w.prepared(ctx, text); p != nil {
		return p.QueryContext(ctx, args...)
	}
	w.later(text)
	return w.tx.QueryContext(ctx, text, args...)
}

func (w within) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if p := w.prepared(ctx, text); p != nil {
		return p.QueryRowContext(ctx, args...)
	}
	w.later(text)
	return w.tx.QueryRowContext(ctx, text, args...)
}

func (w within) later(text string) { w.missed[text] = true }

// catchUp prepares what the transaction has missed. A statement that can't be
// prepared fails where it is used, with its own error.
func (w within) catchUp(ctx context.Context) {
	for text := range w.missed {
		if _, err := w.prepare(ctx, text); err != nil {
			return
		}
	}
}
