package domain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cache"
	"logkeep/internal/bucket/courier"
	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/inventory"
	"logkeep/internal/metrics"
	"logkeep/internal/schema"
	"logkeep/internal/supervise"
	"logkeep/internal/worker/wire"
)

// A Storage is where accounts' segments and journals lie, if it is not the data
// directory (design 0035).
type Storage struct {
	Where  string        // for people
	Bucket bucket.Bucket // all accounts
	Cache  *cache.Cache  // in front of Bucket
}

// Objects implements supervise.Host: it serves one process the objects of the
// accounts that it may open. nil: they lie on the disk.
func (d *Domains) Objects(h supervise.Holding) http.Handler {
	s := d.cfg.Storage
	if s == nil {
		return nil
	}
	// The rooms are those of the process's start: when a key is denied they end
	// with it, and what comes late from it goes past the cache.
	rooms := map[schema.ClusterID]*cache.Room{}
	for _, c := range append([]schema.ClusterID{schema.ServiceCluster}, h.Clusters...) {
		room, err := s.Cache.Room(string(c))
		if err != nil {
			d.cfg.Log.Warn("the cache can't be used; everything comes from the bucket", "error", err.Error())
			continue
		}
		rooms[c] = room
	}
	return courier.Handler(func(ctx context.Context, id schema.AccountID, change bool) (bucket.Bucket, error) {
		a, err := d.cfg.Catalog.Account(ctx, id)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			return nil, fmt.Errorf("account %s: %w: there is none", id, bucket.ErrRefused)
		case err != nil:
			return nil, err
		case !h.May(supervise.Located{Domain: a.Domain, Account: id}) || change && h.Reads:
			return nil, fmt.Errorf("account %s: %w this process", id, bucket.ErrRefused)
		}
		room := rooms[a.Domain]
		switch {
		case room == nil:
			return s.Bucket, nil
		case h.Reads:
			return room.Reader(), nil
		}
		return room, nil
	})
}

// forgetCache removes what the cache has of a key domain. It returns at once: the
// key is gone then, and the files follow.
func (d *Domains) forgetCache(cluster schema.ClusterID) {
	s := d.cfg.Storage
	if s == nil {
		return
	}
	gone := []string{string(cluster)}
	if cluster == schema.ServiceCluster { // every process lives on the service's key
		gone = s.Cache.Domains()
	}
	for _, domain := range gone {
		remove := s.Cache.Darken(domain)
		d.mu.Lock()
		if d.dark == nil {
			d.dark = map[schema.ClusterID][]schema.ClusterID{}
		}
		if of := schema.ClusterID(domain); !slices.Contains(d.dark[of], cluster) {
			d.dark[of] = append(d.dark[of], cluster)
		}
		d.mu.Unlock()
		d.imports.Go(func() {
			f, err := remove()
			if err != nil {
				d.cfg.Log.Error("a hot cache was not removed", "error", err.Error())
				return
			}
			d.mu.Lock()
			d.cacheForgot = f.Took
			d.mu.Unlock()
			d.cfg.Log.Info("the hot cache of a key domain was removed", "for", domain, "files", f.Files, "bytes", f.Bytes, "took", f.Took.Round(time.Microsecond))
		})
	}
}

// lightCache brings back what forgetCache took, when every key is back that it was
// taken for: a domain may be asked for long before anybody writes to it. It returns
// at once.
func (d *Domains) lightCache(cluster schema.ClusterID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for domain, denied := range d.dark {
		denied = slices.DeleteFunc(denied, func(c schema.ClusterID) bool { return c == cluster })
		if d.dark[domain] = denied; len(denied) > 0 {
			continue
		}
		delete(d.dark, domain)
		// It is this room that is filled, or none: if the key is denied again meanwhile,
		// the room ends with it.
		room, err := d.cfg.Storage.Cache.Room(string(domain))
		if err != nil {
			continue
		}
		d.imports.Go(func() {
			accounts, err := d.accountsOf(d.importing, domain)
			if err == nil {
				d.fillRoom(room, domain, accounts)
			} else if d.importing.Err() == nil {
				d.cfg.Log.Warn("the hot cache was not filled", "cluster", d.name(domain), "error", err.Error())
			}
		})
	}
}

// accountsOf is what a key domain's processes would be told of its accounts.
func (d *Domains) accountsOf(ctx context.Context, domain schema.ClusterID) (out []wire.Account, err error) {
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		accounts, err := tx.Accounts(ctx, domain)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			w, covered, err := d.describe(ctx, tx, a)
			if err != nil {
				return err
			}
			if covered {
				out = append(out, w)
			}
		}
		return nil
	})
	return out, err
}

// fillCache fills the hot cache of a key domain whose writer starts. It returns at once.
func (d *Domains) fillCache(domain schema.ClusterID, accounts []wire.Account) {
	if s := d.cfg.Storage; s != nil {
		if room, err := s.Cache.Room(string(domain)); err == nil {
			d.imports.Go(func() { d.fillRoom(room, domain, accounts) })
		}
	}
}

