package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// errReadOnly reports a change through a ReadOnly.
var errReadOnly = errors.New("internal error: a change of a folder that is open for reading only")

// A ReadOnly is an FS on a folder that another process owns. Whatever would
// change something is refused, here and, where the process is confined, by the
// kernel.
type ReadOnly struct{ folder Folder }

// OpenReadOnly opens the folder at path, which must be there.
func OpenReadOnly(path string) (*ReadOnly, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &ReadOnly{Folder{root}}, nil
}

// Close gives the folder back. Files that were opened stay open.
func (d *ReadOnly) Close() error { return d.folder.Close() }

// Open implements FS. The file can be read.
func (d *ReadOnly) Open(name string) (File, error) {
	f, err := d.folder.root.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return reading{file{f}}, nil
}

// Settle makes durable what another process wrote to a file, or to the names of a
// folder. It changes nothing that can be read.
func (d *ReadOnly) Settle(name string) error {
	f, err := d.folder.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// List implements FS.
func (d *ReadOnly) List(dir string) ([]Info, error) { return d.folder.List(dir) }

// Create implements FS.
func (d *ReadOnly) Create(name string) (File, error) { return nil, refuse("create", name) }

// Rename implements FS.
func (d *ReadOnly) Rename(from, _ string) error { return refuse("rename", from) }

// Remove implements FS.
func (d *ReadOnly) Remove(name string) error { return refuse("remove", name) }

// MkdirAll implements FS.
func (d *ReadOnly) MkdirAll(dir string) error { return refuse("mkdir", dir) }

// SyncDir implements FS.
func (d *ReadOnly) SyncDir(dir string) error { return refuse("sync", dir) }

// Lock implements FS.
func (d *ReadOnly) Lock(name string) (io.Closer, error) { return nil, refuse("lock", name) }

func refuse(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: errReadOnly} }

// A reading is a file that can't be changed.
type reading struct{ file }

// Write implements File.
func (f reading) Write([]byte) (int, error) { return 0, refuse("write", f.Name()) }

// Truncate implements File.
func (f reading) Truncate(int64) error { return refuse("truncate", f.Name()) }

// Sync implements File.
func (f reading) Sync() error { return refuse("sync", f.Name()) }
