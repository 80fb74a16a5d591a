package catalog

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// recent remembers resources that were read, so that one which is read again
// and again is not fetched each time. What it returns is never older than the last
// commit that a caller was told of, nor than what another reader has seen.
type recent struct {
	mu    sync.RWMutex
	all   map[string]Resource   // folded id → resource
	found map[string][]Resource // field and value → resources, while none changes
	bytes int                   // about what these take
	turns [1024]turn            // of keys, by their hash: a commit holds up few of those that it doesn't touch
	any   turn                  // of all resources
}

// A turn tells whether what was read may have been changed since.
type turn struct {
	committing int
	epoch      uint64 // grows with each commit
}

// A reading is where a turn stood before something was read.
type reading struct {
	turn  *turn
	epoch uint64
}

// recentBytes bounds what is remembered. When it is full it begins anew.
const recentBytes = 16 << 20

var stripes = maphash.MakeSeed()

func (r *recent) turn(key string) *turn {
	return &r.turns[maphash.String(stripes, key)%uint64(len(r.turns))]
}

// get returns a resource, or what to give to keep when it has been read.
func (r *recent) get(key string) (res Resource, ok bool, now reading) {
	t := r.turn(key)
	r.mu.RLock()
	defer r.mu.RUnlock()
	res, ok = r.all[key]
	res.Tags = maps.Clone(res.Tags)
	return res, ok, reading{t, t.epoch}
}

// keep remembers a resource, unless a commit may have changed it since the reading.
func (r *recent) keep(key string, res Resource, since reading) {
	res.Tags = maps.Clone(res.Tags)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room(since, key, res) {
		r.all[key] = res
	}
}

// search is get for what a search has found.
func (r *recent) search(what string) (all []Resource, ok bool, now reading) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all, ok = r.found[what]
	return apart(all), ok, reading{&r.any, r.any.epoch}
}

// keepFound is keep for what a search has found.
func (r *recent) keepFound(what string, all []Resource, since reading) {
	all = apart(all)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room(since, what, all...) {
		r.found[what] = all
	}
}

// room tells whether something may be remembered, and counts it.
func (r *recent) room(since reading, key string, all ...Resource) bool {
	if since.turn.committing > 0 || since.turn.epoch != since.epoch {
		return false
	}
	if r.bytes > recentBytes || r.all == nil {
		r.all, r.found, r.bytes = map[string]Resource{}, map[string][]Resource{}, 0
	}
	r.bytes += weight(key, all...)
	return true
}

func weight(key string, all ...Resource) int {
	n := 128 + len(key)
	for _, res := range all {
		n += 512 + len(res.Body)
	}
	return n
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
	var held []*turn
	for _, keys := range touched {
		for key := range keys {
			if res, ok := r.all[key]; ok {
				r.bytes -= weight(key, res)
				delete(r.all, key)
			}
			held = append(held, r.turn(key))
		}
	}
	if len(held) > 0 {
		clear(r.found)
		held = append(held, &r.any)
	}
	for _, t := range held {
		t.committing++
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, t := range held {
			t.committing--
			t.epoch++
		}
	}
}
