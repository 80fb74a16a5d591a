// Package disk is the one place that knows what makes a file durable. The
// packages that store sealed bytes use it through FS, so that their tests can
// run on a disk in memory that crashes and fills up (package disktest).
//
// # Contract of an FS
//
// Names are slash-separated, relative to the folder that the FS was opened on,
// and can't leave it. What a method did can be seen by others at once, but is
// lost in a crash unless:
//
//   - a file's bytes: File.Sync returned nil after they were written;
//   - a file's being there, its new name, its removal: SyncDir of the folder
//     (of both, for a rename between two) returned nil afterwards;
//   - folders: MkdirAll returned nil. It syncs by itself.
//
// Without these a crash may keep any part: bytes in any order, zeros instead
// of bytes, the name without the bytes. After a failed Sync nothing is known
// about what was written since the last good one; trying again proves nothing.
//
// Errors wrap fs.ErrExist, fs.ErrNotExist, ErrLocked and the system's error
// numbers, so that callers can ask errors.Is(err, syscall.ENOSPC).
//
// The package moves bytes and doesn't ask what they are. Only packages that
// take seal.Sealed may write through it; the fences of internal/arch say which.
package disk

import (
	"errors"
	"io"
)

// ErrLocked reports that another process, or another part of this one, holds a lock.
var ErrLocked = errors.New("in use by another process")

// ErrDamaged reports a file of which the disk can tell by itself that it has not
// the bytes that were written. The error names what is wrong.
var ErrDamaged = errors.New("it is damaged; restore it from a backup")

// FS is a folder. All methods may be called concurrently.
type FS interface {
	// Create makes a new, empty file. It is an error if the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading and appending.
	Open(name string) (File, error)
	// Rename moves a file, replacing what had the name to.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// List returns the files in dir, not folders, sorted by name. A folder
	// that isn't there has none.
	List(dir string) ([]Info, error)
	// MkdirAll makes dir and its parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes the entries of dir durable.
	SyncDir(dir string) error
	// Lock takes the lock called name until the Closer is closed or the
	// process ends, or returns ErrLocked at once.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt may be called concurrently with anything.
type File interface {
	io.ReaderAt
	// Write appends. It returns how much was appended before an error.
	io.Writer
	// Size returns the number of bytes, durable or not.
	Size() (int64, error)
	// Truncate cuts the file to size bytes; the next Write appends there.
	Truncate(size int64) error
	// Sync makes the bytes and the size durable.
	Sync() error
	Close() error
}

// Info describes a file in a folder.
type Info struct {
	Name string // without the folder
	Size int64
}
