package domain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
	"logkeep/internal/spool"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// handOver ends the files of a cluster's spools and tells which are the
// worker's that is about to be told of the accounts.
func (d *Domains) handOver(ctx context.Context, domain schema.ClusterID, accounts []wire.Account) error {
	if domain == schema.ServiceCluster {
		return nil
	}
	var l leaf
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) (err error) {
		l, err = readLeaf(ctx, tx, domain)
		return err
	})
	if err != nil {
		return err
	}
	s := d.spoolsOf(domain)
	s.gate.Lock()
	defer s.gate.Unlock()
	for i, a := range accounts {
		if a.Cluster != domain {
			continue
		}
		o, err := s.of(ctx, d, domain, a.ID)
		if err != nil {
			return err
		}
		in := wire.Spool{Floor: l.Spool[a.ID].Floor, Through: o.Finish()}
		if k, err := wrap.DecodeSpoolKey(l.Spool[a.ID].Key); err == nil {
			in.Generation = k.Generation
		}
		accounts[i].Spool = in
	}
	return nil
}

// Spooled implements supervise.Host.
func (d *Domains) Spooled(ctx context.Context, domain schema.ClusterID, f wire.Spooled) error {
	s := d.spoolsOf(domain)
	o, err := s.of(ctx, d, domain, f.Account)
	if err != nil {
		return err
	}
	o.Changed()
	st, err := s.status()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.imported.Batches += int64(f.Batches)
	s.imported.Rows += f.Rows
	all := s.imported
	done := st.Waiting.Batches == 0
	if done {
		s.imported = spool.Count{}
	}
	s.mu.Unlock()
	return d.changeSpool(ctx, domain, f.Account, func(l *leaf, s *spoolLeaf) {
		s.Floor = max(s.Floor, f.File)
		if f.Aside+f.Missing > 0 {
			l.tell(time.Now(), "Spool", "Waiting", "SetAside", fmt.Sprintf("%d batches could not be imported and are kept, %d are missing: %s", f.Aside, f.Missing, f.Reason))
		}
		if done {
			l.tell(time.Now(), "Spool", "Waiting", "Imported", fmt.Sprintf("%d rows in %d batches", all.Rows, all.Batches))
		}
	})
}

// importWaiting has a cluster's worker started if rows wait for it, or if it has
// yet to make keys for rows that will: it sees to both before it does anything
// else. It returns at once.
func (d *Domains) importWaiting(cluster schema.ClusterID) {
	d.mu.RLock()
	s := d.spooled[cluster]
	d.mu.RUnlock()
	if s == nil || cluster == schema.ServiceCluster || d.importing.Err() != nil {
		return
	}
	s.mu.Lock()
	busy := s.starting
	s.starting = true
	s.mu.Unlock()
	if busy {
		return
	}
	d.imports.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.starting = false
		}()
		if st, err := s.status(); err != nil || st.Waiting.Files == 0 && !d.lacksKeys(cluster, s) {
			return
		}
		// What goes wrong is told by whoever tries; the next renewal tries again.
		if _, err := d.sup.Worker(d.importing, cluster); err != nil && !errors.Is(err, supervise.ErrNoLease) && d.importing.Err() == nil {
			d.cfg.Log.Warn("rows that were sealed wait longer: no worker could be started", "cluster", string(cluster), "error", err.Error())
		}
	})
}

// Close ends what runs in the background.
func (d *Domains) Close() {
	d.stopImports()
	d.imports.Wait()
}

// tellSpool adds an event. It is no reason to fail for.
func (d *Domains) tellSpool(ctx context.Context, domain schema.ClusterID, from, to, reason string) {
	err := d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		return changeLeaf(ctx, tx, domain, func(l *leaf) { l.tell(time.Now(), "Spool", from, to, reason) })
	})
	if err != nil {
		d.cfg.Log.Warn("an event is not recorded", "domain", string(domain), "error", err.Error())
	}
}
