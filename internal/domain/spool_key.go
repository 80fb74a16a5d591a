package domain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/spool"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// spoolKey gives the key that rows of an account are sealed to. It is signed,
// and of the newest generation of the account, which is under the key that the
// cluster goes by: so nobody can open them with anything but that key.
func (d *Domains) spoolKey(ctx context.Context, domain schema.ClusterID, account schema.AccountID) (k wrap.SpoolKey, err error) {
	var l leaf
	var records []wrap.Record
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) (err error) {
		if l, err = readLeaf(ctx, tx, domain); err != nil {
			return err
		}
		records, err = readRecords(ctx, tx, account)
		return err
	})
	if err != nil {
		return k, err
	}
	if len(l.Spool[account].Key) == 0 {
		return k, errors.New("the account has no spool key; it is given one when its cluster's key can be used again")
	}
	if k, err = wrap.DecodeSpoolKey(l.Spool[account].Key); err != nil {
		return k, err
	}
	at := wrap.Place{Tenant: d.holder(domain).Tenant, Cluster: domain, Account: account}
	if err := checkSpoolKey(k, at, records, d.cfg.Integrity); err != nil {
		return k, err
	}
	newest, _ := newestOf(records)
	if setting := d.ring.Status(domain).Setting; !newest.KID.SameKey(setting) || d.isService(newest.KID.String()) {
		return k, fmt.Errorf("generation %d of account %s is not under the cluster's key", newest.Generation, account)
	}
	return k, nil
}

// newestOf finds the record of an account's newest generation.
func newestOf(records []wrap.Record) (newest wrap.Record, ok bool) {
	for _, r := range records {
		if r.Layer != wrap.Outer && r.Generation >= newest.Generation {
			newest, ok = r, true
		}
	}
	return newest, ok
}

// checkSpoolKey demands that a key is the account's, of its newest generation,
// with as many layers as its data have. at is tenant, cluster and account.
func checkSpoolKey(k wrap.SpoolKey, at wrap.Place, records []wrap.Record, pub *ecdsa.PublicKey) error {
	newest, ok := newestOf(records)
	if !ok {
		return fmt.Errorf("account %s has no wrap record", at.Account)
	}
	at.Generation, at.Layer = newest.Generation, newest.Layer
	if _, err := newest.Open(pub, at); err != nil {
		return err
	}
	if err := k.Open(pub, at); err != nil {
		return err
	}
	if layers := len(k.Pairs); layers == 0 || (layers == 2) != (newest.Layer == wrap.Inner) {
		return fmt.Errorf("the spool key of account %s has %d layers", at.Account, layers)
	}
	return nil
}

// spoolWriter is who signs what this process puts into spools.
func (d *Domains) spoolWriter(ctx context.Context) (*spool.Writer, error) {
	d.certifying.Lock()
	defer d.certifying.Unlock()
	if d.writer == nil {
		w, err := spool.NewWriter(ctx, d.cfg.Signer)
		if err != nil {
			return nil, err
		}
		d.writer = w
	}
	return d.writer, nil
}

// SpoolKey implements supervise.Host.
func (d *Domains) SpoolKey(ctx context.Context, domain schema.ClusterID, r wire.SpoolKey) error {
	k := r.Key
	if err := k.Open(d.cfg.Integrity, wrap.Place{Tenant: d.holder(domain).Tenant, Cluster: domain, Account: k.Account, Generation: k.Generation}); err != nil {
		return fault.New(fault.InvalidRequestContent, "A worker made a spool key that is not its own.").Because(err)
	}
	text, err := k.Encode()
	if err != nil {
		return err
	}
	return d.changeSpool(ctx, domain, k.Account, func(l *leaf, s *spoolLeaf) { s.Key = text })
}

// lacksKeys tells whether rows of a cluster are to be sealed when its key is
// away, and could not be.
func (d *Domains) lacksKeys(cluster schema.ClusterID, s *spools) bool {
	s.mu.Lock()
	keyed, accounts := s.keyed, len(s.open)
	s.mu.Unlock()
	if keyed || d.holder(cluster).Settings.IngestionWhenRevoked != control.Seal || d.ring.Status(cluster).Setting.IsZero() {
		return false
	}
	var l leaf
	err := d.cfg.Catalog.View(d.importing, func(tx *catalog.Tx) (err error) {
		l, err = readLeaf(d.importing, tx, cluster)
		return err
	})
	if err != nil {
		return false
	}
	have := 0
	for _, of := range l.Spool {
		if len(of.Key) > 0 {
			have++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyed = have >= accounts
	return !s.keyed
}

// A spoolLeaf is what the catalog keeps of an account's spool.
type spoolLeaf struct {
	Key   []byte `json:"key,omitempty"`   // a signed wrap.SpoolKey
	Floor uint64 `json:"floor,omitempty"` // files up to it were imported
}

func (d *Domains) changeSpool(ctx context.Context, domain schema.ClusterID, account schema.AccountID, change func(*leaf, *spoolLeaf)) error {
	return d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		a, err := tx.Account(ctx, account)
		if err != nil {
			return err
		}
		if a.Domain != domain || a.Kind != ofCluster {
			return fault.New(fault.Conflict, "The storage account belongs to another key domain.")
		}
		return changeLeaf(ctx, tx, domain, func(l *leaf) {
			s := l.Spool[account]
			change(l, &s)
			if l.Spool == nil {
				l.Spool = map[schema.AccountID]spoolLeaf{}
			}
			l.Spool[account] = s
		})
	})
}
