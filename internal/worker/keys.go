package worker

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// The labels of commitments are part of every wrap record: never change them.
const (
	commitmentLabel = "account-key"
	outerLabel      = "infrastructure-key"
)

func labelOf(l wrap.Layer) string {
	if l == wrap.Outer {
		return outerLabel
	}
	return commitmentLabel
}

// unwraps is how many unwraps one worker asks of a vault at a time.
const unwraps = 8

// A chain is the keys of one account: its key generations and, as generation
// 0, the infrastructure key if it has one; and the records under which they lie
// in the catalog. A generation's own record says whether there is a second layer.
type chain struct {
	mu      sync.RWMutex
	keys    map[uint32]*seal.Key
	double  map[uint32]bool // generations of layer Inner
	records []wrap.Record
	current uint32
}

func newChain(records []wrap.Record) *chain {
	c := &chain{keys: map[uint32]*seal.Key{}}
	c.take(records)
	return c
}

// take goes by records. The caller holds mu, or nobody else has c yet.
func (c *chain) take(records []wrap.Record) {
	c.records, c.double = records, map[uint32]bool{}
	for _, r := range records {
		c.double[r.Generation] = r.Layer == wrap.Inner
	}
}

// sealing returns the keys of one generation.
func (c *chain) sealing(generation uint32) (seal.Keys, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[generation]
	if !ok || generation == 0 {
		return seal.Keys{}, fmt.Errorf("no wrap record of key generation %d was given", generation)
	}
	keys := seal.Keys{Inner: k, Generation: generation}
	if c.double[generation] {
		if keys.Outer = c.keys[0]; keys.Outer == nil {
			return seal.Keys{}, fmt.Errorf("key generation %d has two layers, and no wrap record of the infrastructure key was given", generation)
		}
	}
	return keys, nil
}

// key returns the key that a record is of.
func (c *chain) key(r wrap.Record) (*seal.Key, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[r.Generation]
	if !ok || (r.Layer == wrap.Outer) != (r.Generation == 0) {
		return nil, fmt.Errorf("no wrap record of key generation %d was given", r.Generation)
	}
	return k, nil
}

// newest returns the keys that new data is sealed with.
func (c *chain) newest() (seal.Keys, error) {
	c.mu.RLock()
	current := c.current
	c.mu.RUnlock()
	return c.sealing(current)
}

// replace takes over the records as they are stored now, and a new generation.
func (c *chain) replace(records []wrap.Record, generation uint32, fresh *seal.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(records)
	if fresh != nil {
		c.keys[generation] = fresh
		c.current = max(c.current, generation)
	}
}

// adopt takes the generations of fresh that c lacks, and its records. fresh is
// not to be used any more.
func (c *chain) adopt(fresh *chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for generation, k := range fresh.keys {
		if c.keys[generation] == nil {
			c.keys[generation] = k
		} else {
			k.Destroy()
		}
	}
	c.take(fresh.records)
	c.current = max(c.current, fresh.current)
}

// under tells for each generation the key version that it is wrapped with.
func (c *chain) under() map[uint32]kek.ID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	under := map[uint32]kek.ID{}
	for _, r := range c.records {
		under[r.Generation] = r.KID
	}
	return under
}

func (c *chain) destroy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys {
		k.Destroy()
	}
}

// unwrap opens every generation of an account. Each has at least one record;
// while a rotation is under way it has two, and either will do.
func (w *base) unwrap(ctx context.Context, a wire.Account) (*chain, error) {
	generations := map[uint32][]wrap.Record{}
	for _, r := range a.Records {
		generations[r.Generation] = append(generations[r.Generation], r)
	}
	if len(generations) == 0 {
		return nil, fmt.Errorf("account %s has no wrap record", a.ID)
	}
	c := newChain(a.Records)
	opened := make(chan func(), len(generations))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(unwraps)
	for generation, records := range generations {
		c.current = max(c.current, generation)
		g.Go(func() error {
			at := wrap.Place{Tenant: a.Tenant, Cluster: a.Cluster, Account: a.ID, Generation: generation, Layer: records[0].Layer}
			slices.SortFunc(records, func(x, y wrap.Record) int { return y.Created.Compare(x.Created) })
			var failed error
			for _, r := range records {
				lawful, err := r.Open(w.vaults.signer, at)
				if err != nil {
					return err // forged or misplaced: nothing is sent to a vault
				}
				k, err := w.unwrapOne(ctx, a, r, lawful)
				if err == nil {
					opened <- func() { c.keys[generation] = k }
					return nil
				}
				failed = errors.Join(failed, err)
			}
			return failed
		})
	}
	err := g.Wait()
	close(opened)
	for keep := range opened {
		keep()
	}
	if err != nil {
		c.destroy()
		return nil, fmt.Errorf("unwrap the keys of account %s: %w", a.ID, err)
	}
	return c, nil
}

