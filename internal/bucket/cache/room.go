package cache

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"logkeep/internal/bucket"
)

// A Room is the cache of one key domain. It is a bucket.Bucket.
type Room struct {
	cache  *Cache
	domain string
	dir    string

	writing sync.RWMutex     // held for reading while a file is made
	pieces  map[place]*piece // guarded by the Cache; nil once it is forgotten

	mu       sync.Mutex
	aead     cipher.AEAD                 // nil once it is forgotten
	journals map[string]map[string]int64 // of each journal that was listed: its objects' sizes
	warm     map[place][]byte            // pieces that were opened last
	order    []place
	fetching map[place]*fetch
}

// A fetch is one on its way. Whoever wants the same waits for it.
type fetch struct {
	done chan struct{}
	b    []byte
	err  error
}

var _ bucket.Bucket = (*Room)(nil)

// warmPieces is how many opened pieces are kept in memory.
const warmPieces = 32

func newRoom(c *Cache, domain string) (*Room, error) {
	var key [32]byte
	rand.Read(key[:]) // crypto/rand never fails
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	// A nonce is drawn for each of at most 2^32 pieces under one key, which lives as
	// long as this process: the chance that two are equal is below 2^-32.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	dir := filepath.Join(c.cfg.Dir, strings.ToLower(rand.Text()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a cache: %w", err)
	}
	return &Room{
		cache: c, domain: domain, dir: dir, aead: aead, pieces: map[place]*piece{},
		journals: map[string]map[string]int64{}, warm: map[place][]byte{}, fetching: map[place]*fetch{},
	}, nil
}

// end takes the key away, and what was opened with it.
func (r *Room) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aead, r.warm, r.order, r.journals = nil, nil, nil, nil
}

// over reports that the Room was forgotten.
func (r *Room) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.aead == nil
}

// cached reports whether an object never changes, and is read more than once.
func cached(name string) bool {
	_, rest, _ := strings.Cut(name, "/")
	return strings.HasPrefix(rest, "objects/") || strings.HasPrefix(rest, "journal/")
}

// journalOf is the prefix of all objects of a journal that a name is one of.
func journalOf(name string) (string, bool) {
	account, rest, _ := strings.Cut(name, "/")
	return account + "/journal/", strings.HasPrefix(rest, "journal/")
}

// Put implements bucket.Bucket. What was put is kept.
func (r *Room) Put(ctx context.Context, name string, b []byte) error {
	if err := r.cache.cfg.Bucket.Put(ctx, name, b); err != nil {
		return err
	}
	r.note(name, int64(len(b)))
	if cached(name) {
		for at := 0; at == 0 || at < len(b); at += pieceSize {
			r.keep(place{name, int64(at / pieceSize)}, b[at:min(at+pieceSize, len(b))])
		}
	}
	return nil
}

// note adds an object to its journal's list, or, with a size of -1, takes it out.
func (r *Room) note(name string, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	journal, is := journalOf(name)
	if !is || r.journals[journal] == nil {
		return
	}
	if size < 0 {
		delete(r.journals[journal], name)
	} else {
		r.journals[journal][name] = size
	}
}

// Replace implements bucket.Bucket.
func (r *Room) Replace(ctx context.Context, name string, b []byte) error {
	return r.cache.cfg.Bucket.Replace(ctx, name, b)
}

// Remove implements bucket.Bucket.
func (r *Room) Remove(ctx context.Context, name string) error {
	r.note(name, -1)
	if cached(name) {
		r.drop(name)
	}
	return r.cache.cfg.Bucket.Remove(ctx, name)
}

// drop removes the pieces of objects whose names begin with prefix.
func (r *Room) drop(prefix string) {
	r.mu.Lock()
	for at := range r.warm {
		if strings.HasPrefix(at.object, prefix) {
			delete(r.warm, at)
		}
	}
	r.mu.Unlock()
	r.cache.leave(r, func(at place) bool { return strings.HasPrefix(at.object, prefix) })
}

// List implements bucket.Reader. It asks the bucket, and remembers journals.
func (r *Room) List(ctx context.Context, prefix string) ([]bucket.Info, error) {
	all, err := r.cache.cfg.Bucket.List(ctx, prefix)
	if journal, is := journalOf(prefix); err == nil && is && journal == prefix {
		known := make(map[string]int64, len(all))
		for _, o := range all {
			known[o.Name] = o.Size
		}
		r.mu.Lock()
		if r.journals != nil {
			r.journals[journal] = known
		}
		r.mu.Unlock()
	}
	return all, err
}

// Size implements bucket.Reader.
func (r *Room) Size(ctx context.Context, name string) (int64, error) {
	return r.cache.cfg.Bucket.Size(ctx, name)
}

