package keyring

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

const serviceURI = "https://service.example.com"

// world is everything around a ring: a customer's vault and the service's, a
// book, and workers that hold keys as long as they are let.
type world struct {
	t         testing.TB
	customer  *kektest.Vault
	service   *kektest.Vault
	key, mmk  kek.ID // first versions
	integrity *ecdsa.PrivateKey
	book      *book
	workers   *workers
	ring      *Ring
	jitter    func() float64
	checked   int                            // saves that whole has seen
	opened    func(*kektest.Vault) kek.Vault // what the ring gets
}

var (
	integrityOnce sync.Once
	integrityKey  *ecdsa.PrivateKey
)

func newWorld(t testing.TB) *world {
	integrityOnce.Do(func() { integrityKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	w := &world{t: t, customer: kektest.New(), service: kektest.NewAt(serviceURI), integrity: integrityKey}
	w.key, w.mmk = w.customer.NewKey("k"), w.service.NewKey("mmk")
	w.book = &book{pages: map[schema.ClusterID]Page{}, verdicts: map[schema.ClusterID]Verdict{}}
	w.workers = &workers{w: w, keys: map[wrap.Place][]byte{}, until: map[schema.ClusterID]time.Time{}, revoked: map[schema.ClusterID][]Status{}, tenant: map[schema.ClusterID]schema.TenantID{}}
	w.jitter = func() float64 { return 0.5 }
	w.opened = func(v *kektest.Vault) kek.Vault { return v }
	w.start()
	return w
}

// start begins a ring over the same book, as a new process does.
func (w *world) start() {
	ring, err := New(Config{
		Book: w.book, Workers: w.workers, Integrity: &w.integrity.PublicKey, Jitter: w.jitter, Log: slog.New(slog.DiscardHandler),
		Open: func(_ Cluster, uri string) (kek.Vault, error) {
			switch uri {
			case kektest.URI:
				return w.opened(w.customer), nil
			case serviceURI:
				return w.opened(w.service), nil
			}
			return nil, errors.New("no such vault")
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ring = ring
	w.t.Cleanup(ring.Close)
	w.workers.reset()
}

// cluster is the customer's in all tests.
var (
	theCluster = Cluster{ID: "c", Tenant: "t", Identity: "oid", Accounts: []schema.AccountID{"c-0", "c-1"}, DoubleEncryption: true}
	theService = Cluster{ID: schema.ServiceCluster, Tenant: "host", Identity: "logkeep-service", Accounts: []schema.AccountID{"ws-1"}}
)

func (w *world) watch(cs ...Cluster) {
	w.t.Helper()
	for _, c := range cs {
		w.workers.mu.Lock()
		w.workers.tenant[c.ID] = c.Tenant
		w.workers.mu.Unlock()
		if err := w.ring.Watch(context.Background(), c); err != nil {
			w.t.Fatal(err)
		}
	}
}

// live is a world with the service and one cluster under its own key.
func live(t testing.TB, policy Policy, setting func(*world) kek.ID) *world {
	t.Helper()
	w := newWorld(t)
	c := theCluster
	c.Policy = policy
	w.watch(theService, c)
	must(t, w.ring.SetKey(t.Context(), theService.ID, w.mmk.At("")))
	must(t, w.ring.Cover(t.Context(), c.ID))
	must(t, w.ring.SetKey(t.Context(), c.ID, setting(w)))
	synctest.Wait()
	w.is(Active)
	return w
}

func auto(w *world) kek.ID     { return w.key.At("") }
func explicit(w *world) kek.ID { return w.key }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is demands a state of the customer's cluster, and that workers are alive
// exactly if it serves.
func (w *world) is(want State) Status {
	w.t.Helper()
	s := w.ring.Status("c")
	if s.State != want {
		w.t.Fatalf("state is %v (%s), want %v", s.State, s.Reason, want)
	}
	if alive := w.workers.alive("c"); alive != want.Serves() {
		w.t.Fatalf("state is %v, worker alive: %v", want, alive)
	}
	return s
}

// whole demands that the book can be unwrapped, whatever the vaults permit
// now: every key that was ever in it is still there.
func (w *world) whole() {
	w.t.Helper()
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	have := map[wrap.Place]bool{}
	if w.book.saves == w.checked {
		return // nothing changed since the last time
	}
	w.checked = w.book.saves
	for id, page := range w.book.pages {
		for _, rec := range page.Records {
			opened, err := rec.Open(&w.integrity.PublicKey, wrap.Place{Tenant: w.workers.tenantOf(id), Cluster: id, Account: rec.Account, Generation: rec.Generation, Layer: rec.Layer})
			if err != nil {
				w.t.Fatal(err)
			}
			key, err := w.vaultOf(opened.KID).Truth(opened)
			if err != nil || !bytes.Equal(key, w.workers.key(rec.Place())) {
				w.t.Fatalf("record %+v does not hold its key: %v", rec.Place(), err)
			}
			have[rec.Place()] = true
		}
	}
	for _, place := range w.book.ever {
		if !have[place] {
			w.t.Fatalf("the key of %+v is lost", place)
		}
	}
}

func (w *world) vaultOf(id kek.ID) *kektest.Vault {
	if id.VaultURI == serviceURI {
		return w.service
	}
	return w.customer
}

// book is a Book in memory.
type book struct {
	mu       sync.Mutex
	pages    map[schema.ClusterID]Page
	verdicts map[schema.ClusterID]Verdict
	ever     []wrap.Place // every record that was ever durable
	saves    int
	step     func(string) error
}

func (b *book) Load(_ context.Context, id schema.ClusterID) (Page, Verdict, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[id]
	p.Records = slices.Clone(p.Records)
	return p, b.verdicts[id], nil
}

func (b *book) Save(_ context.Context, id schema.ClusterID, p Page) error {
	if err := b.at("before save"); err != nil {
		return err
	}
	b.mu.Lock()
	p.Records = slices.Clone(p.Records)
	b.pages[id] = p
	b.saves++
	for _, rec := range p.Records {
		if !slices.Contains(b.ever, rec.Place()) {
			b.ever = append(b.ever, rec.Place())
		}
	}
	b.mu.Unlock()
	return b.at("after save")
}

func (b *book) Note(_ context.Context, id schema.ClusterID, v Verdict) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verdicts[id] = v
	return nil
}

// put exchanges a page behind everybody's back.
func (b *book) put(id schema.ClusterID, p Page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages[id] = p
}

// on sets what happens at each step of a change.
func (b *book) on(f func(string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.step = f
}

func (b *book) at(step string) error {
	b.mu.Lock()
	f := b.step
	b.mu.Unlock()
	if f != nil {
		return f(step)
	}
	return nil
}

// workers model the processes that hold keys: one is alive as long as its
// last renewal runs and nothing revoked it, and a new one stands ready.
type workers struct {
	w       *world
	mu      sync.Mutex
	keys    map[wrap.Place][]byte // the truth about every key ever made
	until   map[schema.ClusterID]time.Time
	revoked map[schema.ClusterID][]Status
	tenant  map[schema.ClusterID]schema.TenantID
	adopted map[schema.ClusterID]Page
	fail    error // of NewGeneration and Rewrap
	twist   func([]wrap.Record) []wrap.Record
	onEvent func(schema.ClusterID)
	onRenew func(schema.ClusterID, time.Time)
}

// reset is the death of all processes.
func (k *workers) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.until)
	k.adopted = map[schema.ClusterID]Page{}
}

func (k *workers) tenantOf(id schema.ClusterID) schema.TenantID {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tenant[id]
}

func (k *workers) key(at wrap.Place) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[at]
}

func (k *workers) alive(id schema.ClusterID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.until[id].After(time.Now())
}

func (k *workers) deadline(id schema.ClusterID) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.until[id]
}

func (k *workers) revocations(id schema.ClusterID) []Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.revoked[id])
}

