package worker

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/disk"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
)

// A Reader is the state of a process that answers queries over accounts that
// other processes own, maybe of several key domains. It opens an account when a
// query first names it and follows it from then on. It can't change anything:
// its sandbox lets it read, and the keeper takes nothing from it.
type Reader struct {
	*base

	mu       sync.Mutex
	accounts map[schema.AccountID]*followed
}

// A followed is an account that is open, or being opened, for reading.
type followed struct {
	ready chan struct{} // closed when it is one of the two; then the others are set
	err   error
	id    schema.AccountID
	info  wire.Account // without its manifest
	chain *chain
	disk  *disk.ReadOnly
	store *store.Follower
}

func newReader(b *base) *Reader {
	return &Reader{base: b, accounts: map[schema.AccountID]*followed{}}
}

func (r *Reader) face() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open", answerTo(r.base, wire.ReadOpen, func(ctx context.Context, o wire.Open) (any, error) {
		for _, id := range o.Expect {
			r.expect(ctx, id)
		}
		return struct{}{}, nil
	}))
	mux.HandleFunc("POST /release", answer(r.base, func(_ context.Context, q wire.Release) (any, error) { return struct{}{}, r.release(q) }))
	mux.HandleFunc("POST /status", answer(r.base, func(context.Context, struct{}) (any, error) { return r.status(), nil }))
	mux.HandleFunc("POST /query", r.serveQuery(r.begin))
	return mux
}

// account returns an open account and opens it if need be. Whoever comes
// meanwhile waits; an error is not kept.
func (r *Reader) account(ctx context.Context, id schema.AccountID) (*followed, error) {
	a := r.expect(ctx, id)
	select {
	case <-a.ready:
		return a, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expect returns an account that is open, or being opened from now on.
func (r *Reader) expect(ctx context.Context, id schema.AccountID) *followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.accounts[id]
	if a == nil {
		a = &followed{ready: make(chan struct{}), id: id}
		r.accounts[id] = a
		// The opening is not the caller's alone: others wait for it.
		go r.begun(context.WithoutCancel(ctx), a)
	}
	return a
}

// begun opens an account.
func (r *Reader) begun(ctx context.Context, a *followed) {
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	defer close(a.ready)
	if a.err = r.open(ctx, a); a.err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.accounts[a.id] == a {
			delete(r.accounts, a.id)
		}
	}
}

// opening bounds how long an account may take to be opened: the vault is asked
// for each of its keys.
const opening = 30 * time.Second

func (r *Reader) open(ctx context.Context, a *followed) error {
	info, err := r.host.account(ctx, a.id)
	if err != nil {
		return err
	}
	if a.chain, err = r.unwrap(ctx, info); err != nil {
		return keyFault(openFault(a.id, err))
	}
	if a.disk, err = disk.OpenReadOnly(info.Folder); err != nil {
		a.chain.destroy()
		return fault.New(fault.ServiceUnavailable, "The storage account is moving to another process. Try again.").WithRetryAfter(1).Because(err)
	}
	cfg, err := storeConfig(info)
	if err != nil {
		a.disk.Close()
		a.chain.destroy()
		return err
	}
	a.info = info
	a.info.Manifest = wire.Manifest{} // the store has it
	cfg.FS, cfg.Dir, cfg.Cache, cfg.Log = a.disk, ".", r.images, r.log
	if r.bucket != nil {
		cfg.FS = bucket.View(r.bucket, string(a.id))
	}
	cfg.Keys = func(generation uint32) (seal.Keys, error) { return r.keys(a, generation) }
	a.store = store.Follow(cfg, func(ctx context.Context, since uint64) (store.Manifest, error) {
		m, err := r.host.manifest(ctx, wire.ManifestOf{Account: a.id, Since: since})
		if err != nil {
			return store.Manifest{}, err
		}
		return manifest(a.id, m)
	})
	return nil
}

// keys returns the keys of a generation. One that is not known was made since
// the account was opened.
func (r *Reader) keys(a *followed, generation uint32) (seal.Keys, error) {
	keys, err := a.chain.sealing(generation)
	if err == nil || generation == 0 {
		return keys, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), opening)
	defer cancel()
	info, err := r.host.account(ctx, a.id)
	if err != nil {
		return seal.Keys{}, err
	}
	fresh, err := r.unwrap(ctx, info)
	if err != nil {
		return seal.Keys{}, err
	}
	a.chain.adopt(fresh)
	return a.chain.sealing(generation)
}

// release closes accounts, which go to another domain.
func (r *Reader) release(q wire.Release) error {
	for _, id := range q.Accounts {
		r.mu.Lock()
		a := r.accounts[id]
		delete(r.accounts, id)
		r.mu.Unlock()
		if a != nil {
			a.close()
		}
	}
	return nil
}

func (a *followed) close() {
	if <-a.ready; a.err != nil {
		return
	}
	a.store.Close()
	a.disk.Close()
	a.chain.destroy()
}

func (r *Reader) close() {
	r.mu.Lock()
	all := make([]schema.AccountID, 0, len(r.accounts))
	for id := range r.accounts {
		all = append(all, id)
	}
	r.mu.Unlock()
	r.release(wire.Release{Accounts: all})
}

func (r *Reader) status() (s wire.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.accounts {
		select {
		case <-a.ready:
		default:
			continue
		}
		s.Accounts = append(s.Accounts, id)
		for generation, kid := range a.chain.under() {
			s.Keys = append(s.Keys, wire.Key{Account: id, Generation: generation, KID: kid})
		}
	}
	slices.Sort(s.Accounts)
	return s
}
