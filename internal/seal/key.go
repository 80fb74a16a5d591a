package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
)

// KeySize is the length of a Key in bytes.
const KeySize = 32

const (
	redacted        = "[redacted key]"
	labelCommitment = "logkeep/key-commitment@v1"
)

// ErrDestroyed reports the use of a Key after Destroy.
var ErrDestroyed = errors.New("the key was destroyed")

// A Key is 32 secret random bytes. It is not comparable, prints as redacted
// under every verb and encoding, and may be used by several goroutines.
// Destroy it when it is no longer needed; a Key that is dropped is destroyed
// by the garbage collector at some later time.
type Key struct {
	_ [0]func()
	// The bytes hang on a pointer so that code that prints by reflection,
	// without asking for Format, meets an address and not the page.
	s *secret
}

// A secret is a page with a key in it. The lock lets Destroy wait for those
// who are reading: a page must not vanish below a key in use.
type secret struct {
	mu   sync.RWMutex
	page page // nil once destroyed
	stop runtime.Cleanup
}

// NewKey draws a new random key.
func NewKey() (*Key, error) {
	return newKey(func(b []byte) { rand.Read(b) })
}

// ImportKey makes a key of b, which must be 32 bytes, and clears b in any case.
func ImportKey(b []byte) (*Key, error) {
	defer clear(b)
	if len(b) != KeySize {
		return nil, fmt.Errorf("import key: %d bytes given, a key has %d", len(b), KeySize)
	}
	return newKey(func(p []byte) { copy(p, b) })
}

func newKey(fill func([]byte)) (*Key, error) {
	p, err := newPage(fill)
	if err != nil {
		return nil, err
	}
	k := &Key{s: &secret{page: p}}
	// The cleanup hangs on the secret, not on the Key: every use holds the
	// secret until its lock is released, so the page outlives the use.
	k.s.stop = runtime.AddCleanup(k.s, func(p page) { p.free() }, p)
	return k, nil
}

// use lends the bytes to f. They can't be written to and are gone after
// Destroy: f must not keep them.
func (k *Key) use(f func(b []byte) error) error {
	if k == nil || k.s == nil {
		return errors.New("internal error: no key was given")
	}
	k.s.mu.RLock()
	defer k.s.mu.RUnlock()
	if k.s.page == nil {
		return ErrDestroyed
	}
	return f(k.s.page[:KeySize:KeySize])
}

// Export lends the key's bytes for wrapping, and for nothing else. The bytes
// are read-only memory, valid until use returns.
func (k *Key) Export(use func(b []byte) error) error { return k.use(use) }

// Destroy waits for uses that are under way, clears the key and gives its
// memory back. Later uses fail with ErrDestroyed. Destroy may be called twice.
func (k *Key) Destroy() {
	if k == nil || k.s == nil {
		return
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.page == nil {
		return
	}
	k.s.stop.Stop()
	k.s.page.free()
	k.s.page = nil
}

// Commitment returns a public value that commits to the key: nobody can find
// the key from it, nor two keys with the same one. Different labels give
// unrelated values.
func (k *Key) Commitment(label string) ([32]byte, error) {
	var c [32]byte
	err := k.use(func(b []byte) error {
		// HMAC keys of a fixed length below the block size are injective, so
		// half of SHA-512 keeps 128 bits of collision resistance.
		out, err := hkdf.Expand(sha512.New, b, labelCommitment+"\x00"+label, len(c))
		copy(c[:], out)
		return err
	})
	return c, err
}

// Format implements fmt.Formatter: every verb prints the same.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (Key) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Key) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and so covers JSON.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Keys are what one account's objects of one generation are sealed with.
type Keys struct {
	Inner      *Key   // the account's key
	Outer      *Key   // the infrastructure key of clusters with double encryption, else nil
	Generation uint32 // of Inner
}

func (k Keys) layers() byte {
	if k.Outer != nil {
		return 2
	}
	return 1
}
