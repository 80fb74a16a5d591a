// Package cache keeps pieces of objects on the local disk, so that what was
// written or read lately is not fetched from the bucket again (design/0035,
// decisions 18).
//
// # Contract
//
// A Room is a bucket.Bucket in front of another: it answers as that one does,
// since objects don't change. Each key domain has a Room and each Room has a key,
// which is in the memory of this process and nowhere else. Forget ends a Room: its
// key is gone when Forget returns, and so are its files, but for those whose
// removal failed; those can't be read any more either. Who still has the Room goes
// on past the cache. A cache that is opened is empty.
//
// Pieces are kept as long as they were written or read within Age, and beyond
// Bytes the one that was used longest ago goes first. A piece that can't be
// read, or was changed, is fetched again.
//
// # On disk
//
//	DIR/ROOM/PIECE    nonce(12) AES-256-GCM(at most 1 MiB of an object)
//
// bound to the object's name and the piece's number. ROOM is random, PIECE is a
// number. Files are not synced: after a crash nobody has the key.
package cache

import (
	"container/list"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"logkeep/internal/bucket"
)

// DefaultAge is how long what was written or read stays.
const DefaultAge = 14 * 24 * time.Hour

// pieceSize is how much of an object is one file.
const pieceSize = 1 << 20

// A Config says where a cache is.
type Config struct {
	Bucket bucket.Bucket
	Dir    string // made, and emptied
	Bytes  int64  // that files may take
	Age    time.Duration
	Log    *slog.Logger
}

// A Cache has the Rooms of all key domains. It is safe for concurrent use.
type Cache struct {
	cfg Config

	mu           sync.Mutex
	rooms        map[string]*Room
	used         *list.List // of *piece: the one used last is in front
	bytes        int64
	next         uint64 // number of the next file
	hits, misses uint64
}

// A piece is one file.
type piece struct {
	room *Room
	of   place
	file string
	size int64 // of the file
	last time.Time
	at   *list.Element
}

// A place is which piece of which object.
type place struct {
	object string
	number int64
}

// Open empties the folder and begins a cache in it.
func Open(cfg Config) (*Cache, error) {
	if cfg.Age == 0 {
		cfg.Age = DefaultAge
	}
	if err := os.RemoveAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("empty the cache: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the cache: %w", err)
	}
	return &Cache{cfg: cfg, rooms: map[string]*Room{}, used: list.New()}, nil
}

// Close ends all Rooms.
func (c *Cache) Close() {
	for _, d := range c.Domains() {
		c.Forget(d)
	}
}

// Domains lists the key domains that have Rooms.
func (c *Cache) Domains() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	domains := make([]string, 0, len(c.rooms))
	for d := range c.rooms {
		domains = append(domains, d)
	}
	return domains
}

// Room returns the Room of a key domain. After Forget it is another one.
func (c *Cache) Room(domain string) (*Room, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[domain]; r != nil {
		return r, nil
	}
	r, err := newRoom(c, domain)
	if err == nil {
		c.rooms[domain] = r
	}
	return r, err
}

// Forgotten says what Forget has removed.
type Forgotten struct {
	Files int
	Bytes int64
	Took  time.Duration
}

// Forget ends the Room of a key domain, if there is one, and removes its files.
func (c *Cache) Forget(domain string) (Forgotten, error) { return c.Darken(domain)() }

// Darken ends the Room of a key domain: when it returns the key is gone, which no
// disk can delay. The files go with the function that it returns.
func (c *Cache) Darken(domain string) (remove func() (Forgotten, error)) {
	var f Forgotten
	began := time.Now()
	c.mu.Lock()
	r := c.rooms[domain]
	delete(c.rooms, domain)
	if r != nil {
		r.end()
		for _, p := range r.pieces {
			c.used.Remove(p.at)
			c.bytes -= p.size
			f.Files++
			f.Bytes += p.size
		}
		r.pieces = nil
	}
	c.mu.Unlock()
	return func() (Forgotten, error) {
		if r == nil {
			return f, nil
		}
		r.writing.Lock() // a file that is being written is in the folder, or is not made
		defer r.writing.Unlock()
		err := os.RemoveAll(r.dir)
		f.Took = time.Since(began)
		if err != nil {
			return f, fmt.Errorf("remove the cache of key domain %s, which nobody can read any more: %w", domain, err)
		}
		return f, nil
	}
}

// Leave removes the pieces of all objects whose names begin with prefix.
func (c *Cache) Leave(prefix string) {
	c.mu.Lock()
	rooms := make([]*Room, 0, len(c.rooms))
	for _, r := range c.rooms {
		rooms = append(rooms, r)
	}
	c.mu.Unlock()
	for _, r := range rooms {
		r.drop(prefix)
	}
}

// Stats says how much there is, and how often it helped.
type Stats struct {
	Files        int
	Bytes        int64
	Hits, Misses uint64
}

// Stats returns it.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{c.used.Len(), c.bytes, c.hits, c.misses}
}

// Limit is how much files may take.
func (c *Cache) Limit() int64 { return c.cfg.Bytes }

// Free is how much more fits before something must go.
func (c *Cache) Free() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Bytes - c.bytes
}

// find returns a piece's file and notes its use.
func (c *Cache) find(r *Room, at place) (file string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := r.pieces[at]
	if p == nil {
		c.misses++
		return "", false
	}
	c.hits++
	p.last = time.Now()
	c.used.MoveToFront(p.at)
	return p.file, true
}

// enter notes a file that was written, and returns the files that have to go.
func (c *Cache) enter(r *Room, at place, file string, size int64) (gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.pieces == nil || r.pieces[at] != nil { // forgotten, or another was faster
		return []string{file}
	}
	p := &piece{room: r, of: at, file: file, size: size, last: time.Now()}
	p.at = c.used.PushFront(p)
	r.pieces[at] = p
	c.bytes += size
	for back := c.used.Back(); back != nil; back = c.used.Back() {
		old := back.Value.(*piece)
		if c.bytes <= c.cfg.Bytes && time.Since(old.last) < c.cfg.Age {
			break
		}
		gone = append(gone, c.drop(old))
	}
	return gone
}

// drop forgets a piece and returns its file. It needs mu.
func (c *Cache) drop(p *piece) string {
	c.used.Remove(p.at)
	c.bytes -= p.size
	delete(p.room.pieces, p.of)
	return p.file
}

// leave forgets pieces of a Room and removes their files.
func (c *Cache) leave(r *Room, which func(place) bool) {
	var gone []string
	c.mu.Lock()
	for at, p := range r.pieces {
		if which(at) {
			gone = append(gone, c.drop(p))
		}
	}
	c.mu.Unlock()
	for _, file := range gone {
		os.Remove(file)
	}
}

// name makes a name for a new file.
func (c *Cache) name(r *Room) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return filepath.Join(r.dir, fmt.Sprintf("%016x", c.next))
}
