package domain

import (
	"bytes"
	"context"
	"crypto/ecdsa"
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
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
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
	rows := intake.Body{Table: r.Table, Stream: r.Stream, Encoding: r.Encoding, Most: r.MaxBytes, Clear: true}
	now := time.Now()
	parsed, read, err := rows.Rows(body, &whole, schema.TicksOf(now))
	if err != nil {
		return done, intake.Fault(err)
	}
	done = wire.Appended{Rows: parsed.Record.NumRows(), Bytes: read, Ignored: parsed.Unknown, Cut: parsed.Cut}
	if done.Rows == 0 {
		return done, nil
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

// parses is how many requests are sealed at a time: their rows are in memory.
const parses = 8

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

// Close ends what runs in the background.
func (d *Domains) Close() {
	d.stopImports()
	d.imports.Wait()
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

// tellSpool adds an event. It is no reason to fail for.
func (d *Domains) tellSpool(ctx context.Context, domain schema.ClusterID, from, to, reason string) {
	err := d.cfg.Catalog.Tx(ctx, func(tx *catalog.Tx) error {
		return changeLeaf(ctx, tx, domain, func(l *leaf) { l.tell(time.Now(), "Spool", from, to, reason) })
	})
	if err != nil {
		d.cfg.Log.Warn("an event is not recorded", "domain", string(domain), "error", err.Error())
	}
}

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
