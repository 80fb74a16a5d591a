package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

// process is a worker: the keys of a domain in the clear, until its deadline.
// It is guarded by sim.mu.
type process struct {
	cluster schema.ClusterID
	ready   bool // every key is there
	killed  bool
	until   time.Time
	page    []wrap.Record // what it goes by
	keys    map[wrap.Place][]byte
	fresh   map[wrap.Digest][]byte // keys that it made and that no page has yet
	sealed  map[wrap.Place]bool    // what it has sealed rows with
}

// living gives a cluster's worker, if it has one. The caller holds mu.
func (s *sim) living(id schema.ClusterID) *process {
	if p := s.held[id]; p != nil && !p.killed && s.clock().Before(p.until) {
		return p
	}
	return nil
}

// until is when the lease of a cluster's worker ends: it holds keys of the
// service's, too. The caller holds s.mu.
func (k *keeper) until(id schema.ClusterID) time.Time {
	until := k.leases[schema.ServiceCluster]
	if own := k.leases[id]; own.Before(until) {
		until = own
	}
	return until
}

// Renew implements Workers.
func (k *keeper) Renew(id schema.ClusterID, until time.Time) {
	if k.isDead() {
		return
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if planted("renewals count from their arrival") {
		until = k.s.clock().Add(k.s.judge.lease(id))
	}
	if planted("the clock does not count sleep") {
		until = until.Add(k.s.slept)
	}
	k.s.judge.granted(id, until)
	k.leases[id] = until
	for _, c := range k.s.clusters() {
		if p := k.s.living(c.ID); p != nil {
			p.until = k.until(c.ID)
		}
	}
}

// Revoke implements Workers.
func (k *keeper) Revoke(id schema.ClusterID, status Status) {
	if k.isDead() || planted("workers are not told of a revocation") {
		return
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.judge.revoked(id, status)
	delete(k.leases, id)
	for _, c := range k.s.clusters() {
		if p := k.s.held[c.ID]; p != nil && (c.ID == id || id == schema.ServiceCluster) {
			p.killed = true
		}
	}
}

var errNoWorker = errors.New("there is no worker")

// worker gives a cluster's worker and starts one if there is none: it is known
// to Revoke before it asks for anything, and unwraps every key of its domain.
func (k *keeper) worker(ctx context.Context, id schema.ClusterID) (*process, error) {
	if err := k.act(); err != nil {
		return nil, err
	}
	select {
	case k.gates[id] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-k.gates[id] }()
	s := k.s
	s.mu.Lock()
	if p := s.living(id); p != nil {
		s.mu.Unlock()
		return p, nil
	}
	p := &process{cluster: id, until: k.until(id), keys: map[wrap.Place][]byte{}, fresh: map[wrap.Digest][]byte{}, sealed: map[wrap.Place]bool{}}
	if !p.until.After(s.clock()) {
		s.mu.Unlock()
		return nil, errNoWorker
	}
	late := planted("a start is not known to revocations")
	if !late {
		s.held[id] = p
	}
	p.page = slices.Clone(s.pages[id].Records)
	s.mu.Unlock()
	keys, err := k.open(ctx, id, p.page)
	if err == nil {
		err = k.act()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late {
		s.held[id] = p
	}
	if err == nil && s.living(id) != p {
		err = errNoWorker
	}
	if err != nil {
		p.killed = true
		return nil, err
	}
	p.keys, p.ready = keys, true
	s.judge.opened(p)
	return p, nil
}

// open unwraps records through the keeper's tunnel.
func (k *keeper) open(ctx context.Context, id schema.ClusterID, records []wrap.Record) (map[wrap.Place][]byte, error) {
	keys := map[wrap.Place][]byte{}
	for _, rec := range records {
		at := rec.Place()
		at.Cluster, at.Tenant = id, k.s.tenantOf[id]
		wrapped, err := rec.Open(&k.s.integrity.PublicKey, at)
		if err != nil {
			return nil, err
		}
		v, err := k.way(id, rec.KID.VaultURI, false)
		if err != nil {
			return nil, err
		}
		key, err := v.Unwrap(ctx, wrapped)
		if err != nil {
			return nil, err
		}
		if commitment(key) != rec.Commitment {
			return nil, wrap.ErrMismatch
		}
		keys[at] = key
	}
	return keys, nil
}

// rows has rows of every account sealed and acknowledged by every worker that
// there is. The caller holds mu.
func (s *sim) rows() {
	for id := range s.held {
		if p := s.living(id); p != nil && p.ready {
			for _, rec := range p.page {
				s.row(p, rec.Account)
			}
		}
	}
}

// row seals one: under the newest generation that the worker goes by, and the
// infrastructure key if there is one. The caller holds mu.
func (s *sim) row(p *process, account schema.AccountID) (generation uint32) {
	var at wrap.Place
	for _, rec := range p.page {
		if rec.Account == account && rec.Layer != wrap.Outer && rec.Generation > at.Generation {
			at = rec.Place()
		}
	}
	if at.Generation == 0 || p.sealed[at] {
		return at.Generation
	}
	p.sealed[at] = true
	s.judge.sealed(at, p.keys[at])
	if at.Layer == wrap.Inner {
		outer := wrap.Place{Tenant: at.Tenant, Cluster: at.Cluster, Account: at.Account, Layer: wrap.Outer}
		s.judge.sealed(outer, p.keys[outer])
	}
	return at.Generation
}

// ingest takes a row, and starts a worker for it if there is none.
func (k *keeper) ingest(ctx context.Context, id schema.ClusterID, account schema.AccountID) string {
	p, err := k.worker(ctx, id)
	if err != nil {
		return "refused: " + brief(err)
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.living(id) != p {
		return "refused: the worker died"
	}
	generation := k.s.row(p, account)
	if generation == 0 {
		return "refused: no key yet"
	}
	return fmt.Sprintf("acknowledged, generation %d", generation)
}

// NewGeneration implements Workers.
func (k *keeper) NewGeneration(ctx context.Context, id schema.ClusterID, kid, outer kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error) {
	p, err := k.worker(ctx, id)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	k.s.mu.Lock()
	made, outers := map[wrap.Place][]byte{}, map[wrap.Place][]byte{}
	for _, a := range accounts {
		at, known := wrap.Place{Tenant: k.s.tenantOf[id], Cluster: id, Account: a, Generation: 1}, false
		for _, rec := range k.s.pages[id].Records {
			if rec.Account != a {
				continue
			}
			known = true
			at.Generation = max(at.Generation, rec.Generation+1)
			if rec.Layer == wrap.Outer {
				at.Layer = wrap.Inner
			}
		}
		if !known && !outer.IsZero() {
			at.Layer = wrap.Inner
			outers[wrap.Place{Tenant: at.Tenant, Cluster: id, Account: a, Layer: wrap.Outer}] = newKey()
		}
		made[at] = newKey()
	}
	for _, key := range made {
		p.fresh[commitment(key)] = key
	}
	for _, key := range outers {
		p.fresh[commitment(key)] = key
	}
	k.s.mu.Unlock()
	infra, _, err := k.wrap(ctx, id, outer, outers, false)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	records, canary, err := k.wrap(ctx, id, kid, made, true)
	records = append(records, infra...)
	if err == nil && planted("a worker uses a generation that it was not told to") {
		k.s.mu.Lock()
		for at, key := range made {
			p.keys[at] = key
		}
		for at, key := range outers {
			p.keys[at] = key
		}
		p.page = append(slices.Clone(p.page), records...)
		k.s.rows()
		k.s.mu.Unlock()
	}
	return records, canary, err
}

func newKey() []byte {
	key := make([]byte, kek.KeySize)
	rand.Read(key)
	return key
}

// Rewrap implements Workers.
func (k *keeper) Rewrap(ctx context.Context, id schema.ClusterID, kid kek.ID, records []wrap.Record) ([]wrap.Record, wrap.Canary, error) {
	p, err := k.worker(ctx, id)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	keys := map[wrap.Place][]byte{}
	k.s.mu.Lock()
	for _, rec := range records {
		if keys[rec.Place()] = p.keys[rec.Place()]; keys[rec.Place()] == nil {
			err = fmt.Errorf("no key of account %s, generation %d", rec.Account, rec.Generation)
		}
	}
	k.s.mu.Unlock()
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	return k.wrap(ctx, id, kid, keys, true)
}

// wrap wraps keys, in a fixed order, and a canary.
func (k *keeper) wrap(ctx context.Context, id schema.ClusterID, kid kek.ID, keys map[wrap.Place][]byte, canary bool) (records []wrap.Record, c wrap.Canary, err error) {
	if len(keys) == 0 && !canary {
		return nil, c, nil
	}
	way, err := k.way(id, kid.VaultURI, false)
	if err != nil {
		return nil, c, err
	}
	var v kek.Vault = way
	if planted("a worker does not unwrap what it wrapped") {
		v = credulous{v, new([]byte)}
	}
	for at, key := range sorted(keys) {
		rec, err := wrap.New(ctx, v, wraptest.Signer{Key: k.s.integrity}, at, kid, key, commitment(key))
		if err != nil {
			return nil, c, err
		}
		records = append(records, rec)
	}
	if canary {
		c, err = wrap.NewCanary(ctx, v, wraptest.Signer{Key: k.s.integrity}, k.s.tenantOf[id], id, kid)
	}
	if err == nil {
		err = k.act()
	}
	return records, c, err
}

// Adopt implements Workers. A worker that can't follow is ended.
func (k *keeper) Adopt(ctx context.Context, id schema.ClusterID, page Page) error {
	if err := k.act(); err != nil {
		return err
	}
	select { // one that is starting may have read the page before
	case k.gates[id] <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.gates[id] }()
	k.s.mu.Lock()
	p := k.s.living(id)
	if p == nil {
		k.s.mu.Unlock()
		return nil
	}
	var unknown []wrap.Record
	for _, rec := range page.Records {
		key := p.keys[rec.Place()]
		if key == nil {
			key = p.fresh[rec.Commitment]
			p.keys[rec.Place()] = key
		}
		if key == nil || commitment(key) != rec.Commitment {
			delete(p.keys, rec.Place())
			unknown = append(unknown, rec)
		}
	}
	clear(p.fresh)
	k.s.mu.Unlock()
	keys, err := k.open(ctx, id, unknown)
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if err != nil {
		p.killed = true
		return err
	}
	for at, key := range keys {
		p.keys[at] = key
	}
	p.page = slices.Clone(page.Records)
	k.s.rows()
	return nil
}

// sorted goes through keys in the order of their places.
func sorted(keys map[wrap.Place][]byte) func(func(wrap.Place, []byte) bool) {
	var places []wrap.Place
	for at := range keys {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b wrap.Place) int {
		return bytes.Compare([]byte(fmt.Sprintf("%s %09d", a.Account, a.Generation)), []byte(fmt.Sprintf("%s %09d", b.Account, b.Generation)))
	})
	return func(yield func(wrap.Place, []byte) bool) {
		for _, at := range places {
			if !yield(at, keys[at]) {
				return
			}
		}
	}
}

// credulous is a vault whose wraps are believed to be good.
type credulous struct {
	kek.Vault
	last *[]byte
}

func (v credulous) Wrap(ctx context.Context, id kek.ID, key []byte) (kek.Wrapped, error) {
	*v.last = bytes.Clone(key)
	return v.Vault.Wrap(ctx, id, key)
}

func (v credulous) Unwrap(context.Context, kek.Wrapped) ([]byte, error) {
	return bytes.Clone(*v.last), nil
}
