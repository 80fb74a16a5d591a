// Package buckettest has a bucket in memory that keeps the promises of
// bucket.Bucket and no more: it can fail before and after it did something, and
// do it later. Run is the suite that every bucket.Bucket passes.
package buckettest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/bucket"
)

// An Op is a call that is about to be carried out.
type Op struct {
	Kind string // "put", "replace", "remove", "list", "size", "read"
	Name string
}

// An Outcome says what becomes of a call.
type Outcome struct {
	Err  error // the answer; nil for the true one
	Done bool  // with Err: it is carried out all the same, at once
	Late bool  // with Err: it is carried out when Land is called
}

// Memory is a bucket.Bucket in memory.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	late    []func()
	hook    func(Op) Outcome
}

var _ bucket.Bucket = (*Memory)(nil)

// New returns an empty bucket.
func New() *Memory { return &Memory{objects: map[string][]byte{}} }

// OnOp has f called before every call.
func (m *Memory) OnOp(f func(Op) Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// Land carries out what was said to be late.
func (m *Memory) Land() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, do := range m.late {
		do()
	}
	m.late = nil
}

// Damage puts other bytes in an object's place; nil removes it.
func (m *Memory) Damage(name string, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b == nil {
		delete(m.objects, name)
	} else {
		m.objects[name] = slices.Clone(b)
	}
}

// Bytes returns a copy of an object; nil if there is none.
func (m *Memory) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.objects[name])
}

// Names returns all names that begin with prefix, sorted.
func (m *Memory) Names(prefix string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.objects {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// change carries out one call that changes something.
func (m *Memory) change(ctx context.Context, kind, name string, do func() error) error {
	o, err := m.before(ctx, kind, name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case o.Err == nil:
		return do()
	case o.Done:
		do()
	case o.Late:
		m.late = append(m.late, func() { do() })
	}
	return o.Err
}

func (m *Memory) before(ctx context.Context, kind, name string) (o Outcome, err error) {
	if err := ctx.Err(); err != nil {
		return o, err
	}
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		o = hook(Op{kind, name})
	}
	return o, nil
}

// Put implements bucket.Bucket.
func (m *Memory) Put(ctx context.Context, name string, b []byte) error {
	b = slices.Clone(b)
	return m.change(ctx, "put", name, func() error {
		if _, taken := m.objects[name]; taken {
			return fmt.Errorf("%s: %w", name, fs.ErrExist)
		}
		m.objects[name] = b
		return nil
	})
}

// Replace implements bucket.Bucket.
func (m *Memory) Replace(ctx context.Context, name string, b []byte) error {
	b = slices.Clone(b)
	return m.change(ctx, "replace", name, func() error { m.objects[name] = b; return nil })
}

// Remove implements bucket.Bucket.
func (m *Memory) Remove(ctx context.Context, name string) error {
	return m.change(ctx, "remove", name, func() error { delete(m.objects, name); return nil })
}

// List implements bucket.Bucket.
func (m *Memory) List(ctx context.Context, prefix string) (all []bucket.Info, err error) {
	if o, err := m.before(ctx, "list", prefix); err != nil || o.Err != nil {
		return nil, first(err, o.Err)
	}
	for _, name := range m.Names(prefix) {
		m.mu.Lock()
		b, ok := m.objects[name]
		m.mu.Unlock()
		if ok {
			all = append(all, bucket.Info{Name: name, Size: int64(len(b))})
		}
	}
	return all, nil
}

// Size implements bucket.Bucket.
func (m *Memory) Size(ctx context.Context, name string) (int64, error) {
	if o, err := m.before(ctx, "size", name); err != nil || o.Err != nil {
		return 0, first(err, o.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return int64(len(b)), nil
}

// ReadAt implements bucket.Bucket.
func (m *Memory) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if o, err := m.before(ctx, "read", name); err != nil || o.Err != nil {
		return 0, first(err, o.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	n := copy(p, b[min(off, int64(len(b))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
