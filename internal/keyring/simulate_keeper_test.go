package keyring

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
)

const otherURI = "https://other.example.com"

// sim is one schedule: the world in which keepers live and die.
type sim struct {
	t         *testing.T
	seed      uint64
	rng       *rand.Rand // of the events; nobody else draws from it
	integrity *ecdsa.PrivateKey
	vaults    map[string]*kektest.Vault
	keeper    *keeper // the one of now
	judge     *judge
	tenants   []*tenant
	tenantOf  map[schema.ClusterID]schema.TenantID
	changes   sync.WaitGroup // changes of keys that are under way

	mu     sync.Mutex
	slept  time.Duration // by the machine; Go's timers don't count it
	doomed int           // acts until the keeper dies; 0: it lives
	pages  map[schema.ClusterID]Page
	before map[schema.ClusterID]Page // what the last save replaced
	notes  map[schema.ClusterID]Verdict
	held   map[schema.ClusterID]*process
	trace  strings.Builder // what happened, and when
	deeds  strings.Builder // what was done to the world
}

// now is the world's time, which the ring's clock tells, and the kernel's
// timers that end workers.
func (s *sim) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock()
}

// clock is now for who holds mu.
func (s *sim) clock() time.Time { return time.Now().Add(s.slept) }

// say writes what is done to the world.
func (s *sim) say(format string, args ...any) {
	s.told(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.deeds, format+"\n", args...)
}

// told writes what came of it.
func (s *sim) told(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.trace, "%s %s\n", s.clock().Format("15:04:05.000000"), fmt.Sprintf(format, args...))
}

// chance is a number in [0,1) that depends on the schedule, on what is asked
// for and on nothing else: not on which goroutine came first.
func (s *sim) chance(of string, n uint64) float64 {
	h := fnv(of)
	return rand.New(rand.NewPCG(s.seed^h, n)).Float64()
}

