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

// SetKey puts a cluster under key; without version, under its newest one from
// now on. It answers when that is durable. The errors are kek.Check's (*Unfit,
// *Silent), ErrNoIdentity, ErrUnwatched, and *Unavailable where the keys of
// now are needed and can't be had.
//
// A cluster that had no key of its own gets a new generation under key; older
// generations stay under the service's. A cluster that had one has what was
// under it re-wrapped, which takes both keys working.
//
// SetKey can be repeated after a crash: what is done is not done twice.
func (r *Ring) SetKey(ctx context.Context, id schema.ClusterID, key kek.ID) error {
	g, ctx, done, err := r.alone(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	g.mu.Lock()
	page, c, broken := g.page, g.cluster, g.broken
	g.mu.Unlock()
	switch {
	case broken != nil:
		return &Unavailable{Status: r.Status(id)}
	case page.Setting == key:
		return nil
	case c.Identity == "":
		return ErrNoIdentity
	}
	if s := r.guard(schema.ServiceCluster); id != schema.ServiceCluster && s != nil && s.snap.Load().Setting.SameKey(key) {
		return &kek.Unfit{Key: key, Why: kek.Unreadable, Detail: "it is the service's own"}
	}
	g.mu.Lock()
	v, err := g.vault(key.VaultURI)
	ask := g.m.ask(r.cfg.Now())
	g.mu.Unlock()
	if err != nil {
		return fmt.Errorf("set key of cluster %s: %w", id, err)
	}
	checked, err := kek.Check(ctx, v, key, r.cfg.Now)
	if err != nil {
		return err
	}
	kid := checked.Key.ID
	switch {
	case page.Setting.IsZero() && id == schema.ServiceCluster:
		// The first key of all: nothing else can give the worker that makes
		// the first records a lease.
		ask.Sent = checked.Sent
		g.mu.Lock()
		g.apply(Event{At: r.cfg.Now(), Ask: ask, Said: Yes})
		g.mu.Unlock()
		return g.firstKey(ctx, c, page, key, kid)
	case page.Setting.IsZero():
		return g.firstKey(ctx, c, page, key, kid)
	case page.Canary.KID == kid:
		next := page
		next.Setting = key
		return g.commit(ctx, next, nil)
	}
	if err := g.serving(ctx); err != nil {
		return err
	}
	next, tested, err := g.rewrapped(ctx, c, page, kid, under(page.Records, page.Canary.KID))
	if err != nil {
		return err
	}
	next.Setting = key
	return g.commit(ctx, next, &tested)
}

// alone gives the cluster's guard to one change of its page at a time, and the
// change its time. done ends it.
func (r *Ring) alone(ctx context.Context, id schema.ClusterID) (g *guard, limited context.Context, done func(), err error) {
	if g = r.guard(id); g == nil {
		return nil, nil, nil, ErrUnwatched
	}
	if err := g.begin(ctx); err != nil {
		return nil, nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, changeTimeout)
	return g, limited, func() { cancel(); g.finish() }, nil
}

// firstKey starts a new generation of every account under kid.
func (g *guard) firstKey(ctx context.Context, c Cluster, page Page, key, kid kek.ID) error {
	if err := g.serving(ctx); err != nil {
		return err
	}
	fresh, canary, err := g.generate(ctx, c, page, kid, c.Accounts)
	if err != nil {
		return fmt.Errorf("new generation under %s: %w", kid, err)
	}
	ask, err := g.test(ctx, c, canary, kid)
	if err != nil {
		return err
	}
	return g.commit(ctx, Page{Setting: key, Records: append(page.Records[:len(page.Records):len(page.Records)], fresh...), Canary: canary}, &ask)
}

// generate has new keys made for accounts of page. Infrastructure keys are
// the service's, whatever the customer's key is.
func (g *guard) generate(ctx context.Context, c Cluster, page Page, kid kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error) {
	var outer kek.ID
	if c.DoubleEncryption && len(without(accounts, page.Records)) > 0 {
		s := g.r.Status(schema.ServiceCluster)
		if outer = s.Version; outer.IsZero() {
			return nil, wrap.Canary{}, &Unavailable{Status: s}
		}
	}
	fresh, canary, err := g.r.cfg.Workers.NewGeneration(ctx, g.id, kid, outer, accounts)
	if err != nil {
		return nil, wrap.Canary{}, err
	}
	return fresh, canary, checkNew(c, g.r.cfg.Integrity, kid, outer, accounts, page.Records, fresh)
}

// ClearKey gives a cluster back to the service's key: what is under its own is
// re-wrapped, while that still works. It never happens by itself.
func (r *Ring) ClearKey(ctx context.Context, id schema.ClusterID) error {
	g, s := r.guard(id), r.guard(schema.ServiceCluster)
	if g == nil || s == nil {
		return ErrUnwatched
	}
	if g == s {
		return errors.New("internal error: the service's key can be changed, not cleared")
	}
	if err := g.begin(ctx); err != nil {
		return err
	}
	defer g.finish()
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	g.mu.Lock()
	page, c := g.page, g.cluster
	g.mu.Unlock()
	if page.Setting.IsZero() {
		return nil
	}
	if err := errors.Join(g.serving(ctx), s.serving(ctx)); err != nil {
		return err
	}
	next, ask, err := g.rewrapped(ctx, c, page, s.snap.Load().Version, under(page.Records, page.Canary.KID))
	if err != nil {
		return err
	}
	return g.commit(ctx, Page{Records: next.Records}, &ask)
}

// Embrace puts a cluster's older generations, which the service's key covers
// since before the cluster had a key of its own, under that key, too; then
// nothing here opens them with the service's key any more. Infrastructure keys
// stay the service's. Without a key of its own there is nothing to do. It can
// be repeated.
func (r *Ring) Embrace(ctx context.Context, id schema.ClusterID) error {
	g, ctx, done, err := r.alone(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	g.mu.Lock()
	page, c, broken := g.page, g.cluster, g.broken
	g.mu.Unlock()
	if broken != nil {
		return &Unavailable{Status: r.Status(id)}
	}
	if page.Setting.IsZero() || id == schema.ServiceCluster {
		return nil
	}
	kid := page.Canary.KID
	var old []wrap.Record
	for _, rec := range page.Records {
		if rec.Layer != wrap.Outer && !rec.KID.SameKey(kid) {
			old = append(old, rec)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := g.serving(ctx); err != nil {
		return err
	}
	next, ask, err := g.rewrapped(ctx, c, page, kid, old)
	if err != nil {
		return err
	}
	return g.commit(ctx, next, &ask)
}

// Cover makes the first generation of every account that the cluster has and
// that has none yet, under the key of now. It can be repeated.
func (r *Ring) Cover(ctx context.Context, id schema.ClusterID) error {
	g, ctx, done, err := r.alone(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	g.mu.Lock()
	page, c := g.page, g.cluster
	g.mu.Unlock()
	missing := without(c.Accounts, page.Records)
	if len(missing) == 0 {
		return nil
	}
	kid := page.Canary.KID
	if page.Setting.IsZero() {
		s := r.Status(schema.ServiceCluster)
		if s.Version.IsZero() {
			return &Unavailable{Status: s}
		}
		kid = s.Version
	}
	if err := g.serving(ctx); err != nil {
		return err
	}
	fresh, _, err := g.generate(ctx, c, page, kid, missing)
	if err != nil {
		return fmt.Errorf("cover accounts of cluster %s: %w", id, err)
	}
	next := page
	next.Records = append(page.Records[:len(page.Records):len(page.Records)], fresh...)
	return g.commit(ctx, next, nil)
}

// serving reports as *Unavailable that workers may not live now. Right after
// the beginning of a watch it waits for the first answer.
func (g *guard) serving(ctx context.Context) error {
	g.mu.Lock()
	wait := time.NewTimer(g.policy().Timeout + gap)
	g.mu.Unlock()
	defer wait.Stop()
	select {
	case <-g.heard:
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := g.r.Lease(g.id)
	return err
}
