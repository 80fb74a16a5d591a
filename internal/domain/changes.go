package domain

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// Readers that follow an account ask for its manifest after each flush. It may name
// 100,000 segments, of which a flush changes few: so the keeper remembers the
// last changes, and answers with the difference. The reader verifies the MAC over the
// whole all the same (design 0021).
const (
	keptChanges  = 64
	keptSegments = 4096 // added and removed by them
)

// A changeLog has the last changes of accounts. The zero value is ready.
type changeLog struct {
	mu   sync.Mutex
	last map[schema.AccountID][]wire.Commit // each one follows the one before
}

// note adds a change that was committed.
func (l *changeLog) note(c wire.Commit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[schema.AccountID][]wire.Commit{}
	}
	all := l.last[c.Account]
	if n := len(all); n > 0 && all[n-1].Seq+1 != c.Seq {
		all = nil
	}
	all = append(all, c)
	sum := 0
	for i := range slices.Backward(all) {
		if sum += len(all[i].Add) + len(all[i].Remove); sum > keptSegments || len(all)-i > keptChanges {
			all = slices.Clone(all[i+1:])
			break
		}
	}
	l.last[c.Account] = all
}

// between returns the changes after one number up to another, if all are known.
func (l *changeLog) between(id schema.AccountID, since, to uint64, mac []byte) ([]wire.Commit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.last[id]
	if since == to {
		return nil, true
	}
	n := len(all)
	if n == 0 || all[0].Seq > since+1 || all[n-1].Seq != to || !bytes.Equal(all[n-1].MAC, mac) || since > to {
		return nil, false
	}
	return all[n-int(to-since):], true
}

// forget is for accounts that are gone.
func (l *changeLog) forget(id schema.AccountID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, id)
}

// difference is what has changed of an account's manifest, if that is known and
// the reader may have it.
func (d *Domains) difference(ctx context.Context, h supervise.Holding, of wire.ManifestOf) (out wire.Manifest, ok bool) {
	if of.Since == 0 || d.shutNow()[of.Account] {
		return out, false
	}
	var m catalog.Manifest
	var aside []catalog.Aside
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		a, err := tx.Account(ctx, of.Account)
		if err != nil || !h.May(supervise.Located{Domain: a.Domain, Account: of.Account}) {
			return catalog.ErrNotFound // the long way says why
		}
		if m, err = tx.Manifest(ctx, of.Account); err != nil {
			return err
		}
		aside, err = tx.Asides(ctx, of.Account)
		return err
	})
	if err != nil {
		return out, false
	}
	changes, ok := d.changes.between(of.Account, of.Since, m.Seq, m.MAC)
	if !ok {
		return out, false
	}
	out = wire.Manifest{Seq: m.Seq, Floor: m.Floor, MAC: m.MAC, Since: of.Since}
	added := map[schema.SegmentID]wire.Segment{}
	for _, c := range changes {
		for _, id := range c.Remove {
			if _, came := added[id]; came {
				delete(added, id)
			} else {
				out.Removed = append(out.Removed, id)
			}
		}
		for _, s := range c.Add {
			added[s.ID] = s
		}
	}
	for _, s := range added {
		out.Add(s)
	}
	for _, s := range aside {
		out.Aside = append(out.Aside, s.ID)
	}
	return out, true
}
