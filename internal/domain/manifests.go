package domain

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// An account may have 100,000 segments, and its writer and every reader that opens it
// asks for all of them. So the keeper keeps manifests as they travel, with the changes
// since, and reads the catalog's rows once.
const (
	keptFrom    = 256      // segments; fewer are read in a moment
	keptBytes   = 64 << 20 // of all manifests
	usualPacked = 60       // bytes of a segment, about
)

// manifests are the packed manifests of accounts. The zero value is ready.
type manifests struct {
	mu    sync.Mutex
	of    map[schema.AccountID]*keptManifest
	bytes int
}

type keptManifest struct {
	mu   sync.Mutex // held while the rows are read: others want the same
	mac  []byte
	seq  uint64
	m    wire.Manifest // what Add changes only ends behind what others have of it
	size int
	late []wire.Commit // changes since, each following the one before
}

// segments are those of an account at its change m, packed. tx is a view that has m.
func (k *manifests) segments(ctx context.Context, tx *catalog.Tx, id schema.AccountID, m catalog.Manifest) (wire.Manifest, error) {
	k.mu.Lock()
	if k.of == nil {
		k.of = map[schema.AccountID]*keptManifest{}
	}
	e := k.of[id]
	if e == nil {
		e = &keptManifest{}
		k.of[id] = e
	}
	k.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.reach(m) {
		all, n, err := stored(ctx, tx, id)
		if err != nil {
			return wire.Manifest{}, err
		}
		e.m, e.seq, e.mac, e.late = all, m.Seq, m.MAC, nil
		if n < keptFrom || m.MAC == nil {
			defer k.forget(id)
		}
	}
	out := wire.Manifest{Seq: m.Seq, Floor: m.Floor, MAC: m.MAC, Tables: slices.Clip(e.m.Tables), Packed: slices.Clip(e.m.Packed)}
	k.count(id, e)
	return out, nil
}

// stored reads an account's segments from the catalog, and says how many they are:
// from the pack and what changed since, or one by one.
func stored(ctx context.Context, tx *catalog.Tx, id schema.AccountID) (m wire.Manifest, n int, err error) {
	p, err := tx.Pack(ctx, id)
	if err == nil {
		if m, n, err = unpacked(ctx, tx, id, p); err == nil || ctx.Err() != nil {
			return m, n, err
		}
		m = wire.Manifest{} // a pack is a copy: one that can't be read is not missed
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return m, 0, err
	}
	all, err := tx.Segments(ctx, id)
	for _, s := range all {
		m.Add(wireSegment(s))
	}
	return m, len(all), err
}

func unpacked(ctx context.Context, tx *catalog.Tx, id schema.AccountID, p catalog.Pack) (wire.Manifest, int, error) {
	m, err := wire.Unpack(p.Packed)
	if err != nil {
		return m, 0, err
	}
	changed := make(map[schema.SegmentID]bool, len(p.Changed))
	for _, id := range p.Changed {
		changed[id] = true
	}
	m, n, err := m.Without(changed)
	if err != nil {
		return m, 0, err
	}
	there, err := tx.Named(ctx, id, p.Changed)
	for _, s := range there {
		m.Add(wireSegment(s))
	}
	return m, n + len(there), err
}

// repackEach is after how many changes an account is looked at, whether it should
// have a new pack.
const repackEach = 64

// repack keeps an account's segments in one piece in the catalog, if they are many
// and that has not been done lately, so that the next start reads that piece. If it
// fails, the start takes longer.
func (d *Domains) repack(ctx context.Context, id schema.AccountID) error {
	var m catalog.Manifest
	var all wire.Manifest
	due := false
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		var err error
		if due, err = tx.PackDue(ctx, id); err != nil || !due {
			return err
		}
		if m, err = tx.Manifest(ctx, id); err != nil {
			return err
		}
		all, err = d.manifests.segments(ctx, tx, id, m)
		return err
	})
	if err != nil || !due {
		return err
	}
	_, n, err := all.Without(nil)
	if err != nil {
		return err
	}
	packed, err := all.Pack()
	if err != nil {
		return err
	}
	return d.cfg.Catalog.PutPack(ctx, id, m, n, packed)
}

// repackSoon does so beside what else is done.
func (d *Domains) repackSoon(id schema.AccountID) {
	d.imports.Go(func() {
		err := d.repack(d.importing, id)
		if err != nil && d.importing.Err() == nil && !errors.Is(err, catalog.ErrConflict) {
			d.cfg.Log.Warn("an account's segments were not packed; the next start takes longer", "account", string(id), "error", err)
		}
	})
}

// reach brings what is kept to change m, and reports whether it could.
func (e *keptManifest) reach(m catalog.Manifest) bool {
	if e.mac == nil || e.seq > m.Seq {
		return false
	}
	n := int(m.Seq - e.seq)
	if n > len(e.late) {
		return false
	}
	mac := e.mac
	if n > 0 {
		mac = e.late[n-1].MAC
	}
	if !bytes.Equal(mac, m.MAC) {
		return false
	}
	gone := map[schema.SegmentID]bool{}
	for _, c := range e.late[:n] {
		for _, id := range c.Remove {
			gone[id] = true
		}
	}
	if len(gone) > 0 {
		less, _, err := e.m.Without(gone)
		if err != nil {
			return false
		}
		e.m = less
	}
	for _, c := range e.late[:n] {
		for _, s := range c.Add {
			if !gone[s.ID] {
				e.m.Add(s)
			}
		}
	}
	e.seq, e.mac, e.late = m.Seq, mac, slices.Clone(e.late[n:])
	return true
}

// note adds a change that was committed.
func (k *manifests) note(c wire.Commit) {
	k.mu.Lock()
	e := k.of[c.Account]
	k.mu.Unlock()
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.seq + uint64(len(e.late))
	if e.mac == nil || last+1 != c.Seq || len(e.late) >= keptChanges {
		e.mac, e.late, e.m = nil, nil, wire.Manifest{} // the next who asks reads it
		return
	}
	e.late = append(e.late, c)
}

// count sees to it that all that is kept is bounded: what is kept of others goes.
func (k *manifests) count(id schema.AccountID, e *keptManifest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of[id] != e {
		return
	}
	k.bytes += len(e.m.Packed) - e.size
	e.size = len(e.m.Packed)
	for other, o := range k.of {
		if k.bytes <= keptBytes {
			break
		}
		if o != e {
			k.bytes -= o.size
			delete(k.of, other)
		}
	}
}

// forget is for accounts that are gone, or small.
func (k *manifests) forget(id schema.AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.of[id]; e != nil {
		k.bytes -= e.size
		delete(k.of, id)
	}
}
