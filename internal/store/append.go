package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
)

// behind is how many times FlushBytes may wait before appends are refused.
const behind = 4

// keptEncoding is the most room that is used again for what a record's encoding
// has beside its cells: few requests have so many columns, or rows so few.
const keptEncoding = 256 << 10

// Rows are rows of one table, as package batch makes them.
type Rows struct {
	Workspace schema.WorkspaceID
	Table     schema.TableName
	Record    arrow.RecordBatch
	Batch     [16]byte // id of the batch that they came in; zero: a new one
}

// checked is rows with what the tail must know of them.
type checked struct {
	Rows
	columns []schema.Column
	mark
}

// A mark is what is known of the rows of one append to a table.
type mark struct {
	seq         uint64 // its number in the journal
	bytes       int64
	first, last schema.Ticks
}

func newRows(r Rows, bytes int64) (checked, error) {
	columns, err := batch.Columns(r.Record.Schema())
	if err != nil {
		return checked{}, fmt.Errorf("rows for table %s: %w", r.Table, err)
	}
	c := checked{Rows: r, columns: columns, mark: mark{bytes: bytes}}
	if r.Record.NumRows() > 0 {
		if c.first, c.last, err = batch.Span(r.Record); err != nil {
			return checked{}, fmt.Errorf("rows for table %s: %w", r.Table, err)
		}
	}
	return c, nil
}

// Append makes rows durable and visible: all of them or, after an error, none.
// The store keeps the records; they must not change. If ctx ends before the
// write has begun nothing is written; afterwards Append waits for the outcome.
func (s *Store) Append(ctx context.Context, rows ...Rows) error {
	return s.append(ctx, s.admit, rows)
}

func (s *Store) append(ctx context.Context, admit func() error, rows []Rows) error {
	var entries []journal.Entry
	var all []checked
	var encoded []*bytes.Buffer
	defer func() { // the journal has sealed them, or never will
		for _, b := range encoded {
			if b.Cap() <= keptEncoding {
				s.encodings.Put(b)
			}
		}
	}()
	for _, r := range rows {
		if r.Record.NumRows() == 0 {
			continue
		}
		b, _ := s.encodings.Get().(*bytes.Buffer)
		if b == nil {
			b = new(bytes.Buffer)
		}
		b.Reset()
		encoded = append(encoded, b)
		parts, err := batch.Encoded(b, r.Record)
		if err != nil {
			return err
		}
		length := int64(0)
		for _, part := range parts {
			length += int64(len(part))
		}
		c, err := newRows(r, length)
		if err != nil {
			return err
		}
		e := journal.Entry{Workspace: r.Workspace, Table: r.Table, Batch: r.Batch, Parts: parts}
		if e.Batch == [16]byte{} {
			rand.Read(e.Batch[:]) // crypto/rand never fails
		}
		entries, all = append(entries, e), append(all, c)
	}
	if len(entries) == 0 {
		return nil
	}
	if err := admit(); err != nil {
		return err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	seq, err := s.journal.Append(ctx, entries...)
	if err != nil {
		if errors.Is(err, journal.ErrClosed) {
			return ErrClosed
		}
		return fmt.Errorf("account %s: %w", s.cfg.Account, err)
	}
	for i := range all {
		all[i].seq = seq
	}
	s.take(all...)
	return nil
}

func (s *Store) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasRoom(4)
}

// hasRoom returns the error with which rows are refused if so many quarters of
// what the tail may have are in use. It needs mu.
func (s *Store) hasRoom(quarters int64) error {
	if s.closed {
		return ErrClosed
	}
	if s.tail.bytes > behind*s.cfg.FlushBytes/4*quarters || s.cfg.Budget.full(quarters) {
		if s.failed != nil { // nobody is too fast: it is for this that rows don't leave
			return fmt.Errorf("%w: %w", ErrBehind, s.failed)
		}
		return ErrBehind
	}
	return nil
}

// take puts rows that are in the journal into the tail, at once for snapshots.
func (s *Store) take(rows ...checked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.keep(r)
		if s.oldest.IsZero() && r.Record.NumRows() > 0 {
			s.oldest = time.Now()
		}
	}
	if n := len(rows); n > 0 && s.ripe(s.table(tableKey{rows[n-1].Workspace, rows[n-1].Table})) {
		s.wake()
	}
}

// keep adds rows to the tail. It needs mu.
func (s *Store) keep(r checked) {
	if r.Record.NumRows() == 0 {
		return
	}
	t := s.table(tableKey{r.Workspace, r.Table})
	if n := len(t.chunks); n == 0 || !t.chunks[n-1].fits(r) {
		t.chunks = append(t.chunks, newChunk(r))
	} else {
		t.chunks[n-1].add(r)
	}
	s.tail.rows += r.Record.NumRows()
	s.tail.bytes += r.bytes
	s.cfg.Budget.spend(r.bytes)
}

// wake tells the background that much waits.
func (s *Store) wake() {
	select {
	case s.full <- struct{}{}:
	default:
	}
}
