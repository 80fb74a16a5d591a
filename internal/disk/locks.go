package disk

import (
	"fmt"
	"io"
	"sync"
)

// Locks are locks within this process, by name, for a file system that has none
// of its own. The zero value has none held.
type Locks struct {
	mu   sync.Mutex
	held map[string]bool
}

// Lock takes a lock until what it returns is closed, or fails with [ErrLocked].
// said is the name that the error tells.
func (l *Locks) Lock(name, said string) (io.Closer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] {
		return nil, fmt.Errorf("lock %s: %w", said, ErrLocked)
	}
	if l.held == nil {
		l.held = map[string]bool{}
	}
	l.held[name] = true
	return unlock{l, name}, nil
}

type unlock struct {
	locks *Locks
	name  string
}

// Close implements io.Closer.
func (u unlock) Close() error {
	u.locks.mu.Lock()
	defer u.locks.mu.Unlock()
	delete(u.locks.held, u.name)
	return nil
}
