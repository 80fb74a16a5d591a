package drill

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"logkeep/internal/cli/client"
	"logkeep/internal/report"
	"logkeep/internal/schema"
)

// A request is one of the load, answered.
type request struct {
	query      bool
	sent, done time.Time
	rows       int // acknowledged, or counted by the query
	err        error
}

func (r request) ok() bool { return r.err == nil }

// refused reports the refusal because of the key.
func (r request) refused() bool {
	f, ok := client.FailureOf(r.err)
	return ok && f.Code == client.KeyRevoked
}

// A load sends and asks for rows until it is stopped. Every row has a number of
// its own, so that each can be looked for.
type load struct {
	server    *client.Server
	target    client.Target
	workspace string
	table     schema.Table

	end  context.CancelFunc
	done sync.WaitGroup
	once sync.Once

	mu       sync.Mutex
	next     int
	acked    map[int]bool
	requests []request
	changed  chan struct{} // closed and replaced at each request
}

func startLoad(ctx context.Context, s *client.Server, target client.Target, workspace string, table schema.Table) *load {
	ctx, end := context.WithCancel(ctx)
	l := &load{server: s, target: target, workspace: workspace, table: table, end: end, acked: map[int]bool{}, changed: make(chan struct{})}
	for range writers {
		l.done.Go(func() { l.again(ctx, writerPause, l.write) })
	}
	for range readers {
		l.done.Go(func() { l.again(ctx, readerPause, l.read) })
	}
	return l
}

// stop ends the load when what is under way is answered.
func (l *load) stop() {
	l.once.Do(func() {
		l.end()
		l.done.Wait()
	})
}

// again does something until the load ends. What was begun is ended: a request
// that is cut off would be one of which nobody knows what became of it.
func (l *load) again(ctx context.Context, pause time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		request, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestLimit)
		do(request)
		cancel()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

const requestLimit = 30 * time.Second

func (l *load) write(ctx context.Context) {
	l.mu.Lock()
	first := l.next
	l.next += rowsPerRequest
	l.mu.Unlock()
	r := request{sent: time.Now()}
	_, r.err = l.server.Upload(ctx, l.target, numbered(first), nil)
	r.done = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.ok() {
		r.rows = rowsPerRequest
		for n := first; n < first+rowsPerRequest; n++ {
			l.acked[n] = true
		}
	}
	l.add(r)
}

// numbered are the rows from a number on.
func numbered(first int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for n := first; n < first+rowsPerRequest; n++ {
			row := fmt.Appendf(nil, `{"TimeGenerated":%q,"Number":%d,"Text":"drill row %d"}`, time.Now().UTC().Format(time.RFC3339Nano), n, n)
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (l *load) read(ctx context.Context) {
	r := request{query: true, sent: time.Now()}
	r.rows, r.err = l.server.Count(ctx, l.workspace, string(l.table.Name)+" | count")
	r.done = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(r)
}

// add keeps a request. It needs mu.
func (l *load) add(r request) {
	l.requests = append(l.requests, r)
	close(l.changed)
	l.changed = make(chan struct{})
}

// since are the requests that were answered after a moment.
func (l *load) since(t time.Time) []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var some []request
	for _, r := range l.requests {
		if r.done.After(t) {
			some = append(some, r)
		}
	}
	return some
}

// until waits for a request that is as wanted, among all that come from now on.
func (l *load) until(ctx context.Context, wanted func(request) bool) error {
	seen := 0
	l.mu.Lock()
	seen = len(l.requests)
	l.mu.Unlock()
	var last error
	for {
		l.mu.Lock()
		fresh, changed := l.requests[seen:], l.changed
		seen = len(l.requests)
		l.mu.Unlock()
		for _, r := range fresh {
			if wanted(r) {
				return nil
			}
			if r.err != nil {
				last = r.err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		}
	}
}

// acknowledged are the numbers of rows that were, until now.
func (l *load) acknowledged() map[int]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	numbers := make(map[int]bool, len(l.acked))
	for n := range l.acked {
		numbers[n] = true
	}
	return numbers
}

// broken is the first failure, while there must be none.
func (l *load) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if r.err != nil {
			return fmt.Errorf("a request failed before anything was tried: %w", r.err)
		}
	}
	return nil
}

func (l *load) summary() report.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := report.Load{Writers: writers, Readers: readers, RowsPerRequest: rowsPerRequest}
	for _, r := range l.requests {
		if r.query {
			s.Queries++
		} else {
			s.Ingestions++
		}
	}
	return s
}
