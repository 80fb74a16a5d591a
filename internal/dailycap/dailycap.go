// Package dailycap keeps workspaces to their daily caps
// (properties.workspaceCapping.dailyQuotaGb, behaviour 9.13).
//
// A Meter stands before what takes rows. It counts the bytes of JSON that each
// workspace has taken in since midnight, UTC, and refuses more when they have
// reached the cap: 429 with Retry-After, so that a shipper keeps its rows, where
// Azure would drop them. One request may go beyond the cap; the next is refused.
//
// The count of a workspace with a cap is written to the catalog every ten
// seconds and at Close: a crash forgets ten seconds of it, never more. A
// workspace without one is counted in memory only.
package dailycap

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// A Holder takes rows: domain.Domains.
type Holder interface {
	Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error)
	Ready(ctx context.Context, w control.Workspace) error
}

// A Book remembers counts: catalog.Catalog.
type Book interface {
	Usages(ctx context.Context, day int64) ([]catalog.Usage, error)
	SaveUsages(ctx context.Context, day int64, all []catalog.Usage) error
}

const (
	pace     = 10 * time.Second // between two notes
	gigabyte = 1e9
	// near is the part of a cap from which on it is called near.
	near = 0.9
	// retry is what a refusal says at most: clients that obey sleep that long.
	retry = time.Minute
)

// A Meter is a Holder that keeps caps.
type Meter struct {
	next Holder
	book Book
	log  *slog.Logger

	mu   sync.Mutex
	day  int64
	used map[schema.WorkspaceID]*count

	stop context.CancelFunc
	done chan struct{}
}

type count struct {
	bytes  int64
	capped bool
	dirty  bool // not yet noted
}

// Start returns a Meter before next that knows what was counted today.
func Start(ctx context.Context, next Holder, book Book, log *slog.Logger) (*Meter, error) {
	m := &Meter{next: next, book: book, log: log, day: today(), used: map[schema.WorkspaceID]*count{}, done: make(chan struct{})}
	known, err := book.Usages(ctx, m.day)
	if err != nil {
		return nil, err
	}
	for _, u := range known {
		m.used[u.Workspace] = &count{bytes: u.Bytes, capped: true}
	}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.noting(ctx)
	return m, nil
}

// Close notes what was counted and stops.
func (m *Meter) Close() {
	m.stop()
	<-m.done
}

func today() int64 { return time.Now().Unix() / 86400 }

// Resets is when the day ends.
func Resets() time.Time { return time.Unix((today()+1)*86400, 0).UTC() }

// Append implements Holder: 429 if the workspace has reached its cap.
func (m *Meter) Append(ctx context.Context, w control.Workspace, r wire.Append, body io.Reader) (wire.Appended, error) {
	if err := m.over(w); err != nil {
		return wire.Appended{}, err
	}
	done, err := m.next.Append(ctx, w, r, body)
	if err == nil {
		m.add(w, done.Bytes)
	}
	return done, err
}

// Ready implements Holder.
func (m *Meter) Ready(ctx context.Context, w control.Workspace) error {
	if err := m.over(w); err != nil {
		return err
	}
	return m.next.Ready(ctx, w)
}

// over is the fault of a workspace that has reached its cap.
func (m *Meter) over(w control.Workspace) error {
	if m.State(w) == Over {
		wait := min(time.Until(Resets()), retry)
		return fault.New(fault.DailyCapReached, "The workspace '%s' has reached its daily cap of %g GB; it takes rows again from %s. Raise properties.workspaceCapping.dailyQuotaGb, or send them then.",
			w.ID.Name(), w.DailyQuota, Resets().Format(time.RFC3339)).WithRetryAfter(max(1, int(wait.Seconds())))
	}
	return nil
}

func (m *Meter) add(w control.Workspace, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	c := m.used[w.CustomerID]
	if c == nil {
		c = &count{}
		m.used[w.CustomerID] = c
	}
	c.bytes += bytes
	c.capped, c.dirty = w.DailyQuota >= 0, true
}

// turn begins a new day if there is one.
func (m *Meter) turn() {
	if d := today(); d != m.day {
		m.day = d
		clear(m.used)
	}
}

// The states of a cap, as workspaces show them.
const (
	Respected   = "RespectQuota"
	Approaching = "ApproachingQuota"
	Over        = "OverQuota"
)

// Used is how many bytes a workspace has taken since midnight; of one without a
// cap, since the start of the program if that is later.
func (m *Meter) Used(w control.Workspace) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	if c := m.used[w.CustomerID]; c != nil {
		return c.bytes
	}
	return 0
}

// State is how a workspace stands to its cap.
func (m *Meter) State(w control.Workspace) string {
	if w.DailyQuota < 0 {
		return Respected
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	c, limit := m.used[w.CustomerID], w.DailyQuota*gigabyte
	switch {
	case c == nil || float64(c.bytes) < near*limit:
		return Respected
	case float64(c.bytes) < limit:
		return Approaching
	}
	return Over
}

func (m *Meter) noting(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.note(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), pace)
			m.note(last)
			cancel()
			return
		}
	}
}

func (m *Meter) note(ctx context.Context) {
	m.mu.Lock()
	m.turn()
	var all []catalog.Usage
	for id, c := range m.used {
		if c.dirty && c.capped {
			all = append(all, catalog.Usage{Workspace: id, Day: m.day, Bytes: c.bytes})
			c.dirty = false
		}
	}
	day := m.day
	m.mu.Unlock()
	if len(all) == 0 {
		return
	}
	if err := m.book.SaveUsages(ctx, day, all); err != nil {
		m.log.Error("what workspaces took in today is not noted; it is tried again", "cause", err)
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, u := range all {
			if c := m.used[u.Workspace]; c != nil {
				c.dirty = true
			}
		}
	}
}
