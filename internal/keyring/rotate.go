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

// The longest that re-wrapping a cluster's keys may take: every account costs
// two calls of the vault.
const changeTimeout = 2 * time.Minute

// look asks which version is the newest, if the setting follows it, and has
// the cluster rotate to it. It is called after a yes, outside mu; one look at
// a time. Whatever fails here leaves everything as it is and is told in the
// status: the state of the key is for unwraps alone to say.
func (g *guard) look(q question) {
	g.mu.Lock()
	if g.looking || q.setting.Version != "" || g.seq != q.askers[0].seq || g.ctx.Err() != nil {
		g.mu.Unlock()
		return
	}
	g.looking = true
	g.mu.Unlock()
	g.r.done.Go(func() {
		err := g.follow(q)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.looking = false
		if g.ctx.Err() != nil {
			return
		}
		g.rotation = ""
		if err != nil {
			g.rotation = err.Error()
		}
		g.publish()
	})
}

// follow is look's work.
func (g *guard) follow(q question) error {
	ctx, cancel := context.WithTimeout(g.ctx, q.policy.Timeout)
	newest, err := q.vault.Get(ctx, q.setting)
	cancel()
	if err != nil {
		_, reason, _ := meaning(err)
		return fmt.Errorf("the newest version is not known: %s", reason)
	}
	g.mu.Lock()
	g.seen = newest
	g.mu.Unlock()
	if newest.ID == q.wrapped.KID && !g.r.behind(newest.ID) {
		g.mu.Lock()
		g.fails, g.retry = 0, time.Time{}
		g.mu.Unlock()
		return nil
	}
	stays := func(err error) error {
		return fmt.Errorf("version %s stays in use, the newest, %s, is not taken: %w", q.wrapped.KID.Version, newest.ID.Version, err)
	}
	if newest.ID != q.wrapped.KID {
		if err := kek.Usable(newest, g.r.cfg.Now()); err != nil {
			if unfit, ok := errors.AsType[*kek.Unfit](err); ok {
				return stays(errors.New(unfit.Detail))
			}
			return stays(err)
		}
	}
	g.mu.Lock()
	waits := g.r.cfg.Now().Before(g.retry)
	note := g.rotation
	g.mu.Unlock()
	if waits {
		return errors.New(note)
	}
	ctx, cancel = context.WithTimeout(g.ctx, changeTimeout)
	defer cancel()
	if newest.ID != q.wrapped.KID {
		if err := g.rotate(ctx, newest.ID); err != nil {
			g.failed(err)
			return stays(err)
		}
	}
	return g.r.rotateOthers(ctx, g, newest.ID)
}

// failed puts the next try off, longer each time, up to five minutes.
func (g *guard) failed(err error) {
	g.r.cfg.Log.Warn("key rotation failed", "cluster", string(g.id), "err", err)
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := min(g.cluster.Policy.Interval<<min(g.fails, 6), 5*time.Minute)
	g.fails++
	g.retry = g.r.cfg.Now().Add(wait)
}

// behind reports whether some other cluster's key is wrapped with an older
// version of the service's key. kid is the version in use.
func (r *Ring) behind(kid kek.ID) bool {
	s := r.guard(schema.ServiceCluster)
	if s == nil || !s.snap.Load().Setting.SameKey(kid) {
		return false
	}
	for _, g := range r.all() {
		if g != s && g.isBehind(kid) {
			return true
		}
	}
	return false
}

func (g *guard) isBehind(kid kek.ID) bool {
	s := g.snap.Load()
	if !s.State.Serves() {
		return false // its worker is dead; its turn comes when it serves again
	}
	for _, need := range s.Needs {
		if need.SameKey(kid) && need != kid {
			return true
		}
	}
	return false
}

// rotateOthers has every cluster that has keys under the service's key follow
// that key's new version.
func (r *Ring) rotateOthers(ctx context.Context, service *guard, kid kek.ID) error {
	if service.id != schema.ServiceCluster {
		return nil
	}
	var failed error
	for _, g := range r.all() {
		if g == service || !g.isBehind(kid) {
			continue
		}
		if err := g.rotate(ctx, kid); err != nil {
			service.failed(err)
			failed = fmt.Errorf("keys of cluster %s stay under an older version: %w", g.id, err)
		}
	}
	return failed
}

