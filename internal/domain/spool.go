package domain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"logkeep/internal/batch"
	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/intake"
	"logkeep/internal/inventory"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/spool"
	"logkeep/internal/worker/wire"
)

// While a cluster's key is revoked, unreachable or damaged, rows for it go into
// the spools of its accounts, if its owner says so. docs/design/0017-spool.md
// has the why.

// DefaultSpool is how many bytes of rows may wait for one cluster.
const DefaultSpool = 1 << 30

// spools are those of one cluster.
type spools struct {
	// gate is held for reading while rows are put in, which happens only in a
	// state that does not serve, and for writing while a worker that starts is told
	// which files are its own: a file that is written after that was begun after
	// the state changed again, and that worker's end.
	gate sync.RWMutex

	mu       sync.Mutex
	open     map[schema.AccountID]*spool.Spool
	reserved int64 // bytes of rows that are being put in
	imported spool.Count
	starting bool // somebody sees to it that what waits is imported
	keyed    bool // every account has a spool key
	gone     bool // the cluster was deleted: nothing is opened any more
}

func (d *Domains) spoolsOf(cluster schema.ClusterID) *spools {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.spooled[cluster]
	if s == nil {
		s = &spools{open: map[schema.AccountID]*spool.Spool{}}
		d.spooled[cluster] = s
	}
	return s
}

// of opens an account's spool, whose folder is in place then.
func (s *spools) of(ctx context.Context, d *Domains, cluster schema.ClusterID, account schema.AccountID) (*spool.Spool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[account]; o != nil {
		return o, nil
	}
	if s.gone {
		return nil, fmt.Errorf("the spool of account %s: its cluster %s was deleted", account, cluster)
	}
	var l leaf
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) (err error) {
		l, err = readLeaf(ctx, tx, cluster)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := d.settle(cluster, account); err != nil {
		return nil, err
	}
	o, err := spool.OpenAt(inventory.Of(d.cfg.Accounts, cluster, account), l.Spool[account].Floor)
	if err != nil {
		return nil, err
	}
	s.open[account] = o
	return o, nil
}

// status adds up what waits and what was set aside.
func (s *spools) status() (sum spool.Status, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		st, err := o.Status()
		if err != nil {
			return sum, err
		}
		sum.Waiting.Add(st.Waiting)
		sum.Aside.Add(st.Aside)
	}
	return sum, nil
}

// openSpools makes the spools of a cluster known, with what is in them from before.
func (d *Domains) openSpools(ctx context.Context, c schema.ClusterID, accounts []schema.AccountID) error {
	s := d.spoolsOf(c)
	for _, a := range accounts {
		if _, err := s.of(ctx, d, c, a); err != nil {
			return err
		}
	}
	return nil
}

// seals tells whether rows that were refused because of the key of the cluster
// that holds their account are to be sealed.
func (d *Domains) seals(w control.Workspace, domain schema.ClusterID, refusal error) bool {
	away := errors.Is(refusal, fault.CustomerManagedKeyRevoked) || errors.Is(refusal, fault.CustomerManagedKeyUnreachable) || errors.Is(refusal, fault.CustomerManagedKeyDamaged)
	linked := w.Link != nil && w.Link.State == resource.Succeeded && w.Link.ClusterID == domain
	return away && linked && d.holder(domain).Settings.IngestionWhenRevoked == control.Seal
}

