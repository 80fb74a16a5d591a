package disktest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
)

// A handle is an open file of a Memory.
type handle struct {
	m      *Memory
	n      *node
	name   string
	closed bool
}

// start runs the hook and takes the lock.
func (h *handle) start(kind string) error {
	err := h.m.before(kind, h.name)
	h.m.mu.Lock()
	if err == nil && h.closed {
		err = &fs.PathError{Op: kind, Path: h.name, Err: fs.ErrClosed}
	}
	return err
}

// ReadAt implements disk.File.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	err := h.start("read")
	defer h.m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: h.name, Err: errors.New("negative offset")}
	}
	if off >= int64(len(h.n.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, h.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements disk.File.
func (h *handle) Write(p []byte) (int, error) {
	err := h.start("write")
	defer h.m.mu.Unlock()
	n := 0
	if short, ok := errors.AsType[*Short](err); ok {
		n = min(short.N, len(p))
		err = &fs.PathError{Op: "write", Path: h.name, Err: short.Err}
	} else if err == nil {
		if n = h.m.room(len(p)); n < len(p) {
			err = &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
		}
	}
	h.n.data = append(h.n.data, p[:n]...)
	return n, err
}

// Size implements disk.File.
func (h *handle) Size() (int64, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return int64(len(h.n.data)), nil
}

// Truncate implements disk.File.
func (h *handle) Truncate(size int64) error {
	err := h.start("truncate")
	defer h.m.mu.Unlock()
	if err != nil {
		return err
	}
	// A copy, because a clone of a crash may still hold the old bytes.
	data := slices.Clone(h.n.data[:min(size, int64(len(h.n.data)))])
	h.n.data = append(data, make([]byte, size-int64(len(data)))...)
	return nil
}

// Sync implements disk.File.
func (h *handle) Sync() error {
	err := h.start("sync")
	defer h.m.mu.Unlock()
	if errors.Is(err, ErrLeftOut) {
		return nil
	}
	if err != nil {
		return err
	}
	h.n.synced = slices.Clone(h.n.data)
	return nil
}

// Close implements disk.File.
func (h *handle) Close() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.closed {
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
