package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

const reasonNoIdentity = "the cluster's identity is None, so nothing may use its key; this is not undone by an update"

// question is a probe on its way, and everybody who goes by the answer.
type question struct {
	cluster Cluster
	setting kek.ID
	wrapped kek.Wrapped
	canary  wrap.Canary
	vault   kek.Vault
	broken  error
	err     error // there is no vault to ask
	policy  Policy
	askers  []asker
}

type asker struct {
	g   *guard
	seq int
	ask Ask
}

// probe sends a question. The caller holds mu, and no question is on its way.
func (g *guard) probe(now time.Time) {
	q := question{
		cluster: g.cluster, setting: g.page.Setting, wrapped: g.wrapped, canary: g.page.Canary, broken: g.broken,
		policy: g.cluster.Policy, askers: []asker{{g, g.seq, g.m.ask(now)}},
	}
	if q.broken == nil {
		q.vault, q.err = g.vault(g.page.Setting.VaultURI)
	}
	g.probing, g.again = true, false
	g.sent, g.next = now, now.Add(q.policy.Interval)
	g.r.done.Go(func() {
		if g.id == schema.ServiceCluster {
			q.askers = append(q.askers, g.followers(now)...)
		}
		g.ask(q)
	})
}

// followers are the clusters that go by the service's key, with questions of
// their own. The answer is sent for after this, so it counts for them.
func (g *guard) followers(now time.Time) (out []asker) {
	for _, f := range g.r.all() {
		if f == g {
			continue
		}
		f.mu.Lock()
		if f.follows() && f.broken == nil {
			out = append(out, asker{f, f.seq, f.m.ask(now)})
		}
		f.mu.Unlock()
	}
	return out
}

// ask puts the question to the vault and tells everybody the answer.
func (g *guard) ask(q question) {
	if q.broken != nil {
		g.reread(q)
		return
	}
	ctx, cancel := context.WithTimeout(g.ctx, q.policy.Timeout)
	began := g.r.cfg.Now()
	said, reason, wish := q.put(ctx)
	cancel()
	if g.ctx.Err() != nil {
		return // what was cut off by the end of the watch says nothing
	}
	if g.r.cfg.Observe != nil && q.vault != nil && q.cluster.Identity != "" {
		g.r.cfg.Observe.Probed(g.id, said, g.r.cfg.Now().Sub(began))
	}
	for _, a := range q.askers {
		a.g.hear(a.seq, Event{At: g.r.cfg.Now(), Ask: a.ask, Said: said, Reason: reason})
	}
	g.answered(said, wish)
	if said == Yes {
		g.look(q)
	}
}

// put asks the vault.
func (q *question) put(ctx context.Context) (said Said, reason string, wish time.Duration) {
	if q.cluster.Identity == "" {
		return No, reasonNoIdentity, 0
	}
	if q.err != nil {
		return Nothing, "no way to the vault: " + q.err.Error(), 0
	}
	value, err := q.vault.Unwrap(ctx, q.wrapped)
	if err == nil {
		defer clear(value)
		if !q.canary.Matches(value) {
			return Nonsense, fmt.Sprintf("the vault unwrapped the canary with %s to something else", q.wrapped.KID), 0
		}
		return Yes, "", 0
	}
	return meaning(err)
}

// meaning reads a vault's error. One of no known type is silence: a denial is
// never guessed.
func meaning(err error) (Said, string, time.Duration) {
	if denied, ok := errors.AsType[*kek.Denied](err); ok {
		return No, "the vault denied: " + denied.Answer(), 0
	}
	if damaged, ok := errors.AsType[*kek.Damaged](err); ok {
		return Nonsense, "the vault did not take the wrap: " + damaged.Answer(), 0
	}
	if silent, ok := errors.AsType[*kek.Silent](err); ok {
		return Nothing, "the vault is silent: " + silent.Answer(), silent.RetryAfter
	}
	return Nothing, "the vault is silent: " + err.Error(), 0
}

// answered plans the next question.
func (g *guard) answered(said Said, wish time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	if said != Nothing {
		g.misses = 0
	} else {
		g.misses++
	}
	if g.again {
		g.again = false
		g.soon()
		return
	}
	g.next = g.sent.Add(backoff(g.cluster.Policy.Interval, g.misses, wish, g.r.cfg.Jitter()))
	g.publish()
	g.poke()
}

// backoff is the time from one question to the next after a number of misses.
// The first miss changes nothing, since a lease allows for one lost probe;
// then the time doubles up to a minute, less up to a quarter so that clusters
// don't come back all at once. The vault's own wish is heard within the same
// bound: it must not be able to keep a cluster from seeing it recover.
func backoff(interval time.Duration, misses int, wish time.Duration, jitter float64) time.Duration {
	d := interval
	for i := 1; i < misses && d < MaxInterval; i++ {
		d *= 2
	}
	d = min(d, MaxInterval)
	d -= time.Duration(float64(d-interval) * jitter / 4)
	return max(d, min(wish, MaxInterval))
}

// reread looks whether a page that does not verify has been repaired. No
// vault is asked about it before.
func (g *guard) reread(q question) {
	ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
	page, _, err := g.r.cfg.Book.Load(ctx, g.id)
	cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	if g.ctx.Err() == nil && err == nil && g.seq == q.askers[0].seq {
		if _, bad := g.check(page); bad == nil {
			g.install(page)
			g.soon()
		}
	}
	g.poke()
}
