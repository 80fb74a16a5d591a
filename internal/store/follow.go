package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"

	"logkeep/internal/batch"
	"logkeep/internal/blob"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A Mark says how far an account has come: rows that were acknowledged before
// it was asked for are in the segments of change Seq, or of any later one, or in
// the journal between that one's floor and Journal.
type Mark struct {
	Seq     uint64
	Journal journal.Mark
}

// Mark returns the mark of now.
func (s *Store) Mark() Mark {
	s.mu.Lock()
	m := Mark{Seq: s.manifest.seq}
	s.mu.Unlock()
	m.Journal = s.journal.Mark()
	return m
}

// A Follower shows the rows of an account that another process owns. It writes
// nothing and takes no lock: it goes by marks of the owner's Store, by the
// manifest, whose MAC it verifies, and by what lies on the disk. All methods
// may be called concurrently.
type Follower struct {
	store    *Store // that has no journal and owns no object: snapshots are taken of it
	journal  *journal.Follower
	manifest func(context.Context, uint64) (Manifest, error)
	listed   []segment.Info // all of the manifest that was verified last, of change seq
	seq      uint64
	turn     chan struct{} // holds a token while the follower moves; guards rows and through
	rows     []numbered    // in the journal from the manifest's floor on
	at       uint64        // number of the last of the journal that was read
}

type numbered struct {
	seq uint64
	checked
}

// Follow returns a Follower that knows no row yet. Of the Config it needs FS,
// Dir, Account, Place, Keys and Cache. Keys must know a generation as soon as
// something on the disk is sealed under it. manifest returns the newest
// manifest, or its difference to the one of change since, if that is not 0; it is
// asked when a mark says that there is a newer one, or when something on the disk
// has gone.
func Follow(cfg Config, manifest func(ctx context.Context, since uint64) (Manifest, error)) *Follower {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	place := cfg.Place
	place.Object = string(cfg.Account)
	return &Follower{
		store: &Store{
			cfg: cfg, log: cfg.Log.With("account", cfg.Account), follows: true, manifest: head{floor: 1},
			objects: blob.ReadOnly(cfg.FS, path.Join(cfg.Dir, "objects")), tables: make(map[tableKey]*tableState),
		},
		journal:  journal.Follow(journal.Config{FS: cfg.FS, Dir: path.Join(cfg.Dir, "journal"), Place: place, Keys: cfg.Keys}),
		manifest: manifest,
		turn:     make(chan struct{}, 1),
	}
}

// Advance moves on to a mark: snapshots taken from now on have every row that
// was acknowledged before the mark, once. What of it was read before is not
// read again.
func (f *Follower) Advance(ctx context.Context, to Mark) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if f.store.manifest.seq >= to.Seq && f.at >= to.Journal.Last {
		return nil
	}
	if err := f.advance(ctx, to); err != nil {
		return fmt.Errorf("follow account %s: %w", f.store.cfg.Account, err)
	}
	return nil
}

// Renew asks for the manifest although no mark says that there is a newer one,
// since something that the one at hand names is not there. The error wraps
// cause if it is the newest: then what is missing is lost.
func (f *Follower) Renew(ctx context.Context, to Mark, cause error) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	had := f.store.manifest.seq
	to.Seq = max(to.Seq, had) + 1
	err := f.advance(ctx, to)
	if errors.Is(err, errNotNewer) {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("follow account %s: %w", f.store.cfg.Account, err)
	}
	return nil
}

// errNotNewer reports that a manifest that must be there is not.
var errNotNewer = errors.New("the catalog's manifest is older than the account's owner says")

func (f *Follower) advance(ctx context.Context, to Mark) error {
	head, segments := f.store.manifest, []segment.Info(nil)
	newer := false
	for {
		if head.seq < to.Seq {
			h, infos, err := f.ask(ctx)
			if err != nil {
				return err
			}
			if h.seq < to.Seq || h.floor < head.floor {
				return errNotNewer
			}
			head, segments, newer = h, infos, true
		}
		entries, err := f.journal.Advance(head.floor, to.Journal)
		if errors.Is(err, journal.ErrReleased) {
			to.Seq = head.seq + 1
			if h, infos, again := f.ask(ctx); again != nil || h.seq < to.Seq {
				return errors.Join(err, again) // nothing newer: it is lost
			} else {
				head, segments, newer = h, infos, true
			}
			continue
		}
		if err != nil {
			return err
		}
		rows, err := decode(entries)
		if err != nil {
			return err
		}
		f.rows = append(f.rows, rows...)
		f.at = max(f.at, to.Journal.Last)
		f.show(head, segments, newer, rows)
		return nil
	}
}