// set changes how workers behave.
func (k *workers) set(f func(*workers)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(k)
}

func (k *workers) Renew(id schema.ClusterID, until time.Time) {
	k.mu.Lock()
	k.until[id] = until
	f, check := k.onEvent, k.onRenew
	k.mu.Unlock()
	if check != nil {
		check(id, until)
	}
	if f != nil {
		f(id)
	}
}

func (k *workers) Revoke(id schema.ClusterID, s Status) {
	k.mu.Lock()
	delete(k.until, id)
	k.revoked[id] = append(k.revoked[id], s)
	f := k.onEvent
	k.mu.Unlock()
	if f != nil {
		f(id)
	}
}

func (k *workers) NewGeneration(ctx context.Context, id schema.ClusterID, kid, outer kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error) {
	page, _, _ := k.w.book.Load(ctx, id)
	var places, outers []wrap.Place
	k.mu.Lock()
	for _, a := range accounts {
		at := wrap.Place{Tenant: k.tenant[id], Cluster: id, Account: a, Generation: 1}
		known := false
		for _, rec := range page.Records {
			if rec.Account == a {
				known = true
				at.Generation = max(at.Generation, rec.Generation+1)
				if rec.Layer == wrap.Outer {
					at.Layer = wrap.Inner
				}
			}
		}
		if !known && !outer.IsZero() {
			at.Layer = wrap.Inner
			o := wrap.Place{Tenant: at.Tenant, Cluster: id, Account: a, Layer: wrap.Outer}
			k.keys[o] = make([]byte, 32)
			rand.Read(k.keys[o])
			outers = append(outers, o)
		}
		key := make([]byte, 32)
		rand.Read(key)
		k.keys[at] = key
		places = append(places, at)
	}
	k.mu.Unlock()
	var infra []wrap.Record
	if len(outers) > 0 {
		var err error
		if infra, _, err = k.wrapped(ctx, id, outer, outers); err != nil {
			return nil, wrap.Canary{}, err
		}
	}
	records, canary, err := k.wrapped(ctx, id, kid, places)
	return append(records, infra...), canary, err
}

