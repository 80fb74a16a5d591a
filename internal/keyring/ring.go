// Package keyring decides who may hold keys in the clear, and for how long.
//
// The [Ring] watches every cluster's key. It asks the vault to unwrap a
// canary, a random value that was wrapped beside the cluster's keys, and from
// the answers and the time alone it derives a [State]; see step in state.go
// for the whole of it. The ring itself never sees a key: it grants leases to
// workers and ends them.
//
// # Promises
//
//   - The vault denied: Workers.Revoke has been called before the answer is
//     anything else. Only an unwrap that was sent after the denial makes the
//     cluster Active again, whatever arrives in which order.
//   - The ring is gone or hangs: no lease is extended, so the last one ends
//     within Policy.Lease.
//   - The vault is silent: leases end within Policy.Grace + Policy.Lease of
//     the moment when the last unwrap that succeeded was sent.
//   - One lost probe ends nothing; a policy under which it would is refused.
//   - A vault is asked once per Policy.Interval to unwrap and, where the newest
//     version is followed, once to describe the key; more only when somebody
//     says that something changed (Notice), and then at most four times a
//     second. Load does not matter; a silent vault is asked less and less.
//   - After a start nothing is granted before the first unwrap has succeeded.
//
// # Rotation
//
// A setting without version follows the newest version of the key; a setting
// with version never follows. Wraps change, data does not. At every moment the
// book has a page under which each key can be unwrapped: the new wraps are
// unwrapped for a test by the worker that made them, and the new canary by the
// ring, before one transaction replaces the page. A newest version that is
// disabled, expired or can't do both leaves the old one in use, and the status
// says why. A rotation that a crash cut short begins again by itself, since
// the newest version is still not the one in use.
//
// # Clusters without a key of their own
//
// The cluster schema.ServiceCluster has the service's key, and clusters
// without a setting go by its answers: one probe serves them all.
package keyring

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
)

// Config is what a Ring works with.
type Config struct {
	Book    Book
	Workers Workers

	// Open gives the vault at vaultURI as c's identity sees it. It sends nothing.
	Open func(c Cluster, vaultURI string) (kek.Vault, error)

	Integrity *ecdsa.PublicKey // who signs records and canaries

	// Now is the ring's clock. It must not jump and must count the time that
	// the machine sleeps; nil is time.Now, which does not. BootClock does.
	Now func() time.Time

	Observe Observer       // is told what happens; nil if nobody wants to know
	Jitter  func() float64 // in [0,1), spreads retries; nil is random
	Log     *slog.Logger   // nil is the default
}

// An Observer is told of probes and of changes of state. Its methods are called
// where waiting would cost, so they must return at once, and they must not call
// the ring.
type Observer interface {
	// Probed tells what a vault said to a question of a cluster, and when it
	// took how long. Questions that no vault was asked are not told.
	Probed(cluster schema.ClusterID, said Said, took time.Duration)
	// Moved tells that a cluster's state is another one now.
	Moved(from State, s Status)
}

// Ring watches the keys of clusters. Its methods are safe for concurrent use.
type Ring struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.RWMutex
	guards map[schema.ClusterID]*guard
}

var (
	// ErrUnwatched means that the ring was never told of the cluster.
	ErrUnwatched = errors.New("cluster is not watched")
	// ErrNoIdentity means that the cluster has no identity to use a key with.
	ErrNoIdentity = errors.New("cluster has no identity; give it one and permit it to get, wrap and unwrap with the key")
)

