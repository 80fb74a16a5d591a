package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Modes: nobody but the owner has any business here.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// A Folder is an FS on a folder of the operating system. Neither names nor
// symbolic links lead out of it.
type Folder struct{ root *os.Root }

// OpenFolder opens the folder at path, and makes it if it isn't there.
func OpenFolder(path string) (*Folder, error) {
	if err := os.MkdirAll(path, folderMode); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Folder{root}, nil
}

// Close gives the folder back. Files that were opened stay open.
func (d *Folder) Close() error { return d.root.Close() }

// Create implements FS.
func (d *Folder) Create(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, fileMode)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Open implements FS.
func (d *Folder) Open(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Rename implements FS.
func (d *Folder) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements FS.
func (d *Folder) Remove(name string) error { return d.root.Remove(name) }

// List implements FS.
func (d *Folder) List(dir string) ([]Info, error) {
	entries, err := fs.ReadDir(d.root.FS(), path.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Info{e.Name(), info.Size()})
	}
	return out, nil
}

// MkdirAll implements FS.
func (d *Folder) MkdirAll(dir string) error {
	dir = path.Clean(dir)
	if err := d.root.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	for dir != "." { // each folder is an entry in its parent
		dir = path.Dir(dir)
		if err := d.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir implements FS.
func (d *Folder) SyncDir(dir string) error {
	f, err := d.root.Open(path.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Lock implements FS. The lock is the kernel's and dies with the process; the
// file stays, because removing it would let two processes lock two files of
// one name.
func (d *Folder) Lock(name string) (io.Closer, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// A file is an *os.File opened with O_APPEND.
type file struct{ *os.File }

// Size implements File.
func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync implements File. fdatasync writes the size as well, but not the time
// of modification, which nobody here reads.
func (f file) Sync() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	if err := raw.Control(func(fd uintptr) {
		for {
			if syncErr = unix.Fdatasync(int(fd)); !errors.Is(syncErr, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	if syncErr != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: syncErr}
	}
	return nil
}
