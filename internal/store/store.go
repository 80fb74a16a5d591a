// Package store keeps the rows of one account: a table's life from the first
// append to the last query.
//
// # Contract
//
// When Append returns nil its rows are durable, and every Snapshot taken from
// then on shows each of them exactly once, before and after a flush, a crash or
// a new key generation. When it returns an error the rows are not acknowledged;
// after a crash they may be there or not, but never in part.
//
// A row is in one of two places: in the journal and, decoded, in the tail in
// memory; or in a segment that the manifest names. A flush moves rows from the
// first to the second, in this order: objects durable, then one commit of the
// manifest that adds the segments and raises the journal's floor, then the
// journal's files go. Whatever a crash interrupts, the manifest says where each
// row is. If nobody knows whether a commit took place, the rows stay in the
// tail and the same commit is tried again before any other.
//
// An object that no manifest names is an orphan of an interrupted flush.
// Orphans found by Open are removed after the store's own first commit: only
// that makes sure that the commit that would name them can't arrive late.
//
// Small segments of a table are merged into one after a flush, by one commit
// that adds it and removes them. Their objects go when no snapshot reads them.
//
// # Manifest
//
// The catalog that holds the manifest has no key, so its rows are sealed off
// with a MAC under the account's key, over the number of the change, the floor,
// all segments and the MAC before. Open refuses a manifest that was changed, and
// one that is older than the journal's last milestone.
// docs/format/manifest.md has the bytes.
//
// # On disk
//
//	DIR/journal/   sealed journal, package journal
//	DIR/objects/   sealed segments, package blob
//
// The store knows no SQL, no HTTP and no vault. Keys are the caller's.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync"
	"time"

	"logkeep/internal/batch"
	"logkeep/internal/blob"
	"logkeep/internal/disk"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
)

// Errors of Append.
var (
	// ErrClosed reports the use of a store after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrBehind reports that more rows wait for a flush than memory should
	// hold, because flushes fail or are too slow.
	ErrBehind = errors.New("too many rows wait to be flushed; try again later")
)

// Config says what a store is made of. Only the fields marked so may be zero.
type Config struct {
	FS      disk.FS
	Dir     string // the account's folder
	Account schema.AccountID
	Place   seal.Place // tenant and cluster
	// Keys returns the account's keys of a generation. They stay the caller's
	// and must live until Close.
	Keys     func(generation uint32) (seal.Keys, error)
	Current  uint32 // generation that new data are sealed under
	Manifest Manifest
	Commit   Committer
	Cache    *segment.Cache // may be shared with other stores
	Waiting  Waiting        // rows that were accepted while nobody had the keys; may be nil

	// Seen is a number of the journal that is known to have been durable, 0 if
	// none is: a journal that ends before it is ErrRolledBack.
	Seen uint64

	Budget     *Budget       // shared with the other stores of the process; may be nil
	FlushBytes int64         // flush when about so much waits; 0 means 64 MiB
	FlushAge   time.Duration // flush what waits so long; 0 means a minute
	MergeAfter int           // merge so many small segments of a table, at least 2; 0 means 8
	Log        *slog.Logger  // of background work; nil means none

	salvage *journal.Salvage
}

// Store is open for appending and reading. All methods may be called
// concurrently.
type Store struct {
	cfg     Config
	journal *journal.Journal
	objects *blob.Store
	log     *slog.Logger
	follows bool // it is a Follower's: another process owns what is on the disk

	// gate is held for reading from an append to the journal until its rows
	// are in the tail, and for writing by who cuts the tail: so the journal's
	// last number says what the tail holds.
	gate sync.RWMutex

	// flushing holds a token while a flush runs. It guards what follows.
	flushing chan struct{}
	pending  *flush
	orphans  []string
	looked   bool               // for orphans
	aside    []schema.SegmentID // that the next change removes from the manifest
	waiting  waiting

	encodings sync.Pool // of *bytes.Buffer: rows on their way to the journal

	mu       sync.Mutex // guards what follows
	closed   bool
	current  uint32
	manifest head
	tables   map[tableKey]*tableState
	unmerged map[tableKey]bool // tables that got segments since none was found to merge
	tail     size              // of all tables, rows being flushed included
	leaving  int64             // bytes of these
	failed   error             // why the last flush did
	waits    int               // appends that wait for room
	oldest   time.Time         // when the first row not being flushed came

	full chan struct{} // wakes the background when much waits
	room bell          // rung when there may be room in the tail, or never will be
	stop context.CancelFunc
	done sync.WaitGroup
}

