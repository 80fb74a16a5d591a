package blob

import (
	"context"
	"errors"
	"fmt"

	"logkeep/internal/disk"
	"logkeep/internal/seal"
)

var _ seal.Sink = (*Writer)(nil)

// A Writer writes one object. It is a seal.Sink. It is not safe for concurrent use.
type Writer struct {
	s                 *Store
	f                 disk.File
	name, temp, final string
	size              int64
	err               error
	done              bool
}

// WriteSealed appends b. After an error the object can only be aborted.
func (w *Writer) WriteSealed(b seal.Sealed) error {
	if w.done {
		return fmt.Errorf("internal error: write to object %s after its end", w.name)
	}
	if w.err != nil {
		return w.err
	}
	n, err := b.WriteTo(w.f)
	w.size += n
	if err != nil {
		w.err = fmt.Errorf("write object %s: %w", w.name, err)
	}
	return w.err
}

// Size returns the number of bytes written so far.
func (w *Writer) Size() int64 { return w.size }

// Commit makes the object durable and visible. If it fails the object is gone;
// only a failure to sync the folder leaves it open whether it is.
func (w *Writer) Commit(ctx context.Context) error {
	if w.done {
		return fmt.Errorf("internal error: commit of object %s after its end", w.name)
	}
	err := w.err
	if err == nil {
		err = ctx.Err()
	}
	// In this order: bytes, name, folder. A name never shows an object whose
	// bytes could still be lost.
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("commit object %s: %w", w.name, err), w.Abort())
	}
	w.done = true
	if err := w.f.Close(); err != nil {
		return errors.Join(fmt.Errorf("commit object %s: %w", w.name, err), w.s.fs.Remove(w.temp))
	}
	if err := w.s.fs.Rename(w.temp, w.final); err != nil {
		return errors.Join(fmt.Errorf("commit object %s: %w", w.name, err), w.s.fs.Remove(w.temp))
	}
	if err := w.s.fs.SyncDir(w.s.dir); err != nil {
		return errors.Join(fmt.Errorf("commit object %s: %w", w.name, err), w.s.fs.Remove(w.final))
	}
	return nil
}

// Abort drops the object. After Commit or Abort it does nothing, so it can be
// deferred.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	if err := errors.Join(w.f.Close(), w.s.fs.Remove(w.temp)); err != nil {
		return fmt.Errorf("abort object %s: %w", w.name, err)
	}
	return nil
}
