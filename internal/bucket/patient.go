package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"
)

// How a Patient waits.
const (
	firstWait = 50 * time.Millisecond
	mostWait  = 2 * time.Second
)

// A Patient is a Bucket that tries again, with growing pauses, what failed for no
// lasting reason, for Patience and as long as the caller's context lets it.
//
// A Put whose answer was lost may have been done. So when the name is taken, the
// object is compared: the same bytes are the same Put, and that is no error.
type Patient struct {
	Bucket
	Patience time.Duration
	First    time.Duration // about how long the first pause is; 0 means 50 ms
}

var _ Bucket = (*Patient)(nil)

// Put implements Bucket.
func (p *Patient) Put(ctx context.Context, name string, b []byte) error {
	return p.try(ctx, "put", name, func(ctx context.Context) error {
		err := p.Bucket.Put(ctx, name, b)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		have := make([]byte, len(b)+1)
		n, again := p.Bucket.ReadAt(ctx, name, have, 0)
		switch {
		case again == io.EOF && bytes.Equal(have[:n], b):
			return nil
		case again != nil && again != io.EOF && !errors.Is(again, fs.ErrNotExist):
			return again
		}
		return err
	})
}

// Replace implements Bucket.
func (p *Patient) Replace(ctx context.Context, name string, b []byte) error {
	return p.try(ctx, "put", name, func(ctx context.Context) error { return p.Bucket.Replace(ctx, name, b) })
}

// Remove implements Bucket.
func (p *Patient) Remove(ctx context.Context, name string) error {
	return p.try(ctx, "remove", name, func(ctx context.Context) error { return p.Bucket.Remove(ctx, name) })
}

// List implements Reader.
func (p *Patient) List(ctx context.Context, prefix string) (all []Info, err error) {
	return all, p.try(ctx, "list", prefix, func(ctx context.Context) (err error) {
		all, err = p.Bucket.List(ctx, prefix)
		return err
	})
}

// Size implements Reader.
func (p *Patient) Size(ctx context.Context, name string) (size int64, err error) {
	return size, p.try(ctx, "look at", name, func(ctx context.Context) (err error) {
		size, err = p.Bucket.Size(ctx, name)
		return err
	})
}

// ReadAt implements Reader.
func (p *Patient) ReadAt(ctx context.Context, name string, b []byte, off int64) (n int, err error) {
	ended := false
	err = p.try(ctx, "read", name, func(ctx context.Context) (err error) {
		n, err = p.Bucket.ReadAt(ctx, name, b, off)
		if ended = err == io.EOF; ended {
			return nil
		}
		return err
	})
	if err == nil && ended {
		err = io.EOF
	}
	return n, err
}

func (p *Patient) try(ctx context.Context, what, name string, do func(context.Context) error) error {
	within, done := context.WithTimeout(ctx, p.Patience)
	defer done()
	wait := p.First
	if wait == 0 {
		wait = firstWait
	}
	var last error
	for ; ; wait = min(2*wait, mostWait) {
		err := do(within)
		if last == nil || within.Err() == nil {
			last = err
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s object %s: %w", what, name, ctx.Err())
		case lasting(err) && within.Err() == nil:
			return fmt.Errorf("%s object %s: %w", what, name, err)
		}
		select {
		case <-within.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("%s object %s: %w", what, name, ctx.Err())
			}
			// Not the context's error: the caller has time, the store does not answer.
			return fmt.Errorf("%s object %s: %w: in %v the last of what it said was: %v", what, name, ErrSilent, p.Patience, last)
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}
