package worker

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"logkeep/internal/duck"
	"logkeep/internal/worker/wire"
)

// A bound is what the engine may have, which the keeper moves as other workers
// come and go.
type bound struct {
	mu     sync.Mutex
	memory int64
	moved  chan struct{} // holds one if the engine was not told
	calm   []byte
}

// mostCalm is how much memory a reader takes before the collector works, also behind
// its beginning: opening what the first query of a table reads takes several times what
// a process has that did nothing yet, and the collector would look through it each time
// that it doubles. What makes it wait is bytes that are never touched, so there is no
// memory behind them. They count against the heap's bound, of which they are an eighth
// at most.
const mostCalm = 24 << 20

// rest lets the collector wait, as long as the heap's bound allows it.
func (b *bound) rest(m wire.Memory) {
	size := mostCalm
	if m.Heap > 0 {
		size = int(min(mostCalm, m.Heap/8))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calm == nil || size < len(b.calm) {
		b.calm = make([]byte, size)
	}
}

// heap tells the collector its goal.
func heap(m wire.Memory) {
	if m.Heap > 0 {
		debug.SetMemoryLimit(m.Heap)
	}
}

// beginning is how long a new process does not collect its garbage, unless its
// bound is near: what it makes until its first answer is small and mostly kept, and
// the collector would look through it again and again while somebody waits.
const beginning = time.Second

// begun has the collector work as it always does, after the beginning. The keeper
// starts processes with it switched off (wire.Late).
func begun() { time.AfterFunc(beginning, func() { debug.SetGCPercent(100) }) }

// resize is told what the process may have from now on. It does not wait.
func (b *base) resize(m wire.Memory) {
	heap(m)
	b.images.Limit(m.Images)
	b.bound.mu.Lock()
	b.bound.memory = m.Engine
	b.bound.mu.Unlock()
	if b.start.Reads {
		b.bound.rest(m)
	}
	select {
	case b.bound.moved <- struct{}{}:
	default:
	}
}

func (b *bound) now() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.memory
}

// openEngine starts the engine, and tells it of each new bound.
func (b *base) openEngine() (*duck.DB, error) {
	db, err := openEngine(b.bound.now())
	if err == nil {
		go b.bound.keep(db)
	}
	return db, err
}

// keep tells the engine its bound as long as the process lives. An engine whose
// statements hold more than that is told again until some have ended; until then
// it has what it had, and new statements that want more fail.
func (b *bound) keep(db *duck.DB) {
	told := int64(0)
	again := time.NewTimer(0)
	for {
		select {
		case <-b.moved:
		case <-again.C:
		}
		if want := b.now(); want != told {
			if err := db.Limit(context.Background(), want); err != nil {
				again.Reset(time.Second)
				continue
			}
			told = want
		}
	}
}