func fnv(text string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(text) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// keeper is one process that holds a ring. When it is dead, nothing that it
// still does reaches anybody; while it is stopped it does nothing at all.
type keeper struct {
	s      *sim
	ring   *Ring
	number int
	leases map[schema.ClusterID]time.Time     // guarded by s.mu
	gates  map[schema.ClusterID]chan struct{} // who holds one starts a worker

	mu      sync.Mutex
	dead    bool
	stopped chan struct{} // closed when it goes on; nil while it runs
}

var errDead = errors.New("the keeper died")

// start begins a keeper over the catalog of the one before, whose workers are
// gone.
func (s *sim) start() {
	k := &keeper{s: s, leases: map[schema.ClusterID]time.Time{}, gates: map[schema.ClusterID]chan struct{}{}}
	if s.keeper != nil {
		k.number = s.keeper.number + 1
	}
	for _, c := range s.clusters() {
		k.gates[c.ID] = make(chan struct{}, 1)
	}
	ring, err := New(Config{
		Book: k, Workers: k, Integrity: &s.integrity.PublicKey, Log: slog.New(slog.DiscardHandler),
		Open:   func(c Cluster, uri string) (kek.Vault, error) { return k.way(c.ID, uri, true) },
		Now:    k.now,
		Jitter: func() float64 { return s.chance("jitter", uint64(s.now().UnixNano())) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	k.ring = ring
	s.mu.Lock()
	clear(s.held)
	s.mu.Unlock()
	s.keeper = k
	s.judge.started()
	for _, c := range s.clusters() {
		if err := ring.Watch(s.t.Context(), c); err != nil && !errors.Is(err, errDead) {
			s.t.Fatal(err)
		}
	}
}

// kill is SIGKILL: at once, wherever it is.
func (k *keeper) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = true
	if k.stopped != nil {
		close(k.stopped)
		k.stopped = nil
	}
}

func (k *keeper) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

// stop is SIGSTOP, and resume SIGCONT.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = make(chan struct{})
}

func (k *keeper) resume() {
	k.s.judge.resumed()
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.stopped)
	k.stopped = nil
}

// pause is where a stopped keeper stands.
func (k *keeper) pause() {
	k.mu.Lock()
	stopped := k.stopped
	k.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (k *keeper) now() time.Time {
	k.pause()
	if planted("the clock does not count sleep") {
		return time.Now()
	}
	return k.s.now()
}

// act is a moment between two things that the keeper does; it may be its last.
// Rows come in at every one.
func (k *keeper) act() error {
	k.pause()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errDead
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.doomed == 1 {
		k.dead = true
		if planted("the catalog is not synced") {
			for id, p := range k.s.before {
				k.s.pages[id] = p
			}
		}
	}
	if k.s.doomed > 0 {
		k.s.doomed--
	}
	if k.dead {
		return errDead
	}
	k.s.rows()
	return nil
}

// Load implements Book.
func (k *keeper) Load(_ context.Context, id schema.ClusterID) (Page, Verdict, error) {
	if err := k.act(); err != nil {
		return Page{}, Verdict{}, err
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	p := k.s.pages[id]
	p.Records = slices.Clone(p.Records)
	return p, k.s.notes[id], nil
}

// Save implements Book.
func (k *keeper) Save(_ context.Context, id schema.ClusterID, p Page) error {
	if err := k.act(); err != nil {
		return err
	}
	p.Records = slices.Clone(p.Records)
	if planted("a page is saved in two transactions") {
		k.s.mu.Lock()
		half := k.s.pages[id]
		half.Setting, half.Canary = p.Setting, p.Canary
		if len(p.Records) < len(half.Records) || len(half.Records) == 0 {
			half.Records = p.Records
		} else {
			half.Records = slices.Clone(p.Records[:len(p.Records)-1])
		}
		k.s.pages[id] = half
		k.s.mu.Unlock()
		if err := k.act(); err != nil {
			return err
		}
	}
	k.s.mu.Lock()
	k.s.judge.saved(id, p)
	k.s.before = map[schema.ClusterID]Page{id: k.s.pages[id]}
	k.s.pages[id] = p
	k.s.mu.Unlock()
	if k.act() != nil { // it was written, and nobody was told
		return errDead
	}
	return nil
}

// Note implements Book.
func (k *keeper) Note(_ context.Context, id schema.ClusterID, v Verdict) error {
	if err := k.act(); err != nil {
		return err
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.notes[id] = v
	return nil
}

// way is a vault as this keeper reaches it for a cluster, or, if ring is false,
// as the cluster's worker does through the keeper's tunnel.
type way struct {
	k    *keeper
	v    *kektest.Vault
	who  schema.ClusterID
	ring bool

	mu    sync.Mutex
	calls map[string]uint64
	own   map[string]bool // what it wrapped itself: probes of kek.Check
}

func (k *keeper) way(who schema.ClusterID, uri string, ring bool) (*way, error) {
	v := k.s.vaults[uri]
	if v == nil {
		return nil, fmt.Errorf("no vault at %s", uri)
	}
	return &way{k: k, v: v, who: who, ring: ring, own: map[string]bool{}, calls: map[string]uint64{}}, nil
}

// enter is the way to the vault. It takes a while, each call another one, so
// that no two things are at the same nanosecond: their order would be chance.
func (w *way) enter(ctx context.Context, op string, id kek.ID) error {
	w.k.pause()
	of := op + string(w.who) + id.String()
	if !w.ring {
		of += " worker"
	}
	w.mu.Lock()
	w.calls[of]++
	n := w.calls[of]
	w.mu.Unlock()
	select {
	case <-time.After(time.Duration(1 + 1e6*w.k.s.chance(of, n+uint64(w.k.number)<<32))):
	case <-ctx.Done():
		w.k.pause()
		return &kek.Silent{Op: op, Key: id, Err: ctx.Err()}
	}
	if err := w.k.act(); err != nil {
		return &kek.Silent{Op: op, Key: id, Err: err}
	}
	return nil
}

// leave is the way back.
func (w *way) leave(op string, id kek.ID, err error) error {
	if dead := w.k.act(); dead != nil {
		return &kek.Silent{Op: op, Key: id, Err: dead}
	}
	if s, ok := errors.AsType[*kek.Silent](err); ok && s.Status == 401 && planted("a 401 is a denial at once") {
		return &kek.Denied{Op: op, Key: id, Status: 401, Code: "Unauthorized"}
	}
	return err
}

func (w *way) Get(ctx context.Context, id kek.ID) (kek.Key, error) {
	if err := w.enter(ctx, "get", id); err != nil {
		return kek.Key{}, err
	}
	if w.ring {
		w.k.s.judge.looked(w.who)
	}
	key, err := w.v.Get(ctx, id)
	return key, w.leave("get", id, err)
}

func (w *way) Wrap(ctx context.Context, id kek.ID, plaintext []byte) (kek.Wrapped, error) {
	if err := w.enter(ctx, "wrap", id); err != nil {
		return kek.Wrapped{}, err
	}
	wrapped, err := w.v.Wrap(ctx, id, plaintext)
	if err = w.leave("wrap", id, err); err != nil {
		return kek.Wrapped{}, err
	}
	w.mu.Lock()
	w.own[string(wrapped.Bytes)] = true
	w.mu.Unlock()
	return wrapped, nil
}

func (w *way) Unwrap(ctx context.Context, wrapped kek.Wrapped) ([]byte, error) {
	if err := w.enter(ctx, "unwrap", wrapped.KID); err != nil {
		return nil, err
	}
	w.mu.Lock()
	q := asking{k: w.k, who: w.who, kid: wrapped.KID, wrapped: string(wrapped.Bytes), check: w.own[string(wrapped.Bytes)]}
	w.mu.Unlock()
	if w.ring {
		w.k.s.judge.asked(&q)
	}
	key, err := w.v.Unwrap(ctx, wrapped)
	told := w.leave("unwrap", wrapped.KID, err)
	if w.k.isDead() {
		return nil, told
	}
	said := Nothing
	switch {
	case err == nil && w.k.s.judge.unwrapped(w.v, wrapped, key):
		said = Yes
	case err == nil:
		said = Nonsense
	default:
		if _, ok := errors.AsType[*kek.Denied](err); ok {
			said = No
		} else if _, ok := errors.AsType[*kek.Damaged](err); ok {
			said = Nonsense
		}
	}
	if w.ring {
		w.k.s.judge.heard(q, said)
	}
	return key, told
}

var (
	_ kek.Vault = (*way)(nil)
	_ Book      = (*keeper)(nil)
	_ Workers   = (*keeper)(nil)
)
