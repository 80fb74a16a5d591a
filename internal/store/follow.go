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
	turn     chan struct{}                     // holds a token while the follower moves; guards what follows
	rows     []checked                         // in the journal from the manifest's floor on
	at       uint64                            // number of the last of the journal that was read
	aside    map[schema.SegmentID]segment.Info // of the manifest that is shown, but not there to be read
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

// Rest returns how far the account's journal goes, whose owner is gone; see
// journal.Rest. floor is the manifest's, as far as anybody knows who has no key:
// with a wrong one the mark leads nowhere, and Advance says so. An owner would
// refuse a journal that ends before seen.
func (f *Follower) Rest(floor, seen uint64, newest string, sync func(name string) error) (journal.Mark, error) {
	m, err := f.journal.Rest(floor, newest, sync)
	if err == nil && m.Last < seen {
		err = fmt.Errorf("%w: the journal ends with entry %d, and entry %d was acknowledged", ErrRolledBack, m.Last, seen)
	}
	return m, err
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
	next := newer{head: f.store.manifest}
	for {
		if next.seq < to.Seq {
			n, err := f.ask(ctx)
			if err != nil {
				return err
			}
			if n.seq < to.Seq || n.floor < next.floor {
				return errNotNewer
			}
			next = n
		}
		entries, err := f.journal.Advance(next.floor, to.Journal)
		if errors.Is(err, journal.ErrReleased) {
			to.Seq = next.seq + 1
			n, again := f.ask(ctx)
			if again != nil || n.seq < to.Seq {
				return errors.Join(err, again) // nothing newer: it is lost
			}
			next = n
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
		f.show(next, rows)
		return nil
	}
}

// A newer is the manifest that is to be shown. Its head is verified.
type newer struct {
	head
	from *Manifest // nil: it is the one that is shown already
}

// ask gets the newest manifest and verifies it. Mostly it gets what has changed
// since the one that is shown; the MAC is over all of it, so a difference that is
// not the right one is found out, and the whole is asked for.
func (f *Follower) ask(ctx context.Context) (newer, error) {
	shown := f.store.manifest
	m, err := f.manifest(ctx, shown.seq)
	if err != nil {
		return newer{}, err
	}
	cfg := f.store.cfg
	if cfg.Manifest = m; m.Since > 0 {
		all, err := shown.all.after(m.Removed, m.Segments)
		if err == nil && m.Since == shown.seq {
			h, err := verifyListed(cfg, all)
			if err == nil {
				return newer{h, &m}, nil
			}
			if !errors.Is(err, ErrForged) {
				return newer{}, err
			}
		}
		if m, err = f.manifest(ctx, 0); err != nil {
			return newer{}, err
		}
		cfg.Manifest = m
	}
	h, err := verify(cfg)
	return newer{h, &m}, err
}

// decode reads the journal's entries as rows.
func decode(entries []journal.Numbered) ([]checked, error) {
	rows := make([]checked, 0, len(entries))
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
		c.seq = e.Seq
		rows = append(rows, c)
	}
	return rows, nil
}

// show makes the manifest and the journal's rows from its floor on what
// snapshots see, in one step.
func (f *Follower) show(next newer, fresh []checked) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest = next.head
	if next.from != nil {
		if next.from.Since == 0 {
			f.exchange(*next.from)
		} else {
			f.replace(*next.from)
		}
		f.rows = slices.DeleteFunc(f.rows, func(r checked) bool { return r.seq < next.floor })
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
		s.keep(r)
	}
}

// exchange puts the segments of a whole manifest in place of those at hand. What
// is in both stays open. It needs the store's mutex.
func (f *Follower) exchange(m Manifest) {
	f.aside = idSet(m.Aside)
	named := make(map[schema.SegmentID]bool, len(m.Segments))
	for _, info := range m.Segments {
		if _, aside := f.aside[info.ID]; aside {
			f.aside[info.ID] = info
		} else {
			named[info.ID] = true
		}
	}
	f.store.drop(func(id schema.SegmentID) bool {
		there := named[id]
		delete(named, id)
		return !there
	})
	for _, info := range m.Segments {
		if named[info.ID] {
			f.store.add(info)
		}
	}
}

// replace takes a difference over: what went or was set aside, what came or is
// there again. It needs the store's mutex.
func (f *Follower) replace(m Manifest) {
	was := f.aside
	f.aside = idSet(m.Aside)
	gone := idSet(m.Removed)
	for id, info := range was {
		_, went := gone[id]
		switch _, aside := f.aside[id]; {
		case went:
		case aside:
			f.aside[id] = info
		case info.ID != "": // what the manifest does not name can't come back
			f.store.add(info)
		}
	}
	if len(gone)+len(f.aside) > 0 {
		for _, t := range f.store.tables {
			for _, g := range t.segments {
				if _, aside := f.aside[g.info.ID]; aside {
					f.aside[g.info.ID] = g.info
				}
			}
		}
		f.store.drop(func(id schema.SegmentID) bool {
			_, went := gone[id]
			_, aside := f.aside[id]
			return went || aside
		})
	}
	for _, info := range m.Segments {
		if _, aside := f.aside[info.ID]; aside {
			f.aside[info.ID] = info
		} else {
			f.store.add(info)
		}
	}
}

func idSet(ids []schema.SegmentID) map[schema.SegmentID]segment.Info {
	set := make(map[schema.SegmentID]segment.Info, len(ids))
	for _, id := range ids {
		set[id] = segment.Info{}
	}
	return set
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
