package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/fault"
	"logkeep/internal/worker/wire"
)

// A run of the engine costs milliseconds however few rows there are, so small
// requests of one rule and stream that wait at the same time are changed by one
// run and kept by one write: while one runs, the next gather. Nobody waits for
// company. Each request is answered for itself: rows of which the transformation
// can't be computed fail their own request only, since a run that fails so is
// made again of either half. See docs/design/0043-data-in-and-what-is-told.md.

const (
	// smallRequest is how many rows a request may have to share a run. The run's
	// own cost is lost among those of more.
	smallRequest = 1000
	// jointRows is how many rows one run takes; a request that goes beyond is its last.
	jointRows = 8000
	// jointBytes is how much JSON may have become rows that wait for a run.
	jointBytes = 32 << 20
)

// joints are the requests that wait for a run, by what is to be made of them.
type joints struct {
	mu     sync.Mutex
	queues map[string][]*joined // with an entry while somebody runs
	bytes  int64                // of all that wait
}

// A joined is one request's part of a run.
type joined struct {
	change wire.Change
	rec    arrow.RecordBatch
	bytes  int64
	keep   func(context.Context, arrow.RecordBatch) (entry uint64, err error)

	done  chan struct{} // closed when the rest is set
	out   batch.Parsed  // what the run made; the first of its requests has all of it
	entry uint64
	err   error
}

// join has rows changed and kept together with those of others. key names what
// they have in common: place, columns and transformation. run changes rows of
// several requests. If ctx ends, the rows may be kept all the same.
func (j *joints) join(ctx context.Context, key string, m *joined, run func(context.Context, wire.Change, []arrow.RecordBatch) (batch.Parsed, error)) error {
	m.done = make(chan struct{})
	j.mu.Lock()
	if j.bytes+m.bytes > jointBytes && j.bytes > 0 {
		j.mu.Unlock()
		return fault.New(fault.TooManyRequests, "Nothing was stored: rows arrive faster than the rule's transformation changes them. Send them again later.").WithRetryAfter(1)
	}
	j.bytes += m.bytes
	if j.queues == nil {
		j.queues = map[string][]*joined{}
	}
	waiting, running := j.queues[key]
	j.queues[key] = append(waiting, m)
	j.mu.Unlock()
	if !running {
		go j.work(context.WithoutCancel(ctx), key, run) // until nobody waits
	}
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work runs what waits for key until nothing does.
func (j *joints) work(ctx context.Context, key string, run func(context.Context, wire.Change, []arrow.RecordBatch) (batch.Parsed, error)) {
	for {
		group := j.next(key)
		if len(group) == 0 {
			return
		}
		j.perform(ctx, group, run)
	}
}

// next takes the requests of the next run; none if nothing waits, and then
// whoever comes starts anew.
func (j *joints) next(key string) (group []*joined) {
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := j.queues[key]
	if len(waiting) == 0 {
		delete(j.queues, key)
		return nil
	}
	n, rows := 0, int64(0)
	for n < len(waiting) && rows < jointRows {
		rows += waiting[n].rec.NumRows()
		j.bytes -= waiting[n].bytes
		n++
	}
	j.queues[key] = waiting[n:len(waiting):len(waiting)]
	return waiting[:n]
}

// perform changes and keeps the rows of a group, and answers each of its requests.
// A panic is their error: this is no request's own goroutine, and would end the
// process for all.
func (j *joints) perform(ctx context.Context, group []*joined, run func(context.Context, wire.Change, []arrow.RecordBatch) (batch.Parsed, error)) {
	var out batch.Parsed
	var entry uint64
	err := errors.New("internal error: changing rows as their rule says panicked")
	apart := false
	defer func() {
		if apart {
			return
		}
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", err, p)
		}
		for i, m := range group {
			if m.entry, m.err = entry, err; i == 0 {
				m.out = out
			}
			close(m.done)
		}
	}()
	recs := make([]arrow.RecordBatch, len(group))
	for i, m := range group {
		recs[i] = m.rec
	}
	made, failed := run(ctx, group[0].change, recs)
	if apart = len(group) > 1 && (errors.Is(failed, fault.InvalidRow) || errors.Is(failed, fault.TooManyRequests)); apart {
		half := len(group) / 2
		j.perform(ctx, group[:half], run)
		j.perform(ctx, group[half:], run)
		return
	}
	if failed == nil && made.Record.NumRows() > 0 {
		entry, failed = group[0].keep(ctx, made.Record)
	}
	out, err = made, failed
}
