// Package disktest has a disk in memory that keeps the promises of disk.FS and
// no more: what was not synced is lost or torn when it crashes. It can fill up
// and fail on request. Run is the suite that every disk.FS passes.
package disktest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/disk"
)

// An Op is an operation that is about to happen.
type Op struct {
	Kind string // "create", "open", "rename", "remove", "list", "mkdir", "syncdir", "lock", "write", "truncate", "sync", "read"
	Name string
}

// A Short error makes a write append N bytes and then fail with Err.
type Short struct {
	N   int
	Err error
}

func (s *Short) Error() string { return fmt.Sprintf("short write: %v", s.Err) }

// ErrLeftOut, as a hook's error for a "sync" or "syncdir", lets that succeed without
// doing anything: so a program would run that has forgotten the call. A test that
// claims to find lost rows shows with it that it does.
var ErrLeftOut = errors.New("a sync that is left out")

// Memory is a disk.FS in memory.
type Memory struct {
	mu       sync.Mutex
	files    map[string]*node // as seen now
	durable  map[string]*node // as certain to survive
	pending  []change         // from durable to files, in order
	folders  map[string]bool
	locks    disk.Locks
	hook     func(Op) error
	capacity int64 // bytes, 0 for no bound
}

// A node is the content of a file.
type node struct {
	data   []byte
	synced []byte // as certain to survive
}

// A change of entries: every name gets its node, nil removes it.
type change map[string]*node

// New returns an empty disk.
func New() *Memory {
	return &Memory{
		files: map[string]*node{}, durable: map[string]*node{},
		folders: map[string]bool{".": true},
	}
}

// OnOp has f called before every operation; an error from f is the
// operation's. f may call Crash.
func (m *Memory) OnOp(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// SetCapacity lets writes fail with ENOSPC once files hold n bytes. 0 is no bound.
func (m *Memory) SetCapacity(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = n
}

func apply(entries map[string]*node, c change) {
	for name, n := range c {
		if n == nil {
			delete(entries, name)
		} else {
			entries[name] = n
		}
	}
}

func sortedNames(entries map[string]*node) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Bytes returns the content of a file, for tests that look or damage. The
// slice is the file's own.
func (m *Memory) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.files[name]; n != nil {
		return n.data
	}
	return nil
}

// Names returns all files, sorted.
func (m *Memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sortedNames(m.files)
}

// before runs the hook, outside the lock, and checks the name.
func (m *Memory) before(kind, name string) error {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		if err := hook(Op{kind, name}); err != nil {
			return &fs.PathError{Op: kind, Path: name, Err: err}
		}
	}
	if !fs.ValidPath(path.Clean(name)) {
		return &fs.PathError{Op: kind, Path: name, Err: errors.New("path escapes the folder")}
	}
	return nil
}

func (m *Memory) change(c change) {
	apply(m.files, c)
	m.pending = append(m.pending, c)
}

// Create implements disk.FS.
func (m *Memory) Create(name string) (disk.File, error) {
	if err := m.before("create", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if !m.folders[path.Dir(name)] {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	}
	n := &node{}
	m.change(change{name: n})
	return &handle{m: m, n: n, name: name}, nil
}

// Open implements disk.FS.
func (m *Memory) Open(name string) (disk.File, error) {
	if err := m.before("open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.files[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &handle{m: m, n: n, name: name}, nil
}

// Rename implements disk.FS.
func (m *Memory) Rename(from, to string) error {
	if err := m.before("rename", to); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.files[from]
	if n == nil || !m.folders[path.Dir(to)] {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if from != to {
		m.change(change{from: nil, to: n})
	}
	return nil
}

// Remove implements disk.FS.
func (m *Memory) Remove(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	m.change(change{name: nil})
	return nil
}

// List implements disk.FS.
func (m *Memory) List(dir string) ([]disk.Info, error) {
	if err := m.before("list", dir); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []disk.Info
	for _, name := range sortedNames(m.files) {
		if path.Dir(name) == path.Clean(dir) {
			out = append(out, disk.Info{Name: path.Base(name), Size: int64(len(m.files[name].data))})
		}
	}
	return out, nil
}

// MkdirAll implements disk.FS.
func (m *Memory) MkdirAll(dir string) error {
	if err := m.before("mkdir", dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for dir = path.Clean(dir); dir != "."; dir = path.Dir(dir) {
		m.folders[dir] = true
	}
	return nil
}

// SyncDir implements disk.FS.
func (m *Memory) SyncDir(dir string) error {
	if err := m.before("syncdir", dir); errors.Is(err, ErrLeftOut) {
		return nil
	} else if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	if !m.folders[dir] {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: fs.ErrNotExist}
	}
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool {
		for name := range c {
			if path.Dir(name) == dir {
				apply(m.durable, c)
				return true
			}
		}
		return false
	})
	return nil
}

// Lock implements disk.FS.
func (m *Memory) Lock(name string) (io.Closer, error) {
	if err := m.before("lock", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.folders[path.Dir(name)] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: fs.ErrNotExist}
	}
	return m.locks.Lock(name, name)
}

// room returns how many of n bytes fit.
func (m *Memory) room(n int) int {
	if m.capacity == 0 {
		return n
	}
	var used int64
	for _, f := range m.files {
		used += int64(len(f.data))
	}
	return int(min(int64(n), max(0, m.capacity-used)))
}

// Damage is for tests that want the disk to lie: it replaces all bytes of a
// file, durably.
func (m *Memory) Damage(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &node{data: slices.Clone(data), synced: slices.Clone(data)}
	m.files[name], m.durable[name] = n, n
	if dir := path.Dir(name); !m.folders[dir] {
		for ; dir != "."; dir = path.Dir(dir) {
			m.folders[dir] = true
		}
	}
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool { _, ok := c[name]; return ok && len(c) == 1 })
}

// String lists the disk's files, for messages of failing tests.
func (m *Memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, name := range sortedNames(m.files) {
		n := m.files[name]
		fmt.Fprintf(&b, "%s: %d bytes, %d synced, entry durable %t\n", name, len(n.data), len(n.synced), m.durable[name] == n)
	}
	return b.String()
}
