package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"logkeep/internal/bucket"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
)

// Where an account lies in a bucket, a change of its manifest is an object
// before the catalog has it: who made the object has made the change. So two
// servers with a catalog each can't both make change n, and a catalog that
// lacks the last changes is brought up to them.
//
//	changes/SEQ = "LKC" version(1) generation(4) sealed(change as JSON)
//
// These are on disk: never change one.
const (
	changeKind    = "change"
	changeVersion = 1
	changeHeader  = 3 + 1 + 4
	maxChange     = 256 << 20
	keptChanges   = 256
)

// InBucket returns cfg for an account that lies in dir, whose FS is dir from then
// on: changes are committed there before cfg.Commit has them, and those that the
// catalog does not have yet are brought to it. dir must have been claimed.
func InBucket(ctx context.Context, cfg Config, dir *bucket.Folder) (Config, error) {
	cfg.FS, cfg.Dir = dir, "."
	c := &changes{cfg: cfg, dir: dir, catalog: cfg.Commit}
	if err := c.catchUp(ctx); err != nil {
		return cfg, fmt.Errorf("open account %s: %w", cfg.Account, err)
	}
	cfg.Manifest, cfg.Commit = c.cfg.Manifest, c
	return cfg, nil
}

// changes is a Committer whose changes are objects first.
type changes struct {
	cfg     Config
	dir     *bucket.Folder
	catalog Committer

	mu     sync.Mutex
	seq    uint64 // of sealed
	mac    []byte
	sealed []byte // the same bytes for the same change, so that a repetition is known
}

// Commit implements Committer.
func (c *changes) Commit(ctx context.Context, ch Change) error {
	b, err := c.seal(ch)
	if err != nil {
		return err
	}
	if err := c.dir.Put(ctx, bucket.ChangeName(ch.Seq), b); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w: there is another change %d", bucket.ErrLost, ch.Seq)
		}
		return err
	}
	if err := c.catalog.Commit(ctx, ch); err != nil {
		return err
	}
	if ch.Seq > keptChanges { // one more or less does no harm
		c.dir.Remove(bucket.ChangeName(ch.Seq - keptChanges))
	}
	return nil
}

// place is where a change belongs.
func (c *changes) place(seq uint64) seal.Place {
	p := manifestPlace(c.cfg)
	p.Kind, p.Object = changeKind, fmt.Sprintf("%s/%016x", c.cfg.Account, seq)
	return p
}

func (c *changes) seal(ch Change) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.Seq == c.seq && bytes.Equal(ch.MAC, c.mac) {
		return c.sealed, nil
	}
	if len(ch.MAC) != macSize {
		return nil, fmt.Errorf("internal error: change %d has a MAC of %d bytes", ch.Seq, len(ch.MAC))
	}
	generation := binary.BigEndian.Uint32(ch.MAC[1:])
	k, err := c.cfg.Keys(generation)
	if err != nil {
		return nil, fmt.Errorf("keys of generation %d, for a change: %w", generation, err)
	}
	text, err := json.Marshal(ch)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	sealed, _, err := seal.SealMessage(k, c.place(ch.Seq), text)
	if err != nil {
		return nil, err
	}
	b := append([]byte{'L', 'K', 'C', changeVersion}, ch.MAC[1:5]...)
	c.seq, c.mac, c.sealed = ch.Seq, ch.MAC, sealed.AppendTo(b)
	return c.sealed, nil
}

// open reads a change.
func (c *changes) open(ctx context.Context, seq uint64) (ch Change, err error) {
	name := bucket.ChangeName(seq)
	b, err := c.dir.Get(ctx, name, maxChange)
	if err != nil {
		return ch, err
	}
	if len(b) < changeHeader || string(b[:3]) != "LKC" || b[3] != changeVersion {
		return ch, fmt.Errorf("%s is no change that this version knows: %w", name, bucket.ErrDamaged)
	}
	generation := binary.BigEndian.Uint32(b[4:])
	k, err := c.cfg.Keys(generation)
	if err != nil {
		return ch, fmt.Errorf("keys of generation %d, for %s: %w", generation, name, err)
	}
	text, _, err := seal.OpenMessage(k, c.place(seq), b[changeHeader:])
	if err != nil {
		return ch, fmt.Errorf("%s: %w", name, err)
	}
	if err := json.Unmarshal(text, &ch); err != nil {
		return ch, fmt.Errorf("%s: %w", name, err)
	}
	if ch.Seq != seq || ch.Account != c.cfg.Account {
		return ch, fmt.Errorf("%s is change %d of account %s: %w", name, ch.Seq, ch.Account, bucket.ErrDamaged)
	}
	return ch, nil
}

// catchUp brings to the catalog the changes that it does not have.
func (c *changes) catchUp(ctx context.Context) error {
	m := &c.cfg.Manifest
	all, err := c.dir.Changes(ctx)
	if err != nil {
		return err
	}
	newest := m.Seq
	for _, seq := range all {
		newest = max(newest, seq)
	}
	if slices.Contains(all, m.Seq) {
		ch, err := c.open(ctx, m.Seq)
		if err != nil {
			return err
		}
		if !bytes.Equal(ch.MAC, m.MAC) {
			return fmt.Errorf("%w: the bucket has another change %d than the catalog", ErrRolledBack, m.Seq)
		}
	}
	var listed *listing // what m has, once it is needed
	for m.Seq < newest {
		if !slices.Contains(all, m.Seq+1) {
			return fmt.Errorf("%w: the bucket has change %d, the catalog has change %d", ErrRolledBack, newest, m.Seq)
		}
		ch, err := c.open(ctx, m.Seq+1)
		if err != nil {
			return err
		}
		next := apply(*m, ch)
		all, err := c.listed(listed, *m, ch)
		if err == nil {
			cfg := c.cfg
			cfg.Manifest = next
			_, err = verifyListed(cfg, all)
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", ch.Seq, err)
		}
		listed = &all
		if err := c.catalog.Commit(ctx, ch); err != nil {
			return err
		}
		*m = next
	}
	return nil
}

// listed lists what there is after a change, by what is listed before it or, the first
// time, by the manifest: each change costs what it touches.
func (c *changes) listed(before *listing, m Manifest, ch Change) (listing, error) {
	for _, info := range ch.Add {
		if info.Account != c.cfg.Account {
			return listing{}, fmt.Errorf("%w: segment %s is of another account", ErrForged, info.ID)
		}
	}
	if before == nil {
		for _, info := range m.Segments {
			if info.Account != c.cfg.Account {
				return listing{}, fmt.Errorf("%w: segment %s is of another account", ErrForged, info.ID)
			}
		}
		all, err := list(m.Segments)
		if err != nil {
			return all, err
		}
		before = &all
	}
	return before.after(ch.Remove, ch.Add)
}

// apply returns what a manifest is after a change.
func apply(m Manifest, ch Change) Manifest {
	gone := make(map[string]bool, len(ch.Remove))
	for _, id := range ch.Remove {
		gone[string(id)] = true
	}
	next := m // with whatever else a manifest has
	next.Segments = slices.DeleteFunc(slices.Clone(m.Segments), func(s segment.Info) bool { return gone[string(s.ID)] })
	next.Segments = append(next.Segments, ch.Add...)
	next.Seq, next.Floor, next.MAC = ch.Seq, ch.Floor, ch.MAC
	return next
}
