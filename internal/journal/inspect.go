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
	if errors.Is(err, disk.ErrDamaged) { // files can't be told from one another
		out.Damaged = append(out.Damaged, &DamageError{"", 0, err})
		return out, nil
	}
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
		} else if errors.Is(err, disk.ErrDamaged) {
			out.Damaged = append(out.Damaged, &DamageError{info.Name, 0, err})
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
	_, frames, err := whole(f, info.Name, info.Size)
	out.Frames += frames
	return err
}

// Whole returns where the whole frames of a journal file end, of size bytes: what
// a crash left behind them was never acknowledged. It needs no key. A frame
// behind what can't be read is a DamageError.
func Whole(f io.ReaderAt, size int64) (end int64, err error) {
	end, _, err = whole(f, "", size)
	return end, err
}

func whole(f io.ReaderAt, name string, size int64) (at int64, frames int, err error) {
	head := make([]byte, min(size, fileHeaderSize))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	h, ok, err := parseFileHeader(head)
	if err != nil {
		return 0, 0, &DamageError{name, 0, err}
	}
	if ok {
		at = fileHeaderSize
	}
	n := frameHead(h.version)
	b := make([]byte, n)
	for ok && at+n <= size {
		if _, err := f.ReadAt(b, at); err != nil {
			return at, frames, err
		}
		frame, whole := parseFrameHeader(b, h.version)
		if !whole || int64(frame.length) > size-at-n {
			break
		}
		body := make([]byte, frame.length)
		if _, err := f.ReadAt(body, at+n); err != nil {
			return at, frames, err
		}
		if checksum(body) != frame.bodySum {
			break
		}
		frames++
		at += n + int64(frame.length)
	}
	if at == size {
		return at, frames, nil
	}
	// What follows a torn write is nothing; a frame behind it shows that it is damage.
	next, err := scan(f, h.version, min(at+1, size), size, max(h.first, 1), math.MaxUint64)
	if err == nil && next >= 0 {
		err = &DamageError{name, at, errors.New("bytes in the middle can't be read")}
	}
	return at, frames, err
}
