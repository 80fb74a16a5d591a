// Package journal keeps the rows of one account that were accepted and are not
// yet in a segment.
//
// # Contract
//
// When Append returns nil its entries are durable, and every later Open replays
// them exactly once, in the order of their numbers, until Release. When Append
// returns an error they are not acknowledged: after a crash they may be replayed
// or not, but never in part. One Append is one unit with one number; numbers
// begin at 1 and have no gaps. Appends that run at the same time share one
// write and one sync.
//
// Numbers are given in the order of the file, but concurrent Appends return in
// any order. Whoever releases up to a number must have taken every lower one.
//
// A crash can only leave the last write torn. Open cuts it and reports the Cut.
// Whatever else is wrong with a file is a DamageError, and nothing is cut: not
// for a wrong key, not for a disk that can't be read, not for bytes in the middle.
//
// A full or failing disk fails the Append and nothing else: the journal can be
// used again when the disk can.
//
// # Files
//
//	NUMBER.journal = header frame…            NUMBER: 16 hex digits, growing
//	header = "LKJ" version(1) generation(4) first(8) previous(32) crc(4)
//	frame  = length(4) first(8) previous(32) bodycrc(4) crc(4) sealed(length)
//
// Integers are big-endian, checksums CRC-32C. first is the number of the first
// unit, previous the commitment of the frame before it; frames of version 1 lack it. A frame's body is a
// sealed message of its own; its place carries the journal's id, the number and
// the previous commitment, so frames can't be exchanged, repeated, left out or
// moved. The header is not sealed, but a wrong one opens no frame. Checksums
// tell torn bytes from tampered ones; they protect nothing.
//
// A file is never appended to after it was closed, or after a sync failed: the
// next write begins a new one. What an older file has at or past the next
// file's first number was never acknowledged, and is void.
//
// docs/format/journal.md has the bytes.
package journal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"sync"

	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// Kind is the kind of place that the journal's frames are sealed for.
const Kind = "journal"

const (
	defaultFileSize = 64 << 20
	maxAppend       = 64 << 20 // bytes of one Append
	maxGroup        = 8 << 20  // bytes of Appends that share a write
)

// ErrClosed reports the use of a journal after Close.
var ErrClosed = errors.New("the journal is closed")

// ErrTooLarge reports an Append that doesn't fit a frame.
var ErrTooLarge = fmt.Errorf("more than %d MiB in one append; split it", maxAppend>>20)

// An Entry is rows of one table, encoded by the caller.
type Entry struct {
	Workspace schema.WorkspaceID
	Table     schema.TableName
	Batch     [16]byte // id of the batch that the client sent
	Payload   []byte
	Parts     [][]byte // in place of Payload, for Append: its parts, one behind the other
}

// Config says where a journal is and what it is sealed with.
type Config struct {
	FS    disk.FS
	Dir   string
	Place seal.Place // Object is the journal's id; Kind is set to the package's
	// Keys returns the keys of a generation. They stay the caller's, and must
	// live until Close.
	Keys     func(generation uint32) (seal.Keys, error)
	Current  uint32 // generation that new frames are sealed under
	Floor    uint64 // first number that is wanted; lower ones are not replayed
	FileSize int64  // about how long a file may get; 0 means 64 MiB
	// Replay receives the entries from Floor on, in order. It may keep them.
	Replay func(seq uint64, e Entry) error
	// Report receives what was cut; may be nil.
	Report  func(Cut)
	Salvage *Salvage // nil: a damaged journal is refused
}

// A Cut is a torn or void end of a file, which held nothing acknowledged.
type Cut struct {
	File   string
	Offset int64 // where the good part ends
	Bytes  int64 // how much follows it
	Reason string
}

