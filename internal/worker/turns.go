package worker

import (
	"context"
	"errors"
	"sync"

	"logkeep/internal/duck"
)

// Turns keep queries from paying for one another. The engine has one bound of
// memory for all that run, so one that wants too much can make any of them fail.
// A query that fails so beside others is tried again once these have ended, and
// of such only one at a time: the one that wants too much fails again, and the
// others don't. The zero value is ready.
type turns struct {
	mu      sync.Mutex
	running map[chan struct{}]bool // closed when it has ended
	begun   int
	alone   chan struct{} // holds a token while a query is tried again
}

// mostTries is how often a query is tried that fails for want of memory beside others.
const mostTries = 3

// take runs a statement.
func (t *turns) take(ctx context.Context, run func() (*duck.Rows, error)) (*duck.Rows, error) {
	rows, shared, err := t.try(run)
	for n := 1; n < mostTries && shared != nil && errors.Is(err, duck.ErrMemory); n++ {
		for _, other := range shared() {
			select {
			case <-other:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		select {
		case t.alone <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		rows, shared, err = t.try(run)
		<-t.alone
	}
	return rows, err
}

// try runs a statement. If others ran meanwhile, shared lists those that still do.
func (t *turns) try(run func() (*duck.Rows, error)) (rows *duck.Rows, shared func() []chan struct{}, err error) {
	ended := make(chan struct{})
	t.mu.Lock()
	if t.running == nil {
		t.running, t.alone = map[chan struct{}]bool{}, make(chan struct{}, 1)
	}
	t.begun++
	before, beside := t.begun, len(t.running) > 0
	t.running[ended] = true
	t.mu.Unlock()
	rows, err = run()
	t.mu.Lock()
	defer t.mu.Unlock()
	close(ended)
	delete(t.running, ended)
	if beside || t.begun > before {
		shared = t.others
	}
	return rows, shared, err
}

func (t *turns) others() (all []chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for other := range t.running {
		all = append(all, other)
	}
	return all
}