// ask gets the newest manifest and verifies it. Mostly it gets what has changed;
// the MAC is over all of it, so a difference that is not the right one is found out,
// and the whole is asked for.
func (f *Follower) ask(ctx context.Context) (head, []segment.Info, error) {
	m, err := f.manifest(ctx, f.seq)
	if err != nil {
		return head{}, nil, err
	}
	cfg := f.store.cfg
	cfg.Manifest = f.whole(m)
	h, err := verify(cfg)
	if m.Since > 0 && errors.Is(err, ErrForged) {
		if m, err = f.manifest(ctx, 0); err != nil {
			return head{}, nil, err
		}
		cfg.Manifest = m
		h, err = verify(cfg)
	}
	if err != nil {
		return head{}, nil, err
	}
	f.listed, f.seq = cfg.Manifest.Segments, h.seq
	return h, cfg.Manifest.present(), nil
}

// whole returns the manifest that a difference leads to. The order stays, which
// makes verifying faster.
func (f *Follower) whole(m Manifest) Manifest {
	if m.Since == 0 || m.Since != f.seq {
		return m // another's difference verifies as nothing
	}
	gone := make(map[schema.SegmentID]bool, len(m.Removed))
	for _, id := range m.Removed {
		gone[id] = true
	}
	all := make([]segment.Info, 0, len(f.listed)+len(m.Segments))
	for _, info := range f.listed {
		if !gone[info.ID] {
			all = append(all, info)
		}
	}
	m.Segments = append(all, m.Segments...)
	return m
}

// decode reads the journal's entries as rows.
func decode(entries []journal.Numbered) ([]numbered, error) {
	rows := make([]numbered, 0, len(entries))
	for _, e := range entries {
		if isMilestone(e.Entry) {
			continue
		}
		rec, err := batch.Decode(e.Payload)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		c, err := newRows(Rows{Workspace: e.Workspace, Table: e.Table, Record: rec}, int64(len(e.Payload)))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		rows = append(rows, numbered{e.Seq, c})
	}
	return rows, nil
}

// show makes the manifest and the journal's rows from its floor on what
// snapshots see, in one step.
func (f *Follower) show(h head, segments []segment.Info, newer bool, fresh []numbered) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest = h
	if newer {
		s.exchange(segments)
		f.rows = slices.DeleteFunc(f.rows, func(r numbered) bool { return r.seq < h.floor })
		for _, t := range s.tables {
			for _, c := range t.chunks {
				c.current.unpin()
			}
			t.chunks = nil
		}
		s.tail = size{}
		fresh = f.rows
	}
	for _, r := range fresh {
		s.keep(r.checked)
	}
}

// exchange puts the segments of a newer manifest in place of those at hand. What
// is in both stays open. It needs mu.
func (s *Store) exchange(segments []segment.Info) {
	named := make(map[string]bool, len(segments))
	for _, info := range segments {
		named[string(info.ID)] = true
	}
	for _, t := range s.tables {
		t.segments = slices.DeleteFunc(t.segments, func(g *stored) bool {
			if named[string(g.info.ID)] {
				delete(named, string(g.info.ID)) // it is there
				return false
			}
			if g.gone = true; g.pins == 0 {
				s.cfg.Cache.Forget(g.info.ID)
			}
			return true
		})
	}
	for _, info := range segments {
		if named[string(info.ID)] {
			t := s.table(tableKey{info.Workspace, info.Table})
			t.segments = append(t.segments, s.stored(info))
		}
	}
}

// Snapshot is like a Store's, of what the last Advance has moved to. If Files
// fails with fs.ErrNotExist, the owner has replaced segments meanwhile: Release
// it, Renew, and take another.
func (f *Follower) Snapshot(workspace schema.WorkspaceID, table schema.TableName, from, to schema.Ticks) *Snapshot {
	return f.store.Snapshot(workspace, table, from, to)
}

// Replaced reports whether an error of Files may mean that segments were replaced.
func Replaced(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Close forgets everything. Snapshots must have been released.
func (f *Follower) Close() {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, t := range s.tables {
		for _, c := range t.chunks {
			c.current.unpin()
		}
		for _, g := range t.segments {
			s.cfg.Cache.Forget(g.info.ID)
		}
	}
	clear(s.tables)
	f.rows = nil
}
