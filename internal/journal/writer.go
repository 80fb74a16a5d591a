package journal

import (
	"errors"
	"fmt"
	"path"

	"logkeep/internal/disk"
	"logkeep/internal/seal"
)

// A writer writes groups to the newest file. It is used with the turn only.
type writer struct {
	cfg      Config
	keys     seal.Keys
	number   uint64          // of the newest file there ever was
	next     uint64          // number of the next unit
	previous seal.Commitment // of the last durable frame

	file  disk.File // nil: the next write begins a file
	name  string    // of file
	size  int64     // durable bytes of file
	heads []byte    // of a group, without its payloads; kept, as parts is
	parts [][]byte
	seal  seal.Messenger
}

// write seals group and makes it durable. If it began a file it returns its
// name. If it fails nothing has changed but that the file may have been left.
func (w *writer) write(group []*request) (begun string, err error) {
	heads := groupOverhead
	for _, r := range group {
		heads += headSize(r.entries)
	}
	w.heads = sized(w.heads, heads)
	w.parts = groupParts(w.parts[:0], w.heads, group)
	w.seal.Room = fileHeaderSize + frameHeaderSize
	_, commitment, err := w.seal.Seal(w.keys, framePlace(w.cfg.Place, w.next, w.previous), w.parts...)
	clear(w.parts) // the rows are their senders'
	if err != nil {
		return "", err
	}

	out := w.seal.Framed(frameHeaderSize)
	putFrameHeader(out, w.next, w.previous)
	if w.file == nil {
		if err := w.begin(); err != nil {
			return "", err
		}
		begun = w.name
		out = w.seal.Framed(fileHeaderSize + frameHeaderSize)
		appendFileHeader(out[:0], fileHeader{fileVersion, w.keys.Generation, w.next, w.previous})
	}

	n, err := w.file.Write(out)
	if err == nil && n != len(out) {
		err = errors.New("short write")
	}
	if err != nil {
		return "", w.undo(err, false)
	}
	if err := w.file.Sync(); err != nil {
		return "", w.undo(err, true)
	}
	if begun != "" {
		if err := w.cfg.FS.SyncDir(w.cfg.Dir); err != nil {
			return "", w.undo(err, true)
		}
	}
	w.size += int64(len(out))
	w.next += uint64(len(group))
	w.previous = commitment
	return begun, nil
}

func (w *writer) begin() error {
	w.number++ // even if it fails: the name may be taken by what a failure left
	name := fileName(w.number)
	f, err := w.cfg.FS.Create(path.Join(w.cfg.Dir, name))
	if err != nil {
		return err
	}
	w.file, w.name, w.size = f, name, 0
	return nil
}

// undo takes back what a failed write may have left in the file. After a
// failed sync the file is left as well: what the disk has of it is unknown, and
// a later sync would not tell. What can't be taken back is void once the next
// file begins with the same number.
func (w *writer) undo(cause error, syncFailed bool) error {
	if w.size == 0 { // this write began it
		f, name := w.file, w.name
		w.file = nil
		return errors.Join(cause, quiet(f.Close()), quiet(w.cfg.FS.Remove(path.Join(w.cfg.Dir, name))))
	}
	if err := w.file.Truncate(w.size); err != nil || syncFailed {
		w.leave()
	}
	return cause
}

// quiet keeps the text of a follow-up error, but not its identity: callers act
// on what failed first.
func quiet(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("then: %v", err)
}

// leave closes the file; the next write begins a new one.
func (w *writer) leave() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file, w.size = nil, 0
	return f.Close()
}

// sized returns an empty buffer with room for n bytes, b's if it is large
// enough and not far too large.
func sized(b []byte, n int) []byte {
	if cap(b) < n || cap(b) > 4*maxGroup && n < maxGroup {
		return make([]byte, 0, n)
	}
	return b[:0]
}
