// Package fault is the error that leaves the building: an ARM code, a
// sentence for the caller that says what to do, and, for the operator's log
// only, the cause.
//
// Services return *Error from their methods; below them errors are ordinary
// Go errors. One table (code.go) joins every code with its status and meaning;
// one function (api.render) writes bodies. A Code is itself an error, so a
// caller can ask
//
//	errors.Is(err, fault.CustomerManagedKeyRevoked)
//
// The cause is never rendered and its text never enters Message: an error of
// which nothing is known becomes InternalServerError with a fixed text.
package fault

import (
	"errors"
	"fmt"
	"syscall"
)

// A Code is an ARM error code. It is part of the API: never rename one.
type Code string

func (c Code) Error() string { return string(c) }

// An Error is what the caller is told, and why.
type Error struct {
	Code    Code     `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target,omitempty"`
	Details []*Error `json:"details,omitempty"`
	Inner   *Error   `json:"innererror,omitempty"`
	*Place           // where in a query text; inner errors of the query API only

	status     int   // of a refusal passed on; 0: the table's
	retryAfter int   // seconds; 0 says nothing
	cause      error // for the operator's log; never rendered
}

// A Place is a position in a query text, as the query API reports it.
type Place struct {
	Line  int    `json:"line"` // from 1
	Pos   int    `json:"pos"`  // column, from 0
	Token string `json:"token,omitempty"`
}

// New returns an Error whose message the caller will read.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Passed is a refusal of another service whose own words the caller reads:
// the one kind of fault that brings its status with it.
func Passed(status int, code Code, message string) *Error {
	return &Error{Code: code, Message: message, status: status}
}

// Because returns a copy of e that remembers err for the log.
func (e *Error) Because(err error) *Error { f := *e; f.cause = err; return &f }

// WithTarget returns a copy of e that names the property it is about.
func (e *Error) WithTarget(path string) *Error { f := *e; f.Target = path; return &f }

// WithInner returns a copy of e with a more exact error inside.
func (e *Error) WithInner(inner *Error) *Error { f := *e; f.Inner = inner; return &f }

// WithDetails returns a copy of e with the violations it sums up.
func (e *Error) WithDetails(details ...*Error) *Error { f := *e; f.Details = details; return &f }

// WithRetryAfter returns a copy of e that tells clients when to try again.
func (e *Error) WithRetryAfter(seconds int) *Error { f := *e; f.retryAfter = seconds; return &f }

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap makes errors.Is find the code, the inner codes and the cause.
func (e *Error) Unwrap() []error {
	chain := []error{e.Code}
	if e.Inner != nil {
		chain = append(chain, e.Inner)
	}
	if e.cause != nil {
		chain = append(chain, e.cause)
	}
	return chain
}

// Cause is what happened below, for the log; nil if nothing did.
func (e *Error) Cause() error { return e.cause }

// Status is the HTTP status of e's code. A code outside the table is our bug
// and answers 500.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	if m, ok := meanings[e.Code]; ok {
		return m.Status
	}
	return meanings[InternalServerError].Status
}

// RetryAfter is the number of seconds after which a retry makes sense: what
// was set, else the default of the code; 0 for never.
func (e *Error) RetryAfter() int {
	if e.retryAfter > 0 {
		return e.retryAfter
	}
	return meanings[e.Code].RetryAfter
}

// Innermost is the most exact code in e.
func (e *Error) Innermost() Code {
	for e.Inner != nil {
		e = e.Inner
	}
	return e.Code
}

// Of returns the fault in err's chain. An error that carries none is a full
// disk's, or else an internal error: its text stays in the log.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{Code: ServiceUnavailable, Message: "The server's disk is full; nothing was changed. Try again when its operator has made room.", cause: err}
	}
	return &Error{Code: InternalServerError, Message: "The server met an internal error. Try again; if it stays, give the operator the correlation id of this answer.", cause: err}
}

// Join sums up violations: nil for none, the violation itself for one, else
// MultipleErrorsOccurred with every violation as a detail.
func Join(violations ...*Error) error {
	var all []*Error
	for _, v := range violations {
		if v != nil {
			all = append(all, v)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return New(MultipleErrorsOccurred, "%d properties of the request are not valid; see details.", len(all)).WithDetails(all...)
}
