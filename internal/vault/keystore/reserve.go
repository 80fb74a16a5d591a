package keystore

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A reserve is room on the disk for the day when there is none: logs that fill it
// must not keep a customer from disabling his key. It is a file of nothing. A
// change for which the disk is too full removes it and is made again; afterwards
// what is left of the room is taken back, so that it is there for the next one and
// rows, which come all the time, don't get it. Audit records have no part in it.
type reserve struct {
	path  string
	whole bool
}

// The name is on disk, and known to package inventory.
const (
	reserveName  = "reserve"
	reserveBytes = 1 << 20  // some twenty changes of a key
	leastReserve = 16 << 10 // less does not carry a change
)

// keep takes as much room as there is, up to reserveBytes, unless that was taken.
// It is tried again with every change, so failing is no error.
func (r *reserve) keep() {
	if r.whole || r.path == "" {
		return
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	for size := int64(reserveBytes); size >= leastReserve; size -= leastReserve {
		switch err := room(f, size); {
		case err == nil:
			r.whole = size == reserveBytes
			return
		case !errors.Is(err, unix.ENOSPC):
			return
		}
	}
}

// room makes the file take size bytes of the disk.
func room(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		_, err = f.WriteAt(make([]byte, size), 0)
	}
	return err
}

// spend gives the room back to the disk. It reports whether there was any.
func (r *reserve) spend() bool {
	if r.path == "" {
		return false
	}
	r.whole = false
	return os.Remove(r.path) == nil
}

func reserveIn(dir string) reserve { return reserve{path: filepath.Join(dir, reserveName)} }
