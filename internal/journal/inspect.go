package journal

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"path"

	"logkeep/internal/disk"
)

// An Inspected is what can be said of a journal without its keys.
type Inspected struct {
	Files, Frames int
	Bytes         int64
	Damaged       []*DamageError
}

// Inspect checks the form of a journal's files: headers, lengths and checksums of
// frames. Whether they are what was written is for who has the keys. A journal
// that is written meanwhile may end torn, as after a crash; that is no damage.
func Inspect(fsys disk.FS, dir string) (out Inspected, err error) {
	infos, err := fsys.List(dir)
	if err != nil {
		return out, err
	}
	for _, info := range infos {
		if _, ok := fileNumber(info.Name); !ok {
			continue
		}
		err := inspect(fsys, dir, info, &out)
		if damaged, ok := errors.AsType[*DamageError](err); ok {
			out.Damaged = append(out.Damaged, damaged)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) { // released meanwhile
			return out, err
		}
	}
	return out, nil
}

func inspect(fsys disk.FS, dir string, info disk.Info, out *Inspected) error {
	f, err := fsys.Open(path.Join(dir, info.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	out.Files++
	out.Bytes += info.Size
	head := make([]byte, min(info.Size, fileHeaderSize))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h, ok, err := parseFileHeader(head)
	if err != nil {
		return &DamageError{info.Name, 0, err}
	}
	at := int64(fileHeaderSize)
	if !ok {
		at = 0
	}
	var b [frameHeaderSize]byte
	for ok && at+frameHeaderSize <= info.Size {
		if _, err := f.ReadAt(b[:], at); err != nil {
			return err
		}
		frame, whole := parseFrameHeader(b[:])
		if !whole || int64(frame.length) > info.Size-at-frameHeaderSize {
			break
		}
		body := make([]byte, frame.length)
		if _, err := f.ReadAt(body, at+frameHeaderSize); err != nil {
			return err
		}
		if checksum(body) != frame.bodySum {
			break
		}
		out.Frames++
		at += frameHeaderSize + int64(frame.length)
	}
	if at == info.Size {
		return nil
	}
	// What follows a torn write is nothing; a frame behind it shows that it is damage.
	next, err := scan(f, min(at+1, info.Size), info.Size, max(h.first, 1), math.MaxUint64)
	if err != nil {
		return err
	}
	if next >= 0 {
		return &DamageError{info.Name, at, errors.New("bytes in the middle can't be read")}
	}
	return nil
}
