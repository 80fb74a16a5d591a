package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/bucket"
	"logkeep/internal/disk"
	"logkeep/internal/fault"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// An account is one open account: its keys and its store.
type account struct {
	info  wire.Account
	chain *chain
	store *store.Store
}

func (w *Worker) account(id schema.AccountID) (*account, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.accounts[id]
	if err := w.broken[id]; err != nil {
		return nil, brokenFault(id, err)
	}
	if a == nil {
		return nil, fault.New(fault.ServiceUnavailable, "The storage account is moving to another process. Try again.").Because(fmt.Errorf("account %s is not open here", id))
	}
	return a, nil
}

// openings is how many accounts a worker opens at a time: much of it is waiting
// for the vault, and the rest is memory for what journals hold.
const openings = 4

// open opens accounts; those that are open stay as they are.
func (w *Worker) open(ctx context.Context, r wire.Open) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(openings)
	for _, info := range r.Accounts {
		w.mu.Lock()
		_, there := w.accounts[info.ID]
		w.mu.Unlock()
		if !there {
			group.Go(func() error { return w.openOne(ctx, info) })
		}
	}
	return group.Wait()
}

func (w *Worker) openOne(ctx context.Context, info wire.Account) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// The keeper makes the folder. One that is not there has just been given
	// to another domain, and must not be made again here.
	if err := w.disk.SyncDir(string(info.ID)); err != nil {
		return fault.New(fault.ServiceUnavailable, "The storage account is moving to another process. Try again.").Because(fmt.Errorf("account %s: %w", info.ID, err))
	}
	c, err := w.unwrap(ctx, info)
	if err != nil {
		return openFault(info.ID, err)
	}
	a := &account{info: info, chain: c}
	cfg, err := w.storeConfig(ctx, info, c)
	if err != nil {
		c.destroy()
		return openFault(info.ID, err)
	}
	a.info.Manifest = wire.Manifest{} // the store has it
	if info.Spool.Through > 0 {
		cfg.Waiting = w.spooled(info, c)
	}
	if a.store, err = store.Open(ctx, cfg); err != nil {
		c.destroy()
		if brokenJournal(err) {
			// The other accounts are opened all the same. Whoever asks for this one is told.
			w.log.Error("a storage account's journal is damaged; logkeep storage check --repair saves what can be read", "account", string(info.ID), "error", err.Error())
			w.mu.Lock()
			w.broken[info.ID] = err
			w.mu.Unlock()
			return nil
		}
		return openFault(info.ID, err)
	}
	w.makeSpoolKey(ctx, a, info.Spool.Generation)
	w.mu.Lock()
	w.accounts[info.ID] = a
	delete(w.broken, info.ID)
	w.mu.Unlock()
	return nil
}

// brokenJournal reports whether an account could not be opened since a file of its
// journal is damaged or missing.
func brokenJournal(err error) bool {
	_, damaged := errors.AsType[*journal.DamageError](err)
	return damaged || errors.Is(err, disk.ErrDamaged)
}

// salvage brings what can be read of a broken account's journal into segments. The
// account is not open here, before or after.
func (w *Worker) salvage(ctx context.Context, r wire.Salvage) (out wire.Salvaged, err error) {
	info := r.Account
	w.mu.Lock()
	open := w.accounts[info.ID] != nil
	delete(w.broken, info.ID)
	w.mu.Unlock()
	if open {
		return out, fmt.Errorf("internal error: account %s is open", info.ID)
	}
	c, err := w.unwrap(ctx, info)
	if err != nil {
		return out, openFault(info.ID, err)
	}
	defer c.destroy()
	cfg, err := w.storeConfig(ctx, info, c)
	if err != nil {
		return out, openFault(info.ID, err)
	}
	if dir, ok := cfg.FS.(*bucket.Folder); ok {
		dir.Salvage()
	}
	done, err := store.Salvage(ctx, cfg)
	out.Rows = done.Rows
	for _, l := range done.Lost {
		out.Lost = append(out.Lost, l.String())
	}
	return out, openFault(info.ID, err)
}

