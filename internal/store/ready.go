package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Rows that come faster than flushes take them away wait for a flush to end:
// that is soon, and costs nobody anything, where a client that is told to come
// again sleeps for a second or more while the machine is idle. Few may wait, of a store
// and of all that share a Budget, for what they send takes memory on its way, which
// others need; and nobody waits for flushes that fail.
const (
	patience  = 4 * time.Second
	mostWaits = 16
)

// Ready returns when there is room for rows, or with the error with which they
// are to be refused, so that they need not be read first. It waits while the tail
// is three quarters full, since rows that were let in before need the rest; nil is
// no promise.
func (s *Store) Ready(ctx context.Context) error {
	var end <-chan time.Time
	for {
		room := s.room.next()
		s.mu.Lock()
		err := s.hasRoom(3)
		if !errors.Is(err, ErrBehind) {
			s.mu.Unlock()
			return err
		}
		if s.failed != nil || end == nil && (s.waits >= mostWaits || !s.cfg.Budget.queue()) {
			s.mu.Unlock()
			return s.admit()
		}
		if end == nil {
			s.waits++
			defer s.left()
			defer s.cfg.Budget.leaveQueue()
			timer := time.NewTimer(patience)
			defer timer.Stop()
			end = timer.C
		}
		s.mu.Unlock()
		select {
		case <-room:
		case <-end:
			return s.admit()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// left notes that one waits less.
func (s *Store) left() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits--
}

// A bell wakes all who listen when it rings. The zero bell can be used.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// next is closed when the bell rings the next time.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}