// sealRows puts rows into their account's spool and returns when they are
// durable. refusal is what the client is told if that can't be done.
func (d *Domains) sealRows(ctx context.Context, domain schema.ClusterID, r wire.Append, body io.Reader, refusal error) (done wire.Appended, err error) {
	key, err := d.spoolKey(ctx, domain, r.Account)
	if err != nil {
		d.cfg.Log.Error("rows can't be sealed and are refused", "account", string(r.Account), "error", err.Error())
		return done, refusal
	}
	select {
	case d.parsing <- struct{}{}:
		defer func() { <-d.parsing }()
	case <-ctx.Done():
		return done, ctx.Err()
	}
	wipeStack() // so that it does not grow, and leave a copy of itself, later
	defer wipeStack()
	var whole bytes.Buffer
	rows := intake.Body{Table: r.Table, Stream: r.Stream, Changes: r.Transform != "", Encoding: r.Encoding, Most: r.MaxBytes, Clear: true}
	now := time.Now()
	parsed, read, err := rows.Rows(body, &whole, schema.TicksOf(now))
	if err != nil {
		return done, intake.Fault(err)
	}
	done = intake.Count(parsed, read)
	if done.Rows == 0 {
		return done, nil
	}
	if rows.Changes { // by the process that has the key, when there is one
		what, err := json.Marshal(wire.Change{Text: r.Transform, Stream: r.Stream, Table: r.Table, Now: schema.TicksOf(now)})
		if err != nil {
			return done, err
		}
		parsed.Record = batch.WithPending(parsed.Record, string(what))
	}
	payload, err := batch.Encode(parsed.Record)
	if err != nil {
		return done, err
	}
	defer clear(payload)
	b := spool.Batch{ID: spool.NewID(), Accepted: now, Workspace: r.Workspace, Table: r.Table.Name, Rows: done.Rows, Payload: payload}

	s := d.spoolsOf(domain)
	s.gate.RLock()
	defer s.gate.RUnlock()
	if st := d.ring.Status(domain); st.State.Serves() || st.Setting.IsZero() {
		return done, fault.New(fault.ServiceUnavailable, "Nothing was stored: cluster '%s' is about to serve again. Send the rows again.", d.name(domain)).WithRetryAfter(1)
	}
	o, err := s.of(ctx, d, domain, r.Account)
	if err != nil {
		return done, err
	}
	first, release, err := d.reserve(domain, s, int64(len(payload)))
	if err != nil {
		return done, err
	}
	defer release()
	w, err := d.spoolWriter(ctx)
	if err != nil {
		d.cfg.Log.Error("rows can't be sealed and are refused", "account", string(r.Account), "error", err.Error())
		return done, refusal
	}
	switch err := o.Append(ctx, key, w, b); {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return done, fault.New(fault.ServiceUnavailable, "Nothing was stored: the server's disk is full. Send the rows again later.").WithRetryAfter(5).Because(err)
	case errors.Is(err, spool.ErrTooLarge):
		return done, fault.New(fault.ContentLengthLimit, "The request body is larger than one request may be. Send fewer rows at a time.").Because(err)
	case err != nil:
		return done, err
	}
	if first {
		d.tellSpool(ctx, domain, "", "Waiting", "rows are sealed until the key is back")
	}
	return done, nil
}

// wipeStack overwrites what calls have left on this goroutine's stack. The
// collector overwrites what is freed of the heap, and no stacks; cells are short
// enough for copies there.
//
//go:noinline
func wipeStack() {
	var b [48 << 10]byte
	for i := range b {
		b[i] = 0xa5
	}
	runtime.KeepAlive(&b)
}

// spoolFrame is about how much a batch takes beside its rows.
const spoolFrame = 3 << 10

// reserve makes room for a batch. first is true if nothing waited before.
func (d *Domains) reserve(domain schema.ClusterID, s *spools, bytes int64) (first bool, release func(), err error) {
	st, err := s.status()
	if err != nil {
		return false, nil, err
	}
	most := d.cfg.Spool
	if most == 0 {
		most = DefaultSpool
	}
	bytes += spoolFrame
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.Waiting.Bytes+st.Aside.Bytes+s.reserved+bytes > most {
		return false, nil, fault.New(fault.TooManyRequests, "Nothing was stored: the key of cluster '%s' can't be used, and the rows that wait for it have reached %d MiB, the limit of the spool. Restore the key, and send the rows again later.",
			d.name(domain), most>>20).WithRetryAfter(60)
	}
	first = st.Waiting.Batches == 0 && s.reserved == 0
	s.reserved += bytes
	return first, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reserved -= bytes
	}, nil
}

// parses is how many requests are sealed at a time: their rows are in memory.
const parses = 8

// spoolStatus is what people are told of a cluster's spools; nil if there is
// nothing to tell.
func (d *Domains) spoolStatus(cluster schema.ClusterID) *control.SpoolStatus {
	d.mu.RLock()
	s := d.spooled[cluster]
	d.mu.RUnlock()
	if s == nil {
		return nil
	}
	st, err := s.status()
	if err != nil {
		d.cfg.Log.Error("a spool can't be counted", "cluster", string(cluster), "error", err.Error())
		return nil
	}
	if st.Waiting.Files+st.Aside.Files == 0 {
		return nil
	}
	return &control.SpoolStatus{
		Batches: st.Waiting.Batches, Rows: st.Waiting.Rows, Bytes: st.Waiting.Bytes, Since: st.Waiting.Since,
		AsideBatches: st.Aside.Batches, AsideBytes: st.Aside.Bytes,
	}
}

// waitingWords tell in a refusal that rows wait.
func (d *Domains) waitingWords(cluster schema.ClusterID) string {
	s := d.spoolStatus(cluster)
	if s == nil || s.Batches == 0 {
		return ""
	}
	return fmt.Sprintf(" %d rows that came since %s are sealed and will be there then.", s.Rows, s.Since.Format(time.RFC3339))
}

// forgetSpools closes what is open of a cluster that is gone.
func (d *Domains) forgetSpools(cluster schema.ClusterID) {
	d.mu.Lock()
	s := d.spooled[cluster]
	delete(d.spooled, cluster)
	d.mu.Unlock()
	if s == nil {
		return
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for account, o := range s.open {
		if err := o.Close(); err != nil {
			d.cfg.Log.Warn("a spool was not closed", "folder", filepath.Join(string(cluster), string(account)), "error", err.Error())
		}
	}
	s.open, s.gone = map[schema.AccountID]*spool.Spool{}, true
}
