package keyring

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
)

// The least time between two questions to a vault about one key.
const gap = 250 * time.Millisecond

// guard is one cluster under watch: its machine, what drives it, and its page.
// Everything that blocks happens outside mu; Workers.Renew and Revoke are
// called under it, so that they come in the order of the states.
type guard struct {
	r      *Ring
	id     schema.ClusterID
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // run has something to look at
	change chan struct{} // holds one token: who has it may change the page
	snap   atomic.Pointer[Status]
	heard  chan struct{} // closed by the first answer since the watch began
	first  sync.Once

	mu      sync.Mutex
	cluster Cluster
	page    Page
	seq     int // counts pages and identities; an answer about an older one is void
	wrapped kek.Wrapped
	broken  error    // why page must not be used; nil if every record verifies
	needs   []kek.ID // every version that a record of page names
	vaults  map[string]kek.Vault
	m       Machine

	probing  bool // a question is on its way
	again    bool // something changed since it was sent
	sent     time.Time
	next     time.Time // when to ask again
	misses   int       // questions in a row that got no answer
	looking  bool      // a look for a newer version is under way
	rotation string    // why the newest version is not in use
	seen     kek.Key   // the newest version, when it was looked at last
	retry    time.Time // when to try the next rotation
	fails    int       // rotations in a row that failed
	noted    State     // what the book knows
	noting   bool
	noteAt   time.Time
}

func newGuard(r *Ring, c Cluster, page Page, v Verdict) *guard {
	g := &guard{
		r: r, id: c.ID, cluster: c, vaults: map[string]kek.Vault{},
		wake: make(chan struct{}, 1), change: make(chan struct{}, 1), heard: make(chan struct{}),
	}
	g.change <- struct{}{}
	g.ctx, g.cancel = context.WithCancel(r.ctx)
	now := r.cfg.Now()
	g.next = now
	g.m = newMachine(now, v)
	g.noted = v.State
	g.mu.Lock()
	defer g.mu.Unlock()
	g.install(page)
	return g
}

// install makes page the one in use. If its canary is another one, whatever
// was asked about the one before is void. The caller holds mu.
func (g *guard) install(page Page) {
	if g.broken != nil || page.Setting.IsZero() != g.page.Setting.IsZero() || !bytes.Equal(page.Canary.Wrapped, g.page.Canary.Wrapped) {
		g.seq++
	}
	g.page = page
	g.wrapped, g.broken = g.check(page)
	g.needs = versions(page)
	if g.broken != nil {
		g.seq++
		g.apply(Event{At: g.r.cfg.Now(), Said: Nonsense, Reason: g.broken.Error()})
		return
	}
	g.publish()
}

// check verifies a page of the cluster. The caller holds mu.
func (g *guard) check(page Page) (kek.Wrapped, error) {
	var service kek.ID
	if s := g.r.guard(schema.ServiceCluster); s != nil && g.id != schema.ServiceCluster {
		service = s.snap.Load().Setting
	}
	return checkPage(g.cluster, page, service, g.r.cfg.Integrity)
}

// update takes over what changed about the cluster. Records of accounts that it
// has no more are forgotten: a page with them could not be saved again.
func (g *guard) update(c Cluster) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.Identity != g.cluster.Identity || c.Tenant != g.cluster.Tenant {
		for _, v := range g.vaults {
			if closer, ok := v.(interface{ Close() }); ok {
				closer.Close()
			}
		}
		clear(g.vaults)
		g.seq++
	}
	g.cluster = c
	g.page.Records = of(c.Accounts, g.page.Records)
	g.needs = versions(g.page)
	g.bound()
	if c.Identity == "" && !g.page.Setting.IsZero() {
		g.apply(Event{At: g.r.cfg.Now(), Said: No, Reason: reasonNoIdentity})
	}
	g.soon()
}

func (g *guard) forget() {
	g.cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	g.m, _ = g.m.stop(Unknown, Event{At: g.r.cfg.Now(), Reason: "the cluster is not watched any more"})
	g.publish()
	g.r.cfg.Workers.Revoke(g.id, *g.snap.Load())
}

// follows reports whether the cluster goes by the service's key. The caller
// holds mu.
func (g *guard) follows() bool { return g.page.Setting.IsZero() }

// probes reports whether the guard has something of its own to look after: a
// key to ask about, or a page to read again. The caller holds mu.
func (g *guard) probes() bool { return !g.follows() || g.broken != nil }

// policy is what bounds the cluster: its own, or the service's whose probes it
// lives by. The caller holds mu.
func (g *guard) policy() Policy {
	if g.follows() && g.id != schema.ServiceCluster {
		if s := g.r.guard(schema.ServiceCluster); s != nil {
			return s.ownPolicy()
		}
	}
	return g.cluster.Policy
}

func (g *guard) ownPolicy() Policy {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cluster.Policy
}

// vault gives the vault at uri as the cluster sees it. The caller holds mu.
func (g *guard) vault(uri string) (kek.Vault, error) {
	if v := g.vaults[uri]; v != nil {
		return v, nil
	}
	v, err := g.r.cfg.Open(g.cluster, uri)
	if err != nil {
		return nil, err
	}
	g.vaults[uri] = v
	return v, nil
}

