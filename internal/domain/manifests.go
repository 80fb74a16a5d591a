package domain

import (
	"bytes"
	"context"
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
	keptFrom  = 256      // segments; fewer are read in a moment
	keptBytes = 64 << 20 // of all manifests
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
		all, err := tx.Segments(ctx, id)
		if err != nil {
			return wire.Manifest{}, err
		}
		e.m = wire.Manifest{}
		for _, s := range all {
			e.m.Add(wireSegment(s))
		}
		e.seq, e.mac, e.late = m.Seq, m.MAC, nil
		if len(all) < keptFrom || m.MAC == nil {
			defer k.forget(id)
		}
	}
	out := wire.Manifest{Seq: m.Seq, Floor: m.Floor, MAC: m.MAC, Tables: slices.Clip(e.m.Tables), Packed: slices.Clip(e.m.Packed)}
	k.count(id, e)
	return out, nil
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
		all, err := e.m.Segments()
		if err != nil {
			return false
		}
		e.m = wire.Manifest{}
		for _, s := range all {
			if !gone[s.ID] {
				e.m.Add(s)
			}
		}
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
