package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
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

// ErrLost reports that another process owns the account now, or may: nothing is
// written any more. Whoever opens the account anew finds what there is.
var ErrLost = errors.New("another process has taken over the account")

// ownerName is the object with the token of who writes an account.
const ownerName = "owner"

// A Folder is an account in a bucket, as a disk.FS with its contract, but that
// nothing is seen by others before it is durable, and that
//
//   - a file in journal/ that another Folder made can't be appended to;
//   - any other file is put when it is renamed from a name with a dot before it.
//
// A Folder that was claimed writes as long as nobody else claims the account.
type Folder struct {
	b       Bucket
	account string
	token   []byte // nil: for reading only
	onLost  func(error)

	turn sync.Mutex // held while a part is written; guards doubt
	// doubt is a part of which nobody knows whether it was put. Nothing else is
	// put before that is known.
	doubt *doubtful

	mu    sync.Mutex
	open  map[string]*outFile // being written, by name
	locks disk.Locks
	parts map[string][]part // of files in journal/, as they were listed last
	sizes map[string]int64  // of objects that were seen
	kept  window            // of parts that were read
	lost  error
	holes bool
}

// Salvage has the Folder show of a file in journal/ what there is: zeros for parts
// that are missing or damaged. It is for who looks for what can still be read, and is
// called before anything is read.
func (f *Folder) Salvage() { f.holes = true }

type doubtful struct {
	name string
	body []byte
}

var _ disk.FS = (*Folder)(nil)

// Claim takes an account over for writing: whoever had it before acknowledges
// nothing any more. onLost is called once, when another has done the same.
func Claim(ctx context.Context, b Bucket, account string, onLost func(error)) (*Folder, error) {
	token := []byte(rand.Text())
	f := View(b, account)
	f.token, f.onLost = token, onLost
	if err := b.Replace(ctx, f.name(ownerName), token); err != nil {
		return nil, fmt.Errorf("claim account %s: %w", account, err)
	}
	return f, nil
}

// View opens an account for reading only.
func View(b Bucket, account string) *Folder {
	return &Folder{
		b: b, account: account, onLost: func(error) {},
		open: map[string]*outFile{}, parts: map[string][]part{}, sizes: map[string]int64{},
	}
}

// name is an object's.
func (f *Folder) name(name string) string { return f.account + "/" + path.Clean(name) }

// grows reports whether a file is kept in parts.
func grows(name string) bool { return strings.HasPrefix(path.Clean(name), "journal/") }

// Owned demands that nobody else has claimed the account.
func (f *Folder) Owned(ctx context.Context) error {
	if err := f.writable("own", f.account); err != nil {
		return err
	}
	have := make([]byte, len(f.token)+1)
	n, err := f.b.ReadAt(ctx, f.name(ownerName), have, 0)
	if err != nil && err != io.EOF && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(have[:n], f.token) {
		return f.lose(fmt.Errorf("object %s is another's", f.name(ownerName)))
	}
	return nil
}

// lose ends all writing.
func (f *Folder) lose(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil {
		f.lost = fmt.Errorf("%w: %w", ErrLost, cause)
		go f.onLost(f.lost)
	}
	return f.lost
}

// writable is the reason why nothing may be written, if there is one.
func (f *Folder) writable(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token == nil {
		return &fs.PathError{Op: op, Path: name, Err: errors.New("internal error: a change of an account that is open for reading only")}
	}
	return f.lost
}

// Put makes an object that is no file, such as a change of the manifest, and
// demands then that the account is still owned. If the name is taken by other
// bytes it is fs.ErrExist.
func (f *Folder) Put(ctx context.Context, name string, b []byte) error {
	if err := f.writable("put", name); err != nil {
		return err
	}
	if err := f.b.Put(ctx, f.name(name), b); err != nil {
		return err
	}
	return f.Owned(ctx)
}

// Get reads a whole object that Put made, of at most most bytes.
func (f *Folder) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	size, err := f.b.Size(ctx, f.name(name))
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, damaged(f.name(name), "has %d bytes", size)
	}
	b := make([]byte, size)
	if n, err := f.b.ReadAt(ctx, f.name(name), b, 0); int64(n) != size {
		return nil, errors.Join(damaged(f.name(name), "has %d of %d bytes", n, size), err)
	}
	return b, nil
}

