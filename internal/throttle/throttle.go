// Package throttle counts requests and says when there are too many.
//
// A [Meter] is a set of token buckets, one for each key: a bucket holds as many
// requests as may come at once and refills at a steady rate. A [Queue] bounds
// how many requests of one key are worked on together and how many wait.
// Neither starts a goroutine; both forget keys that nobody uses.
//
// [Azure] is the table of the documented limits.
package throttle

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// A Rate is how many requests may come at once and how many a second in the
// long run. A zero Rate is none: everything may come.
type Rate struct {
	Burst     int     `yaml:"burst" json:"burst"`
	PerSecond float64 `yaml:"per-second" json:"perSecond"`
}

// The names of limits.
const (
	SubscriptionReads   = "subscription-reads"
	SubscriptionWrites  = "subscription-writes"
	SubscriptionDeletes = "subscription-deletes"
	TenantReads         = "tenant-reads"
	TenantWrites        = "tenant-writes"
	TenantDeletes       = "tenant-deletes"
	Queries             = "queries"
	Vault               = "vault"
)

// A Limit is one row of the table.
type Limit struct {
	Name   string
	Rate   Rate
	What   string
	Source string
}

// Azure returns the documented limits.
func Azure() []Limit {
	const arm = "learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"
	return []Limit{
		{SubscriptionReads, Rate{250, 25}, "reads of a principal in a subscription", arm},
		{SubscriptionWrites, Rate{200, 10}, "writes and actions of a principal in a subscription", arm},
		{SubscriptionDeletes, Rate{200, 10}, "deletions of a principal in a subscription", arm},
		{TenantReads, Rate{250, 25}, "reads of a principal above subscriptions", arm},
		{TenantWrites, Rate{200, 10}, "writes and actions of a principal above subscriptions", arm},
		{TenantDeletes, Rate{200, 10}, "deletions of a principal above subscriptions", arm},
		{Queries, Rate{200, 200.0 / 30}, "queries of a principal: 200 in 30 seconds", "behaviour 24.4"},
		{Vault, Rate{4000, 400}, "requests to a vault: 4,000 in 10 seconds", "behaviour 11.17"},
	}
}

// A Meter counts requests by key. A nil Meter lets everything through. It is
// safe for concurrent use.
type Meter struct {
	rate Rate

	mu      sync.Mutex
	buckets map[string]*bucket
	swept   time.Time
}

// A bucket had so many tokens at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// NewMeter returns a meter, or nil for a zero rate.
func NewMeter(r Rate) *Meter {
	if r.Burst <= 0 || r.PerSecond <= 0 {
		return nil
	}
	return &Meter{rate: r, buckets: map[string]*bucket{}}
}

// Take counts a request. ok says that it may go on; remaining is how many more
// may come at once; wait, if not ok, is until one may come.
func (m *Meter) Take(key string) (remaining int, wait time.Duration, ok bool) {
	if m == nil {
		return math.MaxInt, 0, true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.sweep(now)
	b := m.buckets[key]
	if b == nil {
		b = &bucket{tokens: float64(m.rate.Burst), at: now}
		m.buckets[key] = b
	}
	b.tokens = min(float64(m.rate.Burst), b.tokens+now.Sub(b.at).Seconds()*m.rate.PerSecond)
	b.at = now
	if b.tokens < 1 {
		return 0, time.Duration((1 - b.tokens) / m.rate.PerSecond * float64(time.Second)), false
	}
	b.tokens--
	return int(b.tokens), 0, true
}

// sweep forgets buckets that are full again: a new one is the same.
func (m *Meter) sweep(now time.Time) {
	full := time.Duration(float64(m.rate.Burst) / m.rate.PerSecond * float64(time.Second))
	if now.Sub(m.swept) < full {
		return
	}
	m.swept = now
	for key, b := range m.buckets {
		if now.Sub(b.at) >= full {
			delete(m.buckets, key)
		}
	}
}

// Seconds is a wait as Retry-After says it: whole seconds, one at least.
func Seconds(wait time.Duration) int { return max(1, int(math.Ceil(wait.Seconds()))) }

// ErrFull and ErrWaited are why a request got no place.
var (
	ErrFull   = errors.New("too many requests wait already")
	ErrWaited = errors.New("no place became free in time")
)

// A Queue bounds what is done together. A nil Queue has room for everybody. It
// is safe for concurrent use.
type Queue struct {
	together, waiting int
	patience          time.Duration

	mu   sync.Mutex
	keys map[string]*line
}

// A line is who is at work and who waits.
type line struct {
	places chan struct{}
	here   int
}

// NewQueue returns a queue that lets so many of one key work together and so
// many more wait, for so long. It is nil if together is 0.
func NewQueue(together, waiting int, patience time.Duration) *Queue {
	if together <= 0 {
		return nil
	}
	return &Queue{together: together, waiting: waiting, patience: patience, keys: map[string]*line{}}
}

// Enter waits for a place and returns the function that gives it back. Its
// errors are ErrFull, ErrWaited and those of ctx.
func (q *Queue) Enter(ctx context.Context, key string) (leave func(), err error) {
	if q == nil {
		return func() {}, nil
	}
	q.mu.Lock()
	l := q.keys[key]
	if l == nil {
		l = &line{places: make(chan struct{}, q.together)}
		q.keys[key] = l
	}
	if l.here >= q.together+q.waiting {
		q.mu.Unlock()
		return nil, ErrFull
	}
	l.here++
	q.mu.Unlock()
	gone := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if l.here--; l.here == 0 {
			delete(q.keys, key)
		}
	}
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places; gone() }, nil
	default:
	}
	timer := time.NewTimer(q.patience)
	defer timer.Stop()
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places; gone() }, nil
	case <-timer.C:
		err = ErrWaited
	case <-ctx.Done():
		err = ctx.Err()
	}
	gone()
	return nil, err
}