// rotate re-wraps with kid what is wrapped with other versions of that key.
// The old wraps are forgotten in the one transaction that keeps the new ones,
// which were unwrapped before. After a crash anywhere in it, the next look
// finds either nothing done or everything.
func (g *guard) rotate(ctx context.Context, kid kek.ID) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	defer g.finish()
	g.mu.Lock()
	page, c, broken := g.page, g.cluster, g.broken
	g.mu.Unlock()
	own := page.Setting.SameKey(kid)
	if broken != nil || (own && page.Setting.Version != "") {
		return nil // changed while we waited
	}
	var old []wrap.Record
	for _, rec := range under(page.Records, kid) {
		if rec.KID != kid {
			old = append(old, rec)
		}
	}
	if len(old) == 0 && (!own || page.Canary.KID == kid) {
		return nil
	}
	next, ask, err := g.rewrapped(ctx, c, page, kid, old)
	if err != nil {
		return err
	}
	if own {
		return g.commit(ctx, next, &ask)
	}
	next.Canary = page.Canary // another key's
	return g.commit(ctx, next, nil)
}

// begin takes the right to change the page, finish gives it back.
func (g *guard) begin(ctx context.Context) error {
	select {
	case <-g.change:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for another change of the key of cluster %s: %w", g.id, ctx.Err())
	case <-g.ctx.Done():
		return ErrUnwatched
	}
}

func (g *guard) finish() { g.change <- struct{}{} }

// rewrapped is page with the given records and the canary under kid, tested.
func (g *guard) rewrapped(ctx context.Context, c Cluster, page Page, kid kek.ID, old []wrap.Record) (Page, Ask, error) {
	fresh, canary, err := g.r.cfg.Workers.Rewrap(ctx, g.id, kid, old)
	if err != nil {
		return Page{}, Ask{}, fmt.Errorf("re-wrap with %s: %w", kid, err)
	}
	if err := checkRewrap(c, g.r.cfg.Integrity, kid, old, fresh); err != nil {
		return Page{}, Ask{}, err
	}
	ask, err := g.test(ctx, c, canary, kid)
	if err != nil {
		return Page{}, Ask{}, err
	}
	return Page{Setting: page.Setting, Records: replaced(page.Records, fresh), Canary: canary}, ask, nil
}

// test unwraps a new canary with the identity that will have to do it from
// now on, before anything that exists is forgotten.
func (g *guard) test(ctx context.Context, c Cluster, canary wrap.Canary, kid kek.ID) (Ask, error) {
	wrapped, err := canary.Open(g.r.cfg.Integrity, c.Tenant, c.ID)
	if err != nil {
		return Ask{}, err
	}
	if wrapped.KID != kid {
		return Ask{}, fmt.Errorf("%w: canary under %s, want %s", errAnswer, wrapped.KID, kid)
	}
	v, err := g.vaultFor(kid)
	if err != nil {
		return Ask{}, err
	}
	g.mu.Lock()
	ask := g.m.ask(g.r.cfg.Now())
	timeout := g.cluster.Policy.Timeout
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, err := v.Unwrap(ctx, wrapped)
	if err != nil {
		return Ask{}, fmt.Errorf("test the new canary: %w", err)
	}
	defer clear(value)
	if !canary.Matches(value) {
		return Ask{}, fmt.Errorf("test the new canary: %w", wrap.ErrMismatch)
	}
	return ask, nil
}

// vaultFor gives the vault of a key, as the service's identity sees it if it
// is the service's key.
func (g *guard) vaultFor(kid kek.ID) (kek.Vault, error) {
	by := g
	if s := g.r.guard(schema.ServiceCluster); s != nil && s.snap.Load().Setting.SameKey(kid) {
		by = s
	}
	by.mu.Lock()
	defer by.mu.Unlock()
	return by.vault(kid.VaultURI)
}

// commit makes next durable, then current. If the new canary was tested by
// ask, that is the first proof of the key that is now in use.
func (g *guard) commit(ctx context.Context, next Page, ask *Ask) error {
	g.mu.Lock()
	next.Records = of(g.cluster.Accounts, next.Records) // some may have gone since the change began
	g.mu.Unlock()
	if err := g.r.cfg.Book.Save(ctx, g.id, next); err != nil {
		return fmt.Errorf("save wrap records of cluster %s: %w", g.id, err)
	}
	g.mu.Lock()
	if g.ctx.Err() != nil {
		g.mu.Unlock()
		return ErrUnwatched
	}
	other := next.Canary.KID != g.page.Canary.KID
	g.install(next)
	if ask != nil && g.broken == nil {
		if other {
			g.m.Proven = time.Time{} // what another version proved says nothing of this one
		}
		g.apply(Event{At: g.r.cfg.Now(), Ask: *ask, Said: Yes})
	}
	g.bound()
	g.mu.Unlock()
	g.kick(false)
	if err := g.r.cfg.Workers.Adopt(ctx, g.id, next); err != nil {
		// The page is what counts: a worker that did not hear of it goes on
		// with keys that it has, and its successor starts from the page.
		g.r.cfg.Log.Warn("worker did not adopt new wrap records", "cluster", string(g.id), "err", err)
	}
	return nil
}