// ReadAt implements bucket.Reader.
func (r *Room) ReadAt(ctx context.Context, name string, p []byte, off int64) (n int, err error) {
	if !cached(name) || off < 0 || r.over() {
		return r.cache.cfg.Bucket.ReadAt(ctx, name, p, off)
	}
	for n < len(p) {
		at := off + int64(n)
		first := at / pieceSize
		some, err := r.stretch(ctx, name, first, min((at+int64(len(p)-n)-1)/pieceSize, first+together-1))
		for _, b := range some {
			if at := off + int64(n); at%pieceSize < int64(len(b)) {
				n += copy(p[n:], b[at%pieceSize:])
			}
			if len(b) < pieceSize && n < len(p) { // the object ends in it
				return n, io.EOF
			}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// together is how many pieces of one read are fetched at a time: each is an answer's
// way from the bucket.
const together = 8

// stretch returns pieces of an object from first to last, up to one that there is an
// error about. Pieces behind the object's end are empty.
func (r *Room) stretch(ctx context.Context, name string, first, last int64) ([][]byte, error) {
	if first == last {
		b, err := r.piece(ctx, place{name, first})
		if err != nil {
			return nil, err
		}
		return [][]byte{b}, nil
	}
	all, errs := make([][]byte, last-first+1), make([]error, last-first+1)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() { all[i], errs[i] = r.piece(ctx, place{name, first + int64(i)}) })
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			return all[:i], err
		}
	}
	return all, nil
}

// piece returns a piece of an object, which must not be changed.
func (r *Room) piece(ctx context.Context, at place) ([]byte, error) {
	for {
		r.mu.Lock()
		if b, ok := r.warm[at]; ok {
			r.mu.Unlock()
			return b, nil
		}
		f := r.fetching[at]
		if f == nil {
			f = &fetch{done: make(chan struct{})}
			r.fetching[at] = f
			r.mu.Unlock()
			f.b, f.err = r.get(ctx, at)
			r.mu.Lock()
			delete(r.fetching, at)
			if f.err == nil {
				r.warmUp(at, f.b)
			}
			r.mu.Unlock()
			close(f.done)
			return f.b, f.err
		}
		r.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Not the error of somebody else who gave up.
		if f.err == nil || !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return f.b, f.err
		}
	}
}

// warmUp keeps an opened piece in memory. It needs mu.
func (r *Room) warmUp(at place, b []byte) {
	if r.warm == nil || r.warm[at] != nil {
		return
	}
	r.warm[at], r.order = b, append(r.order, at)
	if len(r.order) > warmPieces {
		delete(r.warm, r.order[0])
		r.order = r.order[1:]
	}
}

// get reads a piece from its file or from the bucket.
func (r *Room) get(ctx context.Context, at place) ([]byte, error) {
	if file, ok := r.cache.find(r, at); ok {
		if b, err := r.open(at, file); err == nil {
			return b, nil
		}
		r.cache.leave(r, func(p place) bool { return p == at })
	}
	b := make([]byte, pieceSize)
	n, err := r.cache.cfg.Bucket.ReadAt(ctx, at.object, b, at.number*pieceSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	b = b[:n:n]
	r.keep(at, b)
	return b, nil
}

// bound is what a piece's seal is bound to.
func (at place) bound() []byte { return fmt.Appendf(nil, "%s/%d", at.object, at.number) }

func (r *Room) open(at place, file string) ([]byte, error) {
	sealed, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	aead := r.aead
	r.mu.Unlock()
	if aead == nil {
		return nil, os.ErrClosed
	}
	return aead.Open(sealed[:0], nil, sealed, at.bound())
}

// keep writes a piece into a file. A cache that can't be written is no reason to fail.
func (r *Room) keep(at place, b []byte) {
	r.writing.RLock()
	defer r.writing.RUnlock()
	r.mu.Lock()
	aead := r.aead
	r.mu.Unlock()
	if aead == nil || int64(len(b)) > r.cache.cfg.Bytes {
		return
	}
	sealed := aead.Seal(nil, nil, b, at.bound())
	file := r.cache.name(r)
	gone := []string{file}
	if err := os.WriteFile(file, sealed, 0o600); err == nil {
		gone = r.cache.enter(r, at, file, int64(len(sealed)))
	} else {
		r.cache.cfg.Log.Warn("the cache can't be written; queries go to the bucket", "error", err.Error())
	}
	for _, old := range gone {
		os.Remove(old)
	}
}

// Reader returns the Room as who only reads sees it: journals that a writer has
// listed are not listed again.
func (r *Room) Reader() bucket.Bucket { return reading{r} }

type reading struct{ *Room }

// List implements bucket.Reader.
func (v reading) List(ctx context.Context, prefix string) ([]bucket.Info, error) {
	v.mu.Lock()
	known, ok := v.journals[prefix]
	var all []bucket.Info
	for name, size := range known {
		all = append(all, bucket.Info{Name: name, Size: size})
	}
	v.mu.Unlock()
	if !ok {
		return v.Room.List(ctx, prefix)
	}
	bucket.Sort(all)
	return all, nil
}

// Fill reads whole objects, of which the names and sizes are given, so that they
// are in the cache, as long as there is room. It ends when the Room does.
func (r *Room) Fill(ctx context.Context, objects []bucket.Info) (filled int64, err error) {
	for _, o := range objects {
		for at := int64(0); at < o.Size; at += pieceSize {
			if r.over() || r.cache.Free() < pieceSize+64 {
				return filled, nil
			}
			where := place{o.Name, at / pieceSize}
			r.cache.mu.Lock()
			_, there := r.pieces[where]
			r.cache.mu.Unlock()
			if there {
				continue
			}
			b, err := r.get(ctx, where)
			if err != nil {
				return filled, err
			}
			filled += int64(len(b))
		}
	}
	return filled, nil
}
