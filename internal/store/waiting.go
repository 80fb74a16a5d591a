package store

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// Waiting is rows that were accepted while nobody had the account's keys. They
// lie in files elsewhere; a store takes them over, file by file, when it opens.
//
// A file's rows go into the journal, then the file goes, and until then nothing
// is flushed. So what a crash leaves in both places is found in the journal, by
// the ids of batches, and no row is there twice.
type Waiting interface {
	// Next gives the rows of the oldest file, each batch with its id. It gives
	// the same file until Done was called; ok is false when there is none.
	Next(ctx context.Context) (rows []Rows, ok bool, err error)
	// Done removes the file that Next gave. When it returns nil that is durable.
	Done(ctx context.Context) error
	// Own tells the ids of such batches from all others.
	Own(batch [16]byte) bool
}

// These bound what one append to the journal takes over.
const (
	importBatches = 1000
	importBytes   = 8 << 20
)

// waiting is how far a store has come with its Waiting. It is used while the
// store is opened, and with the flushing token from then on.
type waiting struct {
	Waiting
	journaled map[[16]byte]bool // batches of the oldest file that the journal has
}

// found notes a batch that the journal has.
func (w *waiting) found(batch [16]byte) {
	if w.Waiting == nil || !w.Own(batch) {
		return
	}
	if w.journaled == nil {
		w.journaled = map[[16]byte]bool{}
	}
	w.journaled[batch] = true
}

// halfway reports whether rows may be in the journal and in a file: then the
// journal must keep them.
func (w *waiting) halfway() bool { return len(w.journaled) > 0 }

// takeWaiting takes over all that waits. After an error the rest waits for the
// next flush.
func (s *Store) takeWaiting(ctx context.Context) error {
	for s.waiting.Waiting != nil {
		rows, ok, err := s.waiting.Next(ctx)
		if err != nil {
			return fmt.Errorf("account %s: %w", s.cfg.Account, err)
		}
		if !ok {
			s.waiting = waiting{}
			return nil
		}
		if err := s.takeFile(ctx, rows); err != nil {
			return err
		}
		if err := s.waiting.Done(ctx); err != nil {
			return fmt.Errorf("account %s: %w", s.cfg.Account, err)
		}
		s.waiting.journaled = nil
		s.mu.Lock()
		full := s.tail.bytes >= s.cfg.FlushBytes
		s.mu.Unlock()
		if full {
			if err := s.flushTail(ctx, (*Store).all); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeFile makes the rows of one file durable in the journal, but those that it
// has already.
func (s *Store) takeFile(ctx context.Context, rows []Rows) error {
	for len(rows) > 0 {
		var some []Rows
		for n := int64(0); len(rows) > 0 && len(some) < importBatches && n < importBytes; rows = rows[1:] {
			if !s.waiting.journaled[rows[0].Batch] {
				some = append(some, rows[0])
				n += bytesOf(rows[0].Record)
			}
		}
		// Nobody can send these rows again: they are not refused for being many.
		if err := s.append(ctx, func() error { return nil }, some); err != nil {
			return err
		}
		for _, r := range some {
			s.waiting.found(r.Batch)
		}
	}
	return nil
}

// bytesOf is about how many bytes a record has.
func bytesOf(rec arrow.RecordBatch) (n int64) {
	for _, column := range rec.Columns() {
		for _, b := range column.Data().Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
	}
	return n
}
