package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A flush is rows on their way from the tail into segments.
type flush struct {
	rows   map[tableKey][]*chunk
	size   size
	floor  uint64 // one past the last journal number that it holds
	change Change
	head   head // of the manifest after the change
}

// Flush writes the tail into segments. When it returns nil every row that was
// acknowledged before the call is in a segment. Appends and queries go on
// meanwhile. After an error the rows are where they were.
func (s *Store) Flush(ctx context.Context) error { return s.inTurn(ctx, (*Store).all) }

// fill is Flush, of rows that fill row groups; others stay in the tail. If there
// are none, or memory is short, it is Flush.
func (s *Store) fill(ctx context.Context) error { return s.inTurn(ctx, (*Store).groups) }

// inTurn is flush, when no other runs.
func (s *Store) inTurn(ctx context.Context, through func(*Store) uint64) error {
	select {
	case s.flushing <- struct{}{}:
		defer func() { <-s.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.flush(ctx, through)
}

func (s *Store) flush(ctx context.Context, through func(*Store) uint64) error {
	err := s.flushAll(ctx, through)
	s.mu.Lock()
	s.failed = err
	s.mu.Unlock()
	s.room.ring()
	if err != nil {
		return fmt.Errorf("flush account %s: %w", s.cfg.Account, err)
	}
	return nil
}

func (s *Store) flushAll(ctx context.Context, through func(*Store) uint64) error {
	if err := s.takeWaiting(ctx); err != nil {
		if s.waiting.halfway() {
			return err
		}
		s.log.Error("rows that were accepted while the key was away wait longer", "error", err)
	}
	return s.flushTail(ctx, through)
}

// flushTail moves rows up to the number in the journal that through tells.
func (s *Store) flushTail(ctx context.Context, through func(*Store) uint64) error {
	if err := s.findOrphans(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	f, err := s.cut(through)
	if f == nil || err != nil {
		return err
	}
	if err := s.write(ctx, f); err != nil {
		s.putBack(ctx, f)
		return err
	}
	if err := s.commit(ctx, f); err != nil {
		return err
	}
	if _, err := s.merge(ctx); err != nil {
		s.log.Warn("small segments not merged", "error", err)
	}
	return nil
}

// settle asks again for a commit of which nobody knows whether it was stored.
// Until it is known no other change may be made: a second segment with the
// same rows would double them.
func (s *Store) settle(ctx context.Context) error {
	if s.pending == nil {
		return nil
	}
	return s.commit(ctx, s.pending)
}

// cut takes rows out of the growing tail, those up to a number in the journal.
// They stay visible. through is called with mu.
func (s *Store) cut(through func(*Store) uint64) (*flush, error) {
	s.gate.Lock() // no append is between the journal and the tail
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	last := through(s)
	f := &flush{rows: make(map[tableKey][]*chunk), floor: last + 1}
	stay := false
	for key, t := range s.tables {
		if len(t.chunks) == 0 {
			continue
		}
		t.leaving, t.chunks = split(t.chunks, last)
		stay = stay || len(t.chunks) > 0
		if len(t.leaving) == 0 {
			continue
		}
		f.rows[key] = t.leaving
		for _, c := range t.leaving {
			f.size.rows += c.rows
			f.size.bytes += c.bytes
		}
	}
	if s.oldest = (time.Time{}); stay {
		s.oldest = time.Now() // not much older: they came after all that leaves
	}
	if len(f.rows) == 0 {
		return nil, nil
	}
	s.leaving = f.size.bytes
	return f, nil
}

// write writes one durable segment for each table and set of columns, and
// prepares the change that names them.
func (s *Store) write(ctx context.Context, f *flush) error {
	s.mu.Lock()
	generation := s.current
	s.mu.Unlock()
	f.change = Change{Account: s.cfg.Account}
	created := schema.TicksOf(time.Now())
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(1)
	if len(f.rows) > manyTables {
		group.SetLimit(syncs) // they wait for the disk, most of their time
	}
	var parts []*flush
	for key, chunks := range f.rows {
		for _, recs := range byColumns(chunks) {
			part := &flush{}
			parts = append(parts, part)
			group.Go(func() error { return s.writeSegment(within, part, key, generation, created, recs) })
		}
	}
	err := group.Wait()
	for _, part := range parts { // after an error too: putBack removes what is named
		f.change.Add = append(f.change.Add, part.change.Add...)
	}
	if err != nil {
		return err
	}
	return s.prepare(f)
}

// syncs is how many segments of very many tables are made durable at a time.
const syncs = 16

// writeSegment writes a durable segment and names it in the change. created is
// when its rows came, at the earliest.
func (s *Store) writeSegment(ctx context.Context, f *flush, key tableKey, generation uint32, created schema.Ticks, recs []arrow.RecordBatch) error {
	k, err := s.cfg.Keys(generation)
	if err != nil {
		return fmt.Errorf("keys of generation %d: %w", generation, err)
	}
	info := segment.Info{
		ID: newSegmentID(), Account: s.cfg.Account, Workspace: key.workspace, Table: key.table,
		Created: created,
	}
	w, err := s.objects.Create(ctx, string(info.ID))
	if err != nil {
		return err
	}
	// Named before it is durable: putBack removes what is named.
	f.change.Add = append(f.change.Add, info)
	if info, err = segment.Write(ctx, w, k, s.cfg.Place, info, recs); err != nil {
		return errors.Join(err, w.Abort())
	}
	f.change.Add[len(f.change.Add)-1] = info
	return w.Commit(ctx)
}

// prepare completes the change: what the manifest will be after it. What was set
// aside goes with it.
func (s *Store) prepare(f *flush) error {
	f.change.Remove = append(f.change.Remove, s.aside...)
	s.mu.Lock()
	generation := s.current
	h := s.manifest
	s.mu.Unlock()
	all, err := h.all.after(f.change.Remove, f.change.Add)
	if err != nil {
		return fmt.Errorf("internal error: change %d: %w", h.seq+1, err)
	}
	k, err := s.cfg.Keys(generation)
	if err != nil {
		return fmt.Errorf("keys of generation %d: %w", generation, err)
	}
	if f.head, err = h.next(s.cfg, k, f.floor, all); err != nil {
		return err
	}
	f.change.Seq, f.change.Floor, f.change.MAC = f.head.seq, f.head.floor, f.head.mac
	return nil
}

// byColumns gathers the records of chunks that have the same columns.
func byColumns(chunks []*chunk) [][]arrow.RecordBatch {
	var sets [][]schema.Column
	var recs [][]arrow.RecordBatch
	for _, c := range chunks {
		at := slices.IndexFunc(sets, func(set []schema.Column) bool { return slices.Equal(set, c.columns) })
		if at < 0 {
			at = len(sets)
			sets, recs = append(sets, c.columns), append(recs, nil)
		}
		recs[at] = append(recs[at], c.current.recs...)
	}
	return recs
}

// putBack undoes a cut whose change was never handed to the committer: its
// objects are orphans for sure.
func (s *Store) putBack(ctx context.Context, f *flush) {
	s.mu.Lock()
	for key, chunks := range f.rows {
		t := s.table(key)
		t.leaving, t.chunks = nil, append(chunks, t.chunks...)
	}
	if len(f.rows) > 0 {
		s.oldest = time.Now() // try again, but not at once
		s.leaving = 0
	}
	s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	for _, info := range f.change.Add {
		if err := s.objects.Remove(ctx, string(info.ID)); err != nil {
			s.orphans = append(s.orphans, string(info.ID))
		}
	}
}

// commit makes the change, moves the rows and lets the journal go.
func (s *Store) commit(ctx context.Context, f *flush) error {
	s.pending = f
	if err := s.cfg.Commit.Commit(ctx, f.change); err != nil {
		return fmt.Errorf("commit change %d: %w", f.change.Seq, err)
	}
	s.pending, s.aside = nil, nil
	s.mu.Lock()
	s.manifest = f.head
	unread := s.forget(f.change.Remove)
	for _, info := range f.change.Add {
		s.add(info)
	}
	for key, chunks := range f.rows {
		s.table(key).leaving = nil
		for _, c := range chunks {
			c.current.unpin()
		}
	}
	s.tail.rows -= f.size.rows
	s.tail.bytes -= f.size.bytes
	s.leaving -= f.size.bytes
	s.cfg.Budget.spend(-f.size.bytes)
	s.mu.Unlock()

	// The rest is housekeeping: what fails here is done after the next flush.
	if err := s.journal.Release(f.floor); err != nil {
		s.log.Warn("journal files not released", "error", err)
	}
	s.milestone(ctx, f)
	s.orphans = append(s.orphans, unread...)
	s.orphans = slices.DeleteFunc(s.orphans, func(name string) bool {
		err := s.objects.Remove(ctx, name)
		if err != nil {
			s.log.Warn("orphan not removed", "segment", name, "error", err)
		}
		return err == nil
	})
	return nil
}

func newSegmentID() schema.SegmentID {
	var b [16]byte
	rand.Read(b[:]) // crypto/rand never fails
	return schema.SegmentID(hex.EncodeToString(b[:]))
}
