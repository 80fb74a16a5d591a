// Package bucket keeps sealed objects where many machines can reach them: in
// S3, in Azure Blob Storage, or, for who reads all that an installation has, in
// the data directory. design/0035 says why things are as they are.
//
//	Bucket    the seam: named objects, whole or not at all
//	Patient   tries again what failed for no lasting reason
//	Folder    an account in a bucket as a disk.FS: what the store is built on
//
// Names are slash-separated; every account's begin with its id:
//
//	ACCOUNT/objects/ID             a segment (package blob)
//	ACCOUNT/journal/N.journal/OFF  a part of a journal file (docs/format/bucket.md)
//	ACCOUNT/changes/SEQ            a change of the manifest
//	ACCOUNT/owner                  who writes the account
//
// The package moves sealed bytes and can open none.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// A Reader shows what objects there are. All methods may be called concurrently.
type Reader interface {
	// List returns all objects whose names begin with prefix, sorted by name.
	List(ctx context.Context, prefix string) ([]Info, error)
	// ReadAt fills p with the bytes of an object from offset off on. Like an
	// io.ReaderAt it returns io.EOF with what there is if the object ends before.
	// An object that isn't there is fs.ErrNotExist.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (n int, err error)
	// Size returns how many bytes an object has.
	Size(ctx context.Context, name string) (int64, error)
}

// A Bucket keeps objects. What a call did is durable, and seen by every later
// call of anybody, when it returns nil. After an error that is none of those
// named here nobody knows what it did, or will do yet.
type Bucket interface {
	Reader
	// Put makes an object. If there is one of the name it stays as it is, and the
	// answer is fs.ErrExist: of two who put one name, one wins. The bucket must not
	// keep b.
	Put(ctx context.Context, name string, b []byte) error
	// Replace makes an object, in place of the one that may be there.
	Replace(ctx context.Context, name string, b []byte) error
	// Remove removes an object. Removing what isn't there is no error.
	Remove(ctx context.Context, name string) error
}

// Info describes an object.
type Info struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Sort sorts a list by name.
func Sort(all []Info) {
	slices.SortFunc(all, func(x, y Info) int { return strings.Compare(x.Name, y.Name) })
}

// ErrRefused reports that the bucket's service refuses us: trying again does not help.
var ErrRefused = errors.New("the object store refuses")

// ErrSilent reports that the bucket's service did not do what it was asked, for as
// long as it was worth trying.
var ErrSilent = errors.New("the object store does not answer")

// Gone reports whether an error says that an object is not there.
func Gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// MaxName is how long a name may be.
const MaxName = 400

// CheckName demands that a name is one: it is what handlers ask before they
// believe a stranger.
func CheckName(name string) error {
	ok := len(name) <= MaxName && fs.ValidPath(name) && name != "."
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_./", c) >= 0
	}
	if !ok {
		return fmt.Errorf("internal error: %q is no name of an object", name)
	}
	return nil
}

// lasting reports whether an error stays however often one tries.
func lasting(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, ErrRefused) ||
		errors.Is(err, fs.ErrInvalid) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