// tableKey names a table of a workspace.
type tableKey struct {
	workspace schema.WorkspaceID
	table     schema.TableName
}

// tableState is where a table's rows are. A row is in exactly one of the three.
type tableState struct {
	segments []*stored
	small    []*stored // those of segments that may be merged
	leaving  []*chunk  // being flushed
	chunks   []*chunk  // the last one may grow
}

// A size counts rows and about how many bytes they take.
type size struct{ rows, bytes int64 }

// Stats says how much a store holds.
type Stats struct {
	Segments     int
	SegmentRows  int64
	SegmentBytes int64 // sealed
	TailRows     int64
	TailBytes    int64
}

// Open checks the manifest, opens the journal and takes its lock, and replays
// what is not in segments yet. Flushing begins in the background; it ends with
// Close.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open account %s: %w", cfg.Account, err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (s *Store, err error) {
	if cfg.FlushBytes == 0 {
		cfg.FlushBytes = 64 << 20
	}
	if cfg.FlushAge == 0 {
		cfg.FlushAge = time.Minute
	}
	if cfg.MergeAfter == 0 {
		cfg.MergeAfter = 8
	}
	cfg.MergeAfter = max(cfg.MergeAfter, 2)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s = &Store{
		cfg: cfg, log: cfg.Log.With("account", cfg.Account), current: cfg.Current,
		flushing: make(chan struct{}, 1), full: make(chan struct{}, 1),
		tables: make(map[tableKey]*tableState), unmerged: make(map[tableKey]bool),
	}
	s.waiting.Waiting = cfg.Waiting
	cfg.Budget.join(s)
	defer func(s *Store) {
		if err != nil {
			cfg.Budget.leave(s, s.tail.bytes)
		}
	}(s)
	if s.manifest, err = verify(cfg); err != nil {
		return nil, err
	}
	place := cfg.Place
	place.Object = string(cfg.Account)
	s.journal, err = journal.Open(journal.Config{
		FS: cfg.FS, Dir: path.Join(cfg.Dir, "journal"), Place: place,
		Keys: cfg.Keys, Current: cfg.Current, Floor: s.manifest.floor,
		Replay: s.replay, Salvage: cfg.salvage,
		Report: func(c journal.Cut) {
			s.log.Warn("journal cut", "file", c.File, "offset", c.Offset, "bytes", c.Bytes, "reason", c.Reason)
		},
	})
	if err != nil {
		return nil, err
	}
	if last := s.journal.Last(); last < cfg.Seen {
		return nil, errors.Join(fmt.Errorf("%w: the journal ends with entry %d, and entry %d was acknowledged", ErrRolledBack, last, cfg.Seen), s.journal.Close())
	}
	// The journal's lock is held from here on: nobody else is writing objects.
	if err := s.openObjects(); err != nil {
		return nil, errors.Join(err, s.journal.Close())
	}
	if err := s.takeWaiting(ctx); err != nil {
		s.log.Error("rows that were accepted while the key was away wait longer", "error", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	p := pace{age: cfg.FlushAge, full: s.full, ripe: s.isRipe, old: s.old, flush: s.Flush, fill: s.fill, merge: s.tidy, log: s.log}
	s.done.Go(func() { s.look(background) })
	s.done.Go(func() { p.run(background) })
	return s, nil
}

func (s *Store) openObjects() (err error) {
	if s.objects, err = blob.NewStore(s.cfg.FS, path.Join(s.cfg.Dir, "objects")); err != nil {
		return err
	}
	present := s.cfg.Manifest.present()
	for _, info := range present {
		s.add(info)
	}
	if len(present) < len(s.cfg.Manifest.Segments) {
		s.aside = s.cfg.Manifest.Aside
	}
	return nil
}

// replay takes an entry of the journal into the tail.
func (s *Store) replay(seq uint64, e journal.Entry) error {
	if isMilestone(e) {
		return s.manifest.reached(e.Payload)
	}
	s.waiting.found(e.Batch)
	rec, err := batch.Decode(e.Payload)
	if err != nil {
		return err
	}
	rows, err := newRows(Rows{Workspace: e.Workspace, Table: e.Table, Record: rec}, int64(len(e.Payload)))
	if err != nil {
		return err
	}
	rows.seq = seq
	s.take(rows)
	return nil
}

// table returns the state of a table, new if need be. It needs mu, but in Open.
func (s *Store) table(key tableKey) *tableState {
	t := s.tables[key]
	if t == nil {
		t = &tableState{}
		s.tables[key] = t
	}
	return t
}

// calm is how long after the opening orphans are looked for, if no flush comes before:
// listing very many objects takes its time, and whoever had the account opened waits.
const calm = 3 * time.Second

// look finds orphans soon after the store was opened, without having kept
// anyone waiting: there may be very many objects.
func (s *Store) look(ctx context.Context) {
	select {
	case <-time.After(calm):
	case <-ctx.Done():
		return
	}
	s.flushing <- struct{}{}
	defer func() { <-s.flushing }()
	if err := s.findOrphans(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("orphans not looked for; the next flush does", "error", err)
	}
}

// findOrphans lists the objects that the manifest does not name, and tells of
// segments whose object is missing: queries that need them will fail. It does
// so once, with the token and before the store has written an object itself.
func (s *Store) findOrphans(ctx context.Context) error {
	if s.looked {
		return nil
	}
	objects, err := s.objects.Tidy(ctx)
	if err != nil {
		return err
	}
	s.looked = true
	named := make(map[string]bool, len(s.cfg.Manifest.Segments))
	for _, info := range s.cfg.Manifest.Segments {
		named[string(info.ID)] = true
	}
	for _, o := range objects {
		if !named[o.Name] {
			s.orphans = append(s.orphans, o.Name)
		}
		delete(named, o.Name)
	}
	for _, id := range s.cfg.Manifest.Aside {
		delete(named, string(id))
	}
	for id := range named {
		s.log.Error("a segment's object is missing; restore it from a backup", "segment", id)
	}
	return nil
}

// Use seals new data under another generation. Data of older ones stay as they
// are, and stay readable while Keys gives their keys.
func (s *Store) Use(generation uint32) error {
	if _, err := s.cfg.Keys(generation); err != nil {
		return fmt.Errorf("account %s: use generation %d: %w", s.cfg.Account, generation, err)
	}
	if err := s.journal.Use(generation); err != nil {
		return fmt.Errorf("account %s: %w", s.cfg.Account, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = max(s.current, generation)
	return nil
}

// Stats returns how much the store holds at this moment.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{TailRows: s.tail.rows, TailBytes: s.tail.bytes}
	for _, t := range s.tables {
		st.Segments += len(t.segments)
		for _, g := range t.segments {
			st.SegmentRows += g.info.Rows
			st.SegmentBytes += g.info.Bytes
		}
	}
	return st
}

// Close ends the background's work and closes the journal. What is in the tail
// stays in the journal. Snapshots must have been released.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.room.ring()
	s.stop()
	s.done.Wait()
	s.flushing <- struct{}{} // a flush under way ends first
	defer func() { <-s.flushing }()
	s.gate.Lock() // and so do appends
	defer s.gate.Unlock()
	err := s.journal.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		for _, c := range append(t.leaving, t.chunks...) {
			c.current.unpin()
		}
		for _, g := range t.segments {
			s.cfg.Cache.Forget(g.info.ID)
		}
	}
	clear(s.tables)
	s.cfg.Budget.leave(s, s.tail.bytes)
	return err
}