func (w *Worker) storeConfig(ctx context.Context, info wire.Account, c *chain) (store.Config, error) {
	cfg, err := storeConfig(info)
	if err != nil {
		return cfg, err
	}
	cfg.FS, cfg.Dir = w.disk, string(info.ID)
	cfg.Keys, cfg.Current, cfg.Seen = c.sealing, c.current, info.Seen
	cfg.Commit, cfg.Cache, cfg.Log = committer{w.host}, w.images, w.log
	cfg.FlushBytes, cfg.FlushAge, cfg.Budget = w.start.Flush.Bytes, w.start.Flush.Age, w.tails
	if w.bucket == nil {
		return cfg, nil
	}
	dir, err := bucket.Claim(ctx, w.bucket, string(info.ID), w.lost)
	if err != nil {
		return cfg, err
	}
	return store.InBucket(ctx, cfg, dir)
}

// lost ends the process: somebody else writes one of its accounts now. What was
// acknowledged is in the bucket, and the next worker finds it.
func (w *Worker) lost(err error) {
	w.log.Error("this worker ends", "error", err.Error())
	os.Exit(1)
}

// storeConfig is what the keeper knows of a store.
func storeConfig(info wire.Account) (store.Config, error) {
	m, err := manifest(info.ID, info.Manifest)
	return store.Config{Account: info.ID, Place: seal.Place{Tenant: info.Tenant, Cluster: info.Cluster}, Manifest: m}, err
}

func manifest(id schema.AccountID, m wire.Manifest) (store.Manifest, error) {
	listed, err := m.Segments()
	if err != nil {
		return store.Manifest{}, err
	}
	segments := make([]segment.Info, len(listed))
	for i, s := range listed {
		segments[i] = segment.Info{
			ID: s.ID, Account: id, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation,
			Rows: s.Rows, Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: schema.TicksOf(s.Created),
		}
	}
	return store.Manifest{Seq: m.Seq, Floor: m.Floor, MAC: m.MAC, Segments: segments, Aside: m.Aside, Since: m.Since, Removed: m.Removed}, nil
}

// adopt goes by the records that are stored now, and puts new generations to use.
func (w *Worker) adopt(ctx context.Context, r wire.Adopt) error {
	stored := map[schema.AccountID][]wrap.Record{}
	for _, rec := range r.Records {
		stored[rec.Account] = append(stored[rec.Account], rec)
	}
	for id, records := range stored {
		newest := slices.MaxFunc(records, func(x, y wrap.Record) int { return cmp.Compare(x.Generation, y.Generation) })
		at := place{id, newest.Generation}
		w.mu.Lock()
		a, fresh := w.accounts[id], w.pending[at]
		delete(w.pending, at)
		w.mu.Unlock()
		if a == nil { // a new account: it is opened like any other
			fresh.Destroy()
			outer := place{id, 0}
			w.mu.Lock()
			w.pending[outer].Destroy()
			delete(w.pending, outer)
			w.mu.Unlock()
			continue
		}
		a.chain.replace(records, newest.Generation, fresh)
		if fresh == nil {
			continue
		}
		if err := a.store.Use(newest.Generation); err != nil {
			return fmt.Errorf("account %s: use key generation %d: %w", id, newest.Generation, err)
		}
		w.makeSpoolKey(ctx, a, 0)
	}
	return nil
}

// release closes accounts; another worker opens them next.
func (w *Worker) release(ctx context.Context, r wire.Release) error {
	for _, id := range r.Accounts {
		w.mu.Lock()
		a := w.accounts[id]
		delete(w.accounts, id)
		delete(w.broken, id)
		w.mu.Unlock()
		if a == nil {
			continue
		}
		if err := a.store.Close(); err != nil {
			return fmt.Errorf("close account %s: %w", id, err)
		}
		a.chain.destroy()
	}
	return nil
}

// A committer makes changes of manifests durable through the keeper.
type committer struct{ host *host }

func (c committer) Commit(ctx context.Context, ch store.Change) error {
	out := wire.Commit{Account: ch.Account, Remove: ch.Remove, Seq: ch.Seq, Floor: ch.Floor, MAC: ch.MAC}
	for _, s := range ch.Add {
		out.Add = append(out.Add, wire.Segment{
			ID: s.ID, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows, Bytes: s.Bytes,
			MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created.Time(),
		})
	}
	return c.host.commit(ctx, out)
}
