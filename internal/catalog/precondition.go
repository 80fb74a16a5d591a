package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrPrecondition is what a change fails with whose precondition does not hold.
var ErrPrecondition = errors.New("the precondition of the request does not hold")

// A precondition is what the client of a request demands of the resource that
// it changes. It travels with the request's context through the services, whose
// business it is not, to the transaction that makes the first change of that
// resource: there, and only there, it can be checked without a race.
type precondition struct {
	key   string
	holds func(old Resource, exists bool) bool
	met   atomic.Bool
}

type preconditionKey struct{}

// WithPrecondition returns a context in which the first change of the resource
// is made only if holds says so of what is there; a soft-deleted resource does
// not exist. Otherwise the change fails with ErrPrecondition.
func WithPrecondition(ctx context.Context, id string, holds func(old Resource, exists bool) bool) context.Context {
	return context.WithValue(ctx, preconditionKey{}, &precondition{key: fold(id), holds: holds})
}

// demanded checks the context's precondition before a change of old.
func demanded(ctx context.Context, id string, old Resource, exists bool) error {
	p, ok := ctx.Value(preconditionKey{}).(*precondition)
	if !ok || p.key != fold(id) || p.met.Load() {
		return nil
	}
	if !p.holds(old, exists && old.Deleted.IsZero()) {
		return fmt.Errorf("resource %s: %w", id, ErrPrecondition)
	}
	p.met.Store(true) // what follows changes what this request itself has made
	return nil
}