// A DamageError says that a file is not what the journal wrote. Entries before
// it were replayed.
type DamageError struct {
	File   string
	Offset int64
	Err    error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal file %s is damaged at byte %d: %v; restore the file from a backup", e.File, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// A Journal is open for appending. All methods may be called concurrently.
type Journal struct {
	cfg  Config
	lock io.Closer

	// turn holds a token while someone writes. It guards the writer.
	turn disk.Turn
	w    writer

	mu     sync.Mutex
	queue  []*request
	closed bool
	last   uint64          // last number that is durable
	head   seal.Commitment // of the frame that it is in
	files  []fileInfo      // from old to new
	roll   bool            // the newest file holds nothing that is wanted
}

// fileInfo is a file that holds the numbers from first up to the next file's first.
type fileInfo struct {
	name  string
	first uint64
}

// Open opens the journal, replays it, and takes its lock.
func Open(cfg Config) (*Journal, error) {
	if cfg.FileSize == 0 {
		cfg.FileSize = defaultFileSize
	}
	if cfg.Report == nil {
		cfg.Report = func(Cut) {}
	}
	cfg.Place.Kind = Kind
	if cfg.Place.Object == "" || cfg.Replay == nil {
		return nil, errors.New("internal error: a journal needs an id and a Replay")
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", cfg.Dir, err)
	}
	lock, err := cfg.FS.Lock(path.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", cfg.Dir, err)
	}
	j, err := open(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", cfg.Dir, err), lock.Close())
	}
	j.lock = lock
	return j, nil
}

func open(cfg Config) (*Journal, error) {
	keys, err := keysOf(cfg, cfg.Current)
	if err != nil {
		return nil, err
	}
	r := replayer{cfg: cfg, keys: map[uint32]seal.Keys{cfg.Current: keys}}
	if err := r.run(); err != nil {
		return nil, err
	}
	j := &Journal{cfg: cfg, turn: disk.NewTurn(), files: r.files, last: r.next - 1, head: r.previous}
	j.w = writer{cfg: cfg, keys: keys, number: r.number, next: r.next, previous: r.previous}
	return j, nil
}

// keysOf asks for the keys of a generation.
func keysOf(cfg Config, generation uint32) (seal.Keys, error) {
	keys, err := cfg.Keys(generation)
	if err != nil {
		return keys, fmt.Errorf("keys of generation %d: %w", generation, err)
	}
	if keys.Generation != generation {
		return keys, fmt.Errorf("internal error: keys of generation %d were asked for, and of %d given", generation, keys.Generation)
	}
	return keys, nil
}

func (j *Journal) isClosed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// Use seals what is appended from now on under another generation. Numbers go on.
func (j *Journal) Use(generation uint32) error {
	keys, err := keysOf(j.cfg, generation)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.cfg.Dir, err)
	}
	j.turn.Take()
	defer j.turn.Give()
	if j.isClosed() {
		return ErrClosed
	}
	if generation < j.w.keys.Generation {
		return fmt.Errorf("internal error: journal %s goes back from generation %d to %d", j.cfg.Dir, j.w.keys.Generation, generation)
	}
	if generation != j.w.keys.Generation {
		j.w.leave()
		j.w.keys = keys
	}
	return nil
}

// Last returns the highest number that is durable, 0 if there was none.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Release says that numbers below floor are not wanted any more, and removes
// the files that hold nothing else. The newest file stays, for the chain.
func (j *Journal) Release(floor uint64) error {
	j.mu.Lock()
	var gone []fileInfo
	for i := 0; i+1 < len(j.files) && j.files[i+1].first <= floor; i++ {
		gone = append(gone, j.files[i])
	}
	j.roll = j.roll || floor > j.last // so that the newest can go next time
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return ErrClosed
	}
	for _, f := range gone { // old before new, so that a crash leaves no hole
		if err := j.remove(f); err != nil {
			return fmt.Errorf("journal %s: release: %w", j.cfg.Dir, err)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := j.cfg.FS.SyncDir(j.cfg.Dir); err != nil {
		return fmt.Errorf("journal %s: release: %w", j.cfg.Dir, err)
	}
	return nil
}

// Close ends appending. Appends that wait fail with ErrClosed.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.closed = true
	waiting := j.queue
	j.queue = nil
	j.mu.Unlock()
	for _, r := range waiting {
		r.finish(0, ErrClosed)
	}
	j.turn.Take() // a write under way ends first
	defer j.turn.Give()
	return errors.Join(j.w.leave(), j.lock.Close())
}
