package store

import (
	"context"
	"log/slog"
	"time"
)

// A pace says when to flush: to fill row groups as soon as full is signalled, if
// ripe says so still, and all when old says so. A flush that fails is tried again soon, then less and less often: rows that
// are refused meanwhile come back when a disk has room again or a bucket answers. After a flush
// segments are merged until there are none to merge or it is time to flush again.
type pace struct {
	age   time.Duration
	full  <-chan struct{}
	ripe  func() bool
	old   func() bool
	fill  func(context.Context) error
	flush func(context.Context) error
	merge func(context.Context) (more bool, err error)
	log   *slog.Logger
}

// The pauses before a flush that failed is tried again: the first, and the longest.
const (
	firstRetry = time.Second
	lastRetry  = 16 * time.Second
)

// run keeps the pace until ctx ends.
func (p pace) run(ctx context.Context) {
	tick := time.NewTicker(max(p.age/4, time.Millisecond))
	defer tick.Stop()
	for {
		flush := p.flush
		select {
		case <-ctx.Done():
			return
		case <-p.full:
			if !p.ripe() {
				continue
			}
			flush = p.fill
		case <-tick.C:
			if !p.old() {
				continue
			}
		}
		wait := firstRetry
		for err := flush(ctx); err != nil; err = p.flush(ctx) {
			if ctx.Err() != nil {
				return
			}
			p.log.Error("rows stay in the journal", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(wait, p.age)):
			}
			wait = min(2*wait, lastRetry)
		}
		p.tidy(ctx)
	}
}

// tidy merges while nothing is more urgent.
func (p pace) tidy(ctx context.Context) {
	for len(p.full) == 0 && ctx.Err() == nil {
		more, err := p.merge(ctx)
		if err != nil && ctx.Err() == nil {
			p.log.Warn("small segments not merged", "error", err)
		}
		if !more || err != nil || p.old() {
			return
		}
	}
}

// A flush for age writes an object for every table that has rows, however few.
// With many tables it would do nothing else, so it waits as many times longer as
// they are manyTables, up to longest: the rows are durable and visible meanwhile,
// and a start replays them.
const (
	manyTables = 64
	longest    = 30
)

// old reports whether rows wait too long, or a commit for its outcome.
func (s *Store) old() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest.IsZero() {
		return s.tail.rows > 0 // all that is there is leaving
	}
	waits := time.Since(s.oldest)
	if waits < s.cfg.FlushAge {
		return false
	}
	growing := 0
	for _, t := range s.tables {
		if len(t.chunks) > 0 {
			growing++
		}
	}
	return waits >= s.cfg.FlushAge*time.Duration(min(max(1, growing/manyTables), longest))
}