func (k *workers) Rewrap(ctx context.Context, id schema.ClusterID, kid kek.ID, records []wrap.Record) ([]wrap.Record, wrap.Canary, error) {
	var places []wrap.Place
	for _, rec := range records {
		places = append(places, rec.Place())
	}
	return k.wrapped(ctx, id, kid, places)
}

func (k *workers) wrapped(ctx context.Context, id schema.ClusterID, kid kek.ID, places []wrap.Place) ([]wrap.Record, wrap.Canary, error) {
	if err := k.w.book.at("before wrap"); err != nil {
		return nil, wrap.Canary{}, err
	}
	k.mu.Lock()
	fail, twist := k.fail, k.twist
	k.mu.Unlock()
	if !k.alive(id) {
		fail = errors.New("there is no worker")
	}
	if fail != nil {
		return nil, wrap.Canary{}, fail
	}
	vault := k.w.vaultOf(kid)
	var out []wrap.Record
	for _, at := range places {
		rec, err := wrap.New(ctx, vault, wraptest.Signer{Key: k.w.integrity}, at, kid, k.key(at), commitment(k.key(at)))
		if err != nil {
			return nil, wrap.Canary{}, err
		}
		out = append(out, rec)
	}
	canary, err := wrap.NewCanary(ctx, vault, wraptest.Signer{Key: k.w.integrity}, k.tenantOf(id), id, kid)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	if twist != nil {
		out = twist(out)
	}
	return out, canary, k.w.book.at("after wrap")
}

func commitment(key []byte) (c [32]byte) {
	copy(c[:], key)
	for i := range c {
		c[i] ^= 0x5c
	}
	return c
}

func (k *workers) Adopt(_ context.Context, id schema.ClusterID, p Page) error {
	if err := k.w.book.at("before adopt"); err != nil {
		return err
	}
	k.mu.Lock()
	k.adopted[id] = p
	k.mu.Unlock()
	return k.w.book.at("after adopt")
}

// bubble runs a test in synctest and closes the ring at its end.
func bubble(t *testing.T, f func(t *testing.T) *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if w := f(t); w != nil {
			w.ring.Close()
			w.whole()
		}
	})
}

func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errCrash = fmt.Errorf("crash")