// New makes a ring that watches nothing yet.
func New(cfg Config) (*Ring, error) {
	if cfg.Book == nil || cfg.Workers == nil || cfg.Open == nil || cfg.Integrity == nil {
		return nil, errors.New("internal error: ring without book, workers, vaults or integrity key")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	r := &Ring{cfg: cfg, guards: map[schema.ClusterID]*guard{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Close stops watching. Leases are not extended any more; workers are left to
// whoever started them, and to their deadlines.
func (r *Ring) Close() {
	r.mu.Lock() // so that no Watch is half way
	r.cancel()
	r.mu.Unlock()
	r.done.Wait()
}

// Watch begins to watch a cluster, or changes what is known of it. It reads
// the book and asks no vault.
func (r *Ring) Watch(ctx context.Context, c Cluster) error {
	if c.Policy == (Policy{}) {
		c.Policy = DefaultPolicy()
	}
	if err := c.Policy.Validate(); err != nil {
		return fmt.Errorf("watch cluster %s: %w", c.ID, err)
	}
	if c.ID == "" {
		return errors.New("internal error: watch a cluster without id")
	}
	c.Accounts = slices.Clone(c.Accounts)
	if g := r.guard(c.ID); g != nil {
		g.update(c)
		return nil
	}
	page, verdict, err := r.cfg.Book.Load(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("watch cluster %s: %w", c.ID, err)
	}
	g := newGuard(r, c, page, verdict)
	r.mu.Lock()
	if r.guards[c.ID] != nil {
		r.mu.Unlock()
		return r.Watch(ctx, c)
	}
	if r.ctx.Err() != nil {
		r.mu.Unlock()
		return fmt.Errorf("watch cluster %s: the ring is closed", c.ID)
	}
	r.guards[c.ID] = g
	r.done.Go(g.run)
	r.mu.Unlock()
	g.kick(false)
	return nil
}

// Forget stops watching a cluster and ends its workers.
func (r *Ring) Forget(id schema.ClusterID) {
	r.mu.Lock()
	g := r.guards[id]
	delete(r.guards, id)
	r.mu.Unlock()
	if g != nil {
		g.forget()
	}
}

// Status tells a cluster's key. The zero State means that it is not watched.
func (r *Ring) Status(id schema.ClusterID) Status {
	if g := r.guard(id); g != nil {
		return *g.snap.Load()
	}
	return Status{Cluster: id, Reason: ErrUnwatched.Error()}
}

// Heard waits until every cluster that is watched now has had the first answer
// to a question, or that question was found to have none, or ctx ends.
func (r *Ring) Heard(ctx context.Context) {
	for _, g := range r.all() {
		select {
		case <-g.heard:
		case <-ctx.Done():
			return
		}
	}
}

// Lease tells whether a worker with keys of the cluster may live now, and
// until when; the error is *Unavailable. Who starts a worker makes it known to
// its Workers.Revoke first and asks for the lease then, or it may start one
// that nobody ends.
func (r *Ring) Lease(id schema.ClusterID) (Lease, error) {
	s := r.Status(id)
	if !s.State.Serves() || !s.Until.After(r.cfg.Now()) {
		return Lease{}, &Unavailable{Status: s}
	}
	return Lease{Until: s.Until, Epoch: s.Epoch}, nil
}

// Notice says that something changed about a key, or, if key is "", about any
// key of the vault, or, if both are "", anywhere (roles, for instance). Who is
// concerned is asked about at once. The vault's port does not matter.
func (r *Ring) Notice(vaultURI, key string) {
	if vaultURI != "" {
		id, err := kek.NewID(vaultURI, "any", "")
		if err != nil {
			return
		}
		vaultURI = id.VaultURI
	}
	for _, g := range r.all() {
		g.notice(vaultURI, key)
	}
}

// Clusters lists what is watched, the service's first.
func (r *Ring) Clusters() []schema.ClusterID {
	var ids []schema.ClusterID
	for _, g := range r.all() {
		ids = append(ids, g.id)
	}
	return ids
}

func (r *Ring) guard(id schema.ClusterID) *guard {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.guards[id]
}

// all lists the guards in a fixed order, the service's first.
func (r *Ring) all() []*guard {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*guard, 0, len(r.guards))
	if s := r.guards[schema.ServiceCluster]; s != nil {
		out = append(out, s)
	}
	for _, id := range slices.Sorted(maps.Keys(r.guards)) {
		if id != schema.ServiceCluster {
			out = append(out, r.guards[id])
		}
	}
	return out
}