func (w *base) unwrapOne(ctx context.Context, a wire.Account, r wrap.Record, lawful kek.Wrapped) (*seal.Key, error) {
	v, err := w.vaults.of(wire.Owner{Tenant: a.Tenant, Cluster: a.Cluster}, r.KID.VaultURI)
	if err != nil {
		return nil, err
	}
	b, err := v.Unwrap(ctx, lawful)
	if err != nil {
		return nil, err
	}
	k, err := seal.ImportKey(b)
	if err != nil {
		return nil, err
	}
	got, err := k.Commitment(labelOf(r.Layer))
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got[:], r.Commitment[:]) != 1 {
		k.Destroy()
		return nil, fmt.Errorf("generation %d: %w", r.Generation, wrap.ErrMismatch)
	}
	return k, nil
}

// record wraps one key of an account under id, tests the wrap and signs the record.
func (w *Worker) record(ctx context.Context, at wrap.Place, owner wire.Owner, id kek.ID, k *seal.Key) (r wrap.Record, err error) {
	v, err := w.vaults.of(owner, id.VaultURI)
	if err != nil {
		return r, err
	}
	commitment, err := k.Commitment(labelOf(at.Layer))
	if err != nil {
		return r, err
	}
	err = k.Export(func(b []byte) error {
		r, err = wrap.New(ctx, v, w.vaults, at, id, b, commitment)
		return err
	})
	return r, err
}

// generate draws new keys for accounts and keeps them until adopt. A key that
// is never adopted seals nothing.
func (w *Worker) generate(ctx context.Context, r wire.Generate) (g wire.Generated, err error) {
	wanted := newKeys(r)
	fresh := make([]*seal.Key, len(wanted))
	g.Records = make([]wrap.Record, len(wanted))
	defer func() {
		if err != nil {
			for _, k := range fresh {
				k.Destroy()
			}
		}
	}()
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(unwraps)
	for i, at := range wanted {
		group.Go(func() error {
			k, err := seal.NewKey()
			if err != nil {
				return err
			}
			fresh[i] = k
			id := r.Key
			if at.Layer == wrap.Outer {
				id = r.Outer
			}
			g.Records[i], err = w.record(gctx, at, r.Owner, id, k)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return g, err
	}
	if r.Canary {
		if g.Canary, err = w.canary(ctx, r.Owner, r.Key); err != nil {
			return g, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, rec := range g.Records {
		w.pending[place{rec.Account, rec.Generation}].Destroy()
		w.pending[place{rec.Account, rec.Generation}] = fresh[i]
	}
	return g, nil
}

// newKeys are the places of the keys that r asks for.
func newKeys(r wire.Generate) (wanted []wrap.Place) {
	for _, a := range r.Accounts {
		at := wrap.Place{Tenant: a.Tenant, Cluster: a.Cluster, Account: a.ID, Generation: 1}
		if len(a.Records) == 0 && !r.Outer.IsZero() {
			wanted = append(wanted, wrap.Place{Tenant: a.Tenant, Cluster: a.Cluster, Account: a.ID, Layer: wrap.Outer})
			at.Layer = wrap.Inner
		}
		for _, known := range a.Records {
			at.Generation = max(at.Generation, known.Generation+1)
			if known.Layer == wrap.Outer {
				at.Layer = wrap.Inner
			}
		}
		wanted = append(wanted, at)
	}
	return wanted
}

// rewrap wraps keys under r.Key as well. Keys of accounts that are not open
// here are unwrapped for it. The data stays as it is.
func (w *Worker) rewrap(ctx context.Context, r wire.Rewrap) (g wire.Generated, err error) {
	g.Records = make([]wrap.Record, len(r.Records))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(unwraps)
	for i, old := range r.Records {
		group.Go(func() error {
			info := wire.Account{ID: old.Account, Tenant: old.Tenant, Cluster: old.Cluster, Records: []wrap.Record{old}}
			w.mu.Lock()
			a := w.accounts[old.Account]
			w.mu.Unlock()
			c := (*chain)(nil)
			if a != nil {
				c = a.chain
			} else {
				var err error
				if c, err = w.unwrap(gctx, info); err != nil {
					return err
				}
				defer c.destroy()
			}
			k, err := c.key(old)
			if err != nil {
				return err
			}
			g.Records[i], err = w.record(gctx, old.Place(), r.Owner, r.Key, k)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return g, err
	}
	g.Canary, err = w.canary(ctx, r.Owner, r.Key)
	return g, err
}

func (w *Worker) canary(ctx context.Context, owner wire.Owner, id kek.ID) (*wrap.Canary, error) {
	v, err := w.vaults.of(owner, id.VaultURI)
	if err != nil {
		return nil, err
	}
	c, err := wrap.NewCanary(ctx, v, w.vaults, owner.Tenant, owner.Cluster, id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// A place is one key generation of one account.
type place struct {
	account    schema.AccountID
	generation uint32
}
