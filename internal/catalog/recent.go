package catalog

import (
	"maps"
	"slices"
	"sync"
)

// recent remembers resources that were read, so that one which is read again
// and again is not fetched each time. What it returns is never older than the last
// commit that a caller was told of, nor than what another reader has seen.
type recent struct {
	mu         sync.RWMutex
	all        map[string]Resource   // folded id → resource
	found      map[string][]Resource // field and value → resources, while none changes
	bytes      int                   // of the bodies
	committing int
	epoch      uint64 // grows with each commit
}

// recentBytes bounds what is remembered. When it is full it begins anew.
const recentBytes = 16 << 20

func (r *recent) get(key string) (Resource, bool) {
	r.mu.RLock()
	res, ok := r.all[key]
	r.mu.RUnlock()
	res.Tags = maps.Clone(res.Tags)
	return res, ok
}

// now is to be asked before a resource is read that keep is given then.
func (r *recent) now() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.epoch
}

// keep remembers a resource that was read since the epoch, unless a commit may
// have come between.
func (r *recent) keep(key string, res Resource, since uint64) {
	res.Tags = maps.Clone(res.Tags)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room(since, key, res) {
		r.all[key] = res
	}
}

func (r *recent) search(what string) ([]Resource, bool) {
	r.mu.RLock()
	all, ok := r.found[what]
	r.mu.RUnlock()
	return apart(all), ok
}

// keepFound is keep for what a search has found.
func (r *recent) keepFound(what string, all []Resource, since uint64) {
	all = apart(all)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room(since, what, all...) {
		r.found[what] = all
	}
}

// room tells whether something may be remembered, and counts it.
func (r *recent) room(since uint64, key string, all ...Resource) bool {
	if r.committing > 0 || r.epoch != since {
		return false
	}
	if r.bytes > recentBytes || r.all == nil {
		r.all, r.found, r.bytes = map[string]Resource{}, map[string][]Resource{}, 0
	}
	r.bytes += 128 + len(key)
	for _, res := range all {
		r.bytes += 512 + len(res.Body)
	}
	return true
}

// apart gives a caller tags of his own.
func apart(all []Resource) []Resource {
	all = slices.Clone(all)
	for i := range all {
		all[i].Tags = maps.Clone(all[i].Tags)
	}
	return all
}

// forget makes way for a commit that changes resources. Call what it returns
// after the commit, whatever became of it.
func (r *recent) forget(touched []map[string]bool) (after func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.committing++
	for _, keys := range touched {
		for key := range keys {
			delete(r.all, key)
			clear(r.found)
		}
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.committing--
		r.epoch++
	}
}