// fillRoom brings the segments of the last days into the cache, newest first.
func (d *Domains) fillRoom(room *cache.Room, domain schema.ClusterID, accounts []wire.Account) {
	var fresh []wire.Segment
	of := map[schema.SegmentID]schema.AccountID{}
	since := schema.TicksOf(time.Now().Add(-cache.DefaultAge))
	for _, a := range accounts {
		all, err := a.Manifest.Segments()
		if err != nil {
			return // the worker says so
		}
		for _, g := range all {
			if g.MaxTime >= since {
				fresh, of[g.ID] = append(fresh, g), a.ID
			}
		}
	}
	slices.SortFunc(fresh, func(x, y wire.Segment) int { return cmp.Compare(y.MaxTime, x.MaxTime) })
	objects := make([]bucket.Info, len(fresh))
	for i, g := range fresh {
		objects[i] = bucket.Info{Name: string(of[g.ID]) + "/objects/" + string(g.ID), Size: g.Bytes}
	}
	filled, err := room.Fill(d.importing, objects)
	if err != nil && d.importing.Err() == nil {
		d.cfg.Log.Warn("the hot cache was not filled to the end", "cluster", d.name(domain), "error", err.Error())
	} else if filled > 0 {
		d.cfg.Log.Info("the hot cache of a key domain was filled", "cluster", d.name(domain), "bytes", filled)
	}
}

// files lists the sealed files of an account, wherever they lie.
func (d *Domains) files(ctx context.Context, a catalog.Account) ([]inventory.File, error) {
	files, err := inventory.Account(inventory.Of(d.cfg.Accounts, a.Domain, a.ID)) // the spool is on the disk
	if err != nil || d.cfg.Storage == nil {
		return files, err
	}
	view := bucket.View(d.cfg.Storage.Bucket, string(a.ID))
	objects, err := view.List("objects")
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		files = append(files, inventory.File{Kind: inventory.Segment, Name: o.Name, Bytes: o.Size})
	}
	journals, err := view.List("journal")
	if err != nil {
		return nil, err
	}
	for _, j := range journals {
		f, err := view.Open("journal/" + j.Name)
		if err != nil {
			return nil, err
		}
		var head [inventory.JournalHead]byte
		if _, err := f.ReadAt(head[:], 0); err != nil {
			if bucket.Gone(err) {
				continue // flushed meanwhile
			}
			return nil, err
		}
		generation, err := inventory.GenerationOf(j.Name, head)
		if err != nil {
			return nil, err
		}
		files = append(files, inventory.File{Kind: inventory.Journal, Name: j.Name, Bytes: j.Size, Generation: generation})
	}
	return files, ctx.Err()
}

// keepAside moves objects, as they are, to ACCOUNT/aside/ID.
func (s *Storage) keepAside(ctx context.Context, id schema.AccountID, segments []catalog.Segment) error {
	for _, g := range segments {
		name := string(id) + "/objects/" + string(g.ID)
		s.Cache.Leave(name)
		size, err := s.Bucket.Size(ctx, name)
		if bucket.Gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.copyAside(ctx, id, bucket.Info{Name: name, Size: size}, string(g.ID)); err != nil {
			return err
		}
		if err := s.Bucket.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// lies tells where segments and journals are, and what the local disk has of them.
func (d *Domains) lies() (string, control.HotCache) {
	s := d.cfg.Storage
	if s == nil {
		return "file://" + d.cfg.Accounts, control.HotCache{Why: "segments and journals lie on the local disk themselves"}
	}
	st := s.Cache.Stats()
	return s.Where, control.HotCache{Present: true, Files: st.Files, Bytes: st.Bytes, Limit: s.Cache.Limit()}
}

// eraseObjects removes all that the bucket has of an account.
func (d *Domains) eraseObjects(ctx context.Context, id schema.AccountID) error {
	s := d.cfg.Storage
	if s == nil {
		return nil
	}
	s.Cache.Leave(string(id) + "/")
	all, err := s.Bucket.List(ctx, string(id)+"/")
	if err != nil {
		return err
	}
	for _, o := range slices.Backward(all) {
		if err := s.Bucket.Remove(ctx, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// cacheGauges adds what the cache does.
func (d *Domains) cacheGauges(s *metrics.Set) {
	if d.cfg.Storage == nil {
		return
	}
	stats := func(name, help string, of func(cache.Stats) float64) {
		s.Gauge(name, help, nil, func(set func(float64, ...string)) { set(of(d.cfg.Storage.Cache.Stats())) })
	}
	stats("logkeep_cache_bytes", "What the hot cache takes on the disk.", func(c cache.Stats) float64 { return float64(c.Bytes) })
	stats("logkeep_cache_files", "Files of the hot cache.", func(c cache.Stats) float64 { return float64(c.Files) })
	stats("logkeep_cache_hits", "Pieces of objects that were read from the hot cache, since the start.", func(c cache.Stats) float64 { return float64(c.Hits) })
	stats("logkeep_cache_misses", "Pieces of objects that were fetched from the bucket, since the start.", func(c cache.Stats) float64 { return float64(c.Misses) })
	s.Gauge("logkeep_cache_forget_seconds", "How long the last removal of a key domain's hot cache took, after its key was denied.", nil, func(set func(float64, ...string)) {
		d.mu.RLock()
		defer d.mu.RUnlock()
		set(d.cacheForgot.Seconds())
	})
}
