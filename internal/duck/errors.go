package duck

import (
	"errors"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// A Kind says what went wrong inside the engine.
type Kind string

// A Kind is an error, so callers can write errors.Is(err, duck.ErrMemory).
func (k Kind) Error() string { return string(k) }

// The kinds of errors.
const (
	ErrMemory    Kind = "the query needs more memory than it may use; narrow its time range, select fewer columns or group by fewer values"
	ErrForbidden Kind = "the query engine refused to reach outside its memory"
	ErrData      Kind = "a value of the data does not fit the operation"
	ErrStopped   Kind = "the query was stopped"
	ErrEngine    Kind = "the query engine failed"
	raisedPrefix      = "logkeep: " // begins the text of errors that our own functions raise for the user
)

// An Error is a failure of a statement. Its text never holds data or SQL.
type Error struct {
	Kind   Kind
	raised string // what one of our functions has to say to the user
	detail string
}

func (e *Error) Error() string {
	if e.raised != "" {
		return e.raised
	}
	return string(e.Kind)
}

// Unwrap makes errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Detail is the engine's own text. It may quote rows and SQL: show it to
// developers in tests, never log it and never send it.
func (e *Error) Detail() string { return e.detail }

func classify(err error) error {
	e := &Error{Kind: ErrEngine, detail: err.Error()}
	if _, after, ok := strings.Cut(e.detail, raisedPrefix); ok {
		e.Kind, e.raised = ErrData, after
		return e
	}
	if d, ok := errors.AsType[*duckdb.Error](err); ok {
		switch d.Type {
		case duckdb.ErrorTypeOutOfMemory:
			e.Kind = ErrMemory
		case duckdb.ErrorTypePermission:
			e.Kind = ErrForbidden
		case duckdb.ErrorTypeInterrupt:
			e.Kind = ErrStopped
		case duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeConversion, duckdb.ErrorTypeDivideByZero:
			e.Kind = ErrData
		}
	}
	return e
}