// Create implements disk.FS.
func (f *Folder) Create(name string) (disk.File, error) {
	if err := f.writable("create", name); err != nil {
		return nil, err
	}
	if err := CheckName(f.name(name)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[name] != nil || f.parts[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	o := &outFile{f: f, name: name}
	f.open[name] = o
	return o, nil
}

// Open implements disk.FS.
func (f *Folder) Open(name string) (disk.File, error) {
	if grows(name) {
		parts, err := f.partsOf(name)
		if err != nil {
			return nil, err
		}
		if parts == nil {
			return nil, &fs.PathError{Op: "open", Path: f.name(name), Err: fs.ErrNotExist}
		}
		return &grown{f: f, name: name, parts: parts}, nil
	}
	f.mu.Lock()
	size, known := f.sizes[name]
	f.mu.Unlock()
	if !known {
		var err error
		if size, err = f.b.Size(context.Background(), f.name(name)); err != nil {
			return nil, &fs.PathError{Op: "open", Path: f.name(name), Err: err}
		}
		f.note(name, size)
	}
	return &whole{f: f, name: name, size: size}, nil
}

// note remembers an object's size: it doesn't change.
func (f *Folder) note(name string, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sizes) >= 1<<16 {
		clear(f.sizes)
	}
	f.sizes[name] = size
}

// partsOf returns a file's parts, as they were listed last.
func (f *Folder) partsOf(name string) ([]part, error) {
	f.mu.Lock()
	parts := f.parts[name]
	f.mu.Unlock()
	if parts != nil {
		return parts, nil
	}
	if _, err := f.List(path.Dir(name)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parts[name], nil
}

// Rename implements disk.FS for a file that was just written: it is put now.
func (f *Folder) Rename(from, to string) error {
	if err := f.writable("rename", to); err != nil {
		return err
	}
	f.mu.Lock()
	o := f.open[from]
	f.mu.Unlock()
	if o == nil || grows(from) || grows(to) {
		return &fs.PathError{Op: "rename", Path: f.name(from), Err: fs.ErrNotExist}
	}
	if err := f.b.Put(context.Background(), f.name(to), o.buf); err != nil {
		return &fs.PathError{Op: "put", Path: f.name(to), Err: err}
	}
	f.note(to, int64(len(o.buf)))
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, from)
	return nil
}

// Remove implements disk.FS.
func (f *Folder) Remove(name string) error {
	if err := f.writable("remove", name); err != nil {
		return err
	}
	f.mu.Lock()
	o := f.open[name]
	delete(f.open, name)
	delete(f.sizes, name)
	f.mu.Unlock()
	if o != nil && !grows(name) {
		return nil // it was never put
	}
	if !grows(name) {
		return f.remove(f.name(name))
	}
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.doubt != nil && strings.HasPrefix(f.doubt.name, f.name(name)+"/") {
		return nil // it is settled first; until then, and after, it is void
	}
	list, err := f.b.List(context.Background(), f.name(name)+"/")
	if err != nil {
		return &fs.PathError{Op: "remove", Path: f.name(name), Err: err}
	}
	for _, o := range slices.Backward(list) { // so that an interruption leaves no hole
		if err := f.remove(o.Name); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.parts, name)
	return nil
}

func (f *Folder) remove(name string) error {
	if err := f.b.Remove(context.Background(), name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// List implements disk.FS.
func (f *Folder) List(dir string) ([]disk.Info, error) {
	dir = path.Clean(dir)
	list, err := f.b.List(context.Background(), f.name(dir)+"/")
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: f.name(dir), Err: err}
	}
	var out []disk.Info
	if !grows(dir + "/x") {
		for _, o := range list {
			if name := strings.TrimPrefix(o.Name, f.name(dir)+"/"); !strings.Contains(name, "/") {
				out = append(out, disk.Info{Name: name, Size: o.Size})
			}
		}
		return out, nil
	}
	files, err := partsOf(f.name(dir), list, f.holes)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.parts)
	for name, parts := range files {
		f.parts[path.Join(dir, name)] = parts
		last := parts[len(parts)-1]
		out = append(out, disk.Info{Name: name, Size: last.at + last.size})
	}
	slices.SortFunc(out, func(x, y disk.Info) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// MkdirAll implements disk.FS: a bucket has no folders.
func (f *Folder) MkdirAll(string) error { return nil }

// SyncDir implements disk.FS: what is in a bucket is durable.
func (f *Folder) SyncDir(string) error { return nil }

// Lock implements disk.FS within this Folder; against others there is the claim.
func (f *Folder) Lock(name string) (io.Closer, error) {
	if err := f.writable("lock", name); err != nil {
		return nil, err
	}
	return f.locks.Lock(name, f.name(name))
}

// A Change is the number of a change of the manifest that was put.
func (f *Folder) Changes(ctx context.Context) (all []uint64, err error) {
	list, err := f.b.List(ctx, f.name("changes")+"/")
	if err != nil {
		return nil, err
	}
	for _, o := range list {
		digits, err := hex.DecodeString(path.Base(o.Name))
		if err != nil || len(digits) != 8 {
			continue
		}
		n := uint64(0)
		for _, b := range digits {
			n = n<<8 | uint64(b)
		}
		all = append(all, n)
	}
	return all, nil
}

// ChangeName is the name of a change's object.
func ChangeName(seq uint64) string { return fmt.Sprintf("changes/%016x", seq) }
