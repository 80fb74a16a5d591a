package server

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"logkeep/internal/wholefile"
)

// format is the version of the data directory as a whole. It is on disk.
const format = "logkeep data 1\n"

// A folder is the data directory, held by this process alone.
type folder struct {
	path string
	lock *os.File
	// fresh reports that there was nothing in it.
	fresh bool
}

// openFolder makes or opens the data directory. It refuses one that another
// server uses, that a newer version wrote, or that is something else.
func openFolder(path string) (_ *folder, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s is in use by another server; stop that one, or choose another --data-dir", path)
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	f := &folder{path: path, lock: lock}
	text, err := os.ReadFile(f.in("FORMAT"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Name() != "LOCK" && e.Name() != "logkeep.pid" && e.Name() != "logkeep.log" && !strings.HasPrefix(e.Name(), ".write-") {
				return nil, fmt.Errorf("%s holds %q but is no data directory of Logkeep; choose an empty folder as --data-dir", path, e.Name())
			}
		}
		f.fresh = true
		return f, nil
	case err != nil:
		return nil, err
	case string(text) != format:
		if strings.HasPrefix(string(text), "logkeep data ") {
			return nil, fmt.Errorf("%s was written by another version of Logkeep (%q); this one reads %q", path, strings.TrimSpace(string(text)), strings.TrimSpace(format))
		}
		return nil, fmt.Errorf("%s is damaged: its FORMAT file is not Logkeep's", path)
	}
	return f, f.whole()
}

// whole refuses a folder that lost a part: to make that part anew would hide
// the loss and make what is left worthless. The parts are made in this order.
func (f *folder) whole() error {
	made := []string{filepath.Join("vault", "vault.db"), "catalog.db", "accounts"}
	if _, err := os.Stat(f.in("storage")); err == nil {
		made = made[:2] // the rows are elsewhere
	}
	missing := ""
	for _, part := range made {
		_, err := os.Stat(f.in(part))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if missing == "" {
				missing = part
			}
		case err != nil:
			return err
		case missing != "":
			return fmt.Errorf("%s is damaged: it has %s but not %s; restore the folder from a backup, nothing was changed", f.path, part, missing)
		}
	}
	return nil
}

func (f *folder) in(names ...string) string {
	return filepath.Join(append([]string{f.path}, names...)...)
}

// begin marks a fresh folder as Logkeep's.
func (f *folder) begin() error {
	if !f.fresh {
		return nil
	}
	return writeFile(f.in("FORMAT"), []byte(format), 0o600)
}

// close gives the directory back at once: a child that is being started may hold
// a copy of the descriptor until it has become another program.
func (f *folder) close() {
	unix.Flock(int(f.lock.Fd()), unix.LOCK_UN)
	f.lock.Close()
}

// writeFile puts a small file in place durably, in a folder that may have to be
// made. One that is as it should be is left alone: a start needs no room on a disk
// that is full.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	if is, err := os.ReadFile(path); err == nil && bytes.Equal(is, b) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm() == mode {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return wholefile.Write(path, b, mode)
}
