// Package blob keeps immutable, named, sealed objects in one folder of a disk.
//
// # Contract
//
// An object is there whole or not at all. It appears under its name when
// Commit returns nil, and is then durable: bytes, size and name. It never
// changes afterwards, and a name that was taken is refused with fs.ErrExist.
// A Writer that is aborted, or lost in a crash, leaves nothing that List shows.
//
// A Writer takes seal.Sealed and nothing else, so plaintext can't get here. The
// store doesn't know keys: whether the bytes are right is for seal to say.
//
// Only one Store may be open on a folder: the owner holds a lock elsewhere.
// Names have 1 to 200 characters of a-z, 0-9, "-", "_" and ".", and begin with
// a letter or a digit.
//
// # On disk
//
//	NAME    an object
//	.NAME   an object that is being written; removed by Tidy, if its writer is gone
package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"logkeep/internal/disk"
)

const maxName = 200

// A Store is a folder of objects. All methods may be called concurrently.
type Store struct {
	fs  disk.FS
	dir string
}

// Info describes an object.
type Info = disk.Info

// NewStore opens the store in dir and makes the folder if it isn't there. It
// takes as long with many objects as with none.
func NewStore(d disk.FS, dir string) (*Store, error) {
	if err := d.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	return &Store{d, dir}, nil
}

// Tidy removes what writers left behind in a crash, and returns the objects as
// List does. Nobody may be writing an object meanwhile.
func (s *Store) Tidy(ctx context.Context) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	infos, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("tidy objects in %s: %w", s.dir, err)
	}
	out := infos[:0]
	for _, i := range infos {
		if !strings.HasPrefix(i.Name, ".") {
			out = append(out, i)
		} else if err := s.fs.Remove(path.Join(s.dir, i.Name)); err != nil {
			return nil, fmt.Errorf("tidy objects in %s: %w", s.dir, err)
		}
	}
	return out, nil
}

// ReadOnly returns a Store for who reads what another process owns: it looks at
// nothing before it is asked, and whoever calls Create or Remove breaks the
// owner's contract.
func ReadOnly(d disk.FS, dir string) *Store { return &Store{d, dir} }

func (s *Store) path(name string) (string, error) {
	ok := len(name) > 0 && len(name) <= maxName && !strings.ContainsRune("-_.", rune(name[0]))
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if !ok {
		return "", fmt.Errorf("internal error: %q is no name of an object", name)
	}
	return path.Join(s.dir, name), nil
}

// Create begins the object called name. The caller must call Commit or Abort.
func (s *Store) Create(ctx context.Context, name string) (*Writer, error) {
	final, err := s.path(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The temporary name is taken before the final one is looked at, and is
	// given up only after the final one is taken: so of two writers of one
	// name one fails.
	temp := path.Join(s.dir, "."+name)
	f, err := s.fs.Create(temp)
	if err != nil {
		return nil, fmt.Errorf("create object %s: %w", name, err)
	}
	w := &Writer{s: s, f: f, name: name, temp: temp, final: final}
	old, err := s.fs.Open(final)
	if err == nil {
		old.Close()
		err = fs.ErrExist
	}
	if !errors.Is(err, fs.ErrNotExist) {
		w.Abort()
		return nil, fmt.Errorf("create object %s: %w", name, err)
	}
	return w, nil
}

// Open opens the object called name for reading. An object that isn't there is
// fs.ErrNotExist.
func (s *Store) Open(ctx context.Context, name string) (*Object, error) {
	p, err := s.path(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fs.Open(p)
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", name, err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open object %s: %w", name, err), f.Close())
	}
	return &Object{f, size}, nil
}

// Remove removes the object called name, durably. Those who have it open can
// go on reading. Removing what isn't there is no error, so that a removal
// that was interrupted can be done again.
func (s *Store) Remove(ctx context.Context, name string) error {
	p, err := s.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.fs.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove object %s: %w", name, err)
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return fmt.Errorf("remove object %s: %w", name, err)
	}
	return nil
}

// List returns the objects, sorted by name.
func (s *Store) List(ctx context.Context) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	infos, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list objects in %s: %w", s.dir, err)
	}
	out := infos[:0]
	for _, i := range infos {
		if !strings.HasPrefix(i.Name, ".") {
			out = append(out, i)
		}
	}
	return out, nil
}

// An Object is an object open for reading. ReadAt may be called concurrently.
type Object struct {
	f    disk.File
	size int64
}

// ReadAt implements io.ReaderAt over the sealed bytes.
func (o *Object) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

// Size returns the number of sealed bytes.
func (o *Object) Size() int64 { return o.size }

// Close ends reading.
func (o *Object) Close() error { return o.f.Close() }