// take makes m the machine and has the workers obey. The status is published
// before they are told, so what they read is the new state. The caller holds mu.
func (g *guard) take(m Machine, effect Effect) {
	g.m = m
	g.publish()
	if effect.Revoke {
		g.r.cfg.Workers.Revoke(g.id, *g.snap.Load())
	}
	if !effect.Renew.IsZero() {
		g.r.cfg.Workers.Renew(g.id, effect.Renew)
	}
}

// bound brings a lease that another policy gave within the one that holds now.
// The caller holds mu.
func (g *guard) bound() {
	m, effect := g.m.bounded(g.policy(), g.r.cfg.Now())
	g.take(m, effect)
}

// apply is the one way for the machine to move to another state. The caller
// holds mu.
func (g *guard) apply(e Event) {
	was := g.m.State
	m, effect := step(g.m, g.policy(), e)
	g.take(m, effect)
	if e.Said != Nothing || e.Ask != (Ask{}) {
		g.first.Do(func() { close(g.heard) })
	}
	if m.State != was {
		g.r.cfg.Log.Info("key state", "cluster", string(g.id), "was", was.String(), "is", m.State.String(), "reason", m.Reason)
		if g.r.cfg.Observe != nil {
			g.r.cfg.Observe.Moved(was, *g.snap.Load())
		}
		if m.State == Unreachable {
			g.soon() // a late answer counts for the old epoch: ask anew
		}
		g.poke()
	}
}

// hear is apply for an answer to a question of ask.
func (g *guard) hear(seq int, e Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if seq == g.seq && g.ctx.Err() == nil {
		g.apply(e)
	}
}

// publish makes the status that others read. The caller holds mu.
func (g *guard) publish() {
	s := &Status{
		Cluster: g.id, State: g.m.State, Since: g.m.Since, Reason: g.m.Reason, LastUnwrap: g.m.Proven,
		Setting: g.page.Setting, Version: g.page.Canary.KID, Rotation: g.rotation, Needs: g.needs, Epoch: g.m.Epoch, Until: g.m.Until,
	}
	if g.probes() {
		s.NextProbe = g.next
	}
	if g.seen.ID == s.Version {
		s.Expires = g.seen.Expires
	}
	g.snap.Store(s)
}

// poke wakes run.
func (g *guard) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// soon asks at once, or as soon as the question under way is answered and the
// gap is over. The caller holds mu.
func (g *guard) soon() {
	g.again = g.probing
	g.next = g.r.cfg.Now()
	if early := g.sent.Add(gap); !g.sent.IsZero() && g.next.Before(early) {
		g.next = early
	}
	g.poke()
}

// kick has the key asked about at once; changed says that it may have got a
// new version, so a rotation that failed is tried again too.
func (g *guard) kick(changed bool) {
	g.mu.Lock()
	follows := g.follows() && g.id != schema.ServiceCluster
	if changed {
		g.retry, g.fails = time.Time{}, 0
	}
	if !follows {
		g.soon()
	}
	g.mu.Unlock()
	if follows {
		if s := g.r.guard(schema.ServiceCluster); s != nil {
			s.kick(false)
		}
	}
}

// notice is Ring.Notice for one cluster.
func (g *guard) notice(vaultURI, key string) {
	g.mu.Lock()
	s := g.page.Setting
	g.mu.Unlock()
	if s.IsZero() || (vaultURI != "" && host(s.VaultURI) != host(vaultURI)) || (key != "" && s.Name != key) {
		return
	}
	g.kick(true)
}

// host is a vault's without the port: the same vault may be known by another
// one, or none. To ask once too often does no harm.
func host(vaultURI string) string {
	scheme, rest, _ := strings.Cut(vaultURI, "://")
	name, _, _ := strings.Cut(rest, ":")
	return scheme + "://" + name
}

// run is the guard's clock.
func (g *guard) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(g.turn())
		select {
		case <-g.ctx.Done():
			return
		case <-timer.C:
		case <-g.wake:
		}
	}
}

// turn does what is due and tells how long nothing more will be.
func (g *guard) turn() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.r.cfg.Now()
	if g.ctx.Err() != nil {
		return time.Hour
	}
	g.apply(Event{At: now})
	if g.probes() && !g.probing && !g.next.After(now) {
		g.probe(now)
	}
	g.note(now)
	due := now.Add(time.Hour)
	earlier := func(t time.Time) {
		if t.Before(due) {
			due = t
		}
	}
	if g.probes() && !g.probing {
		earlier(g.next)
	}
	if g.m.State.Serves() {
		earlier(g.m.Until)
	}
	if g.m.State == Riding {
		earlier(now.Add(g.policy().Lease / 3))
		earlier(g.m.end(g.policy()))
	}
	if g.m.State != g.noted && !g.noting {
		earlier(g.noteAt)
	}
	return max(due.Sub(now), time.Millisecond)
}

// note has the book remember a change of state. The caller holds mu.
func (g *guard) note(now time.Time) {
	if g.m.State == g.noted || g.noting || now.Before(g.noteAt) {
		return
	}
	v := Verdict{State: g.m.State, Since: g.m.Since, Reason: g.m.Reason, Epoch: g.m.Epoch}
	g.noting = true
	g.r.done.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
		err := g.r.cfg.Book.Note(ctx, g.id, v)
		cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.noting = false
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				g.r.cfg.Log.Error("key state not recorded", "cluster", string(g.id), "err", err)
			}
			g.noteAt = g.r.cfg.Now().Add(5 * time.Second)
		} else {
			g.noted = v.State
		}
		g.poke()
	})
}
