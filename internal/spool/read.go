package spool

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"logkeep/internal/disk"
	"logkeep/internal/wrap"
)

// A Folder is a spool as whoever imports it sees it.
type Folder struct {
	fs      disk.FS
	dir     string
	through uint64 // files above it are not ours to touch
	floor   uint64 // files up to it were imported before
	pub     *ecdsa.PublicKey
	at      wrap.Place // tenant, cluster, account
}

// OpenFolder gives the spool in dir of the account at. Files above through are
// left alone; files up to floor were imported once.
func OpenFolder(fsys disk.FS, dir string, at wrap.Place, pub *ecdsa.PublicKey, floor, through uint64) *Folder {
	return &Folder{fsys, dir, through, floor, pub, at}
}

// A File is a file of a spool, taken apart.
type File struct {
	Number uint64
	Key    wrap.SpoolKey // whose signature and place are right
	Torn   int           // bytes that were not acknowledged

	// Missing counts batches before the last that were taken out of the file.
	Missing int

	f      *Folder
	whole  bool // nothing of it can be used
	why    error
	head   []byte
	digest [32]byte
	writer ed25519.PublicKey
	frames []frame
	bad    [][]byte // what is set aside
}

// Next gives the oldest file; ok is false if there is none. An error is of the
// disk, or ErrNewer: what is wrong with the file's bytes is the file's.
func (f *Folder) Next() (file *File, ok bool, err error) {
	infos, err := f.fs.List(f.dir)
	if err != nil {
		return nil, false, fmt.Errorf("spool %s: %w", f.dir, err)
	}
	for _, info := range infos { // 16 digits: sorted by name is sorted by number
		n, ours := number(info.Name, suffix)
		if !ours || n > f.through {
			continue
		}
		b, err := slurp(f.fs, path.Join(f.dir, info.Name))
		if errors.Is(err, ErrTooLong) {
			return &File{Number: n, f: f, whole: true, why: err}, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("spool %s: %w", f.dir, err)
		}
		if file = f.parse(n, b); errors.Is(file.why, ErrNewer) {
			return nil, false, fmt.Errorf("spool %s: file %d: %w", f.dir, n, file.why) // set aside, it would not come back with the right release
		}
		return file, true, nil
	}
	return nil, false, nil
}

func (f *Folder) parse(n uint64, b []byte) *File {
	file := &File{Number: n, f: f}
	h, length, whole, err := parseHeader(b)
	switch {
	case err != nil:
	case !whole:
		file.Torn = len(b) // it was never begun to the end: nothing in it was acknowledged
		return file
	case h.Number != n:
		err = fmt.Errorf("%w: it is file %d", ErrTampered, h.Number)
	case n <= f.floor:
		err = errors.New("a file of its number was imported before")
	default:
		at := f.at
		at.Generation = h.Key.Generation
		if err = h.Key.Open(f.pub, at); err == nil {
			err = h.Writer.Verify(f.pub)
		}
		if err == nil && len(h.Writer.Public) != ed25519.PublicKeySize {
			err = fmt.Errorf("%w: its writer has no key", ErrTampered)
		}
	}
	if err != nil {
		file.whole, file.why = true, err
		return file
	}
	file.Key, file.head, file.writer = h.Key, b[:length], h.Writer.Public
	file.digest = sha256.Sum256(file.head)
	file.frames, file.bad, file.Torn = frames(b[length:])
	return file
}

// Useless tells why nothing of the file can be used; nil if some may be.
func (f *File) Useless() error { return f.why }

// Open gives the batches that were put into the file and can be opened. The
// rest is counted as set aside.
func (f *File) Open(private Private) []Batch {
	var all []Batch
	var last uint64
	damaged := len(f.bad)
	for _, r := range f.frames {
		if r.sequence <= last || !ed25519.Verify(f.writer, signed(f.digest, r.sequence, r.head, r.sealed), r.sum) {
			f.bad, damaged = append(f.bad, r.raw), damaged+1
			continue
		}
		payload, err := open(f.Key, private, r.head, r.sealed)
		if err != nil {
			f.bad, damaged = append(f.bad, r.raw), damaged+1
			continue
		}
		f.Missing += int(r.sequence - last - 1)
		last = r.sequence
		b := r.batch
		b.Payload = payload
		all = append(all, b)
	}
	f.Missing = max(0, f.Missing-damaged)
	return all
}

// SetAside says that a batch that Open gave can't be used.
func (f *File) SetAside(id [16]byte) {
	for _, r := range f.frames {
		if r.batch.ID == id {
			f.bad = append(f.bad, r.raw)
		}
	}
}

// Aside is how many batches are set aside.
func (f *File) Aside() int {
	if f.whole {
		return 1
	}
	return len(f.bad)
}

// Remove removes the file, durably, when what was good in it is durable
// elsewhere. What is set aside is kept as it is, in a file of its own.
func (f *File) Remove() error {
	if err := f.remove(); err != nil {
		return fmt.Errorf("spool %s: file %d: %w", f.f.dir, f.Number, err)
	}
	return nil
}

func (f *File) remove() error {
	from, aside := path.Join(f.f.dir, fileName(f.Number)), path.Join(f.f.dir, asideName(f.Number))
	switch {
	case f.whole:
		if err := f.f.free(aside); err != nil {
			return err
		}
		if err := f.f.fs.Rename(from, aside); err != nil {
			return err
		}
		return f.f.fs.SyncDir(f.f.dir)
	case len(f.bad) > 0:
		if err := f.keep(aside); err != nil {
			return err
		}
	}
	if err := f.f.fs.Remove(from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.f.fs.SyncDir(f.f.dir)
}

// keep writes what is set aside. One that a crash left half-written is made anew.
func (f *File) keep(name string) error {
	if err := f.f.free(name); err != nil {
		return err
	}
	h, err := f.f.fs.Create(name)
	if err != nil {
		return err
	}
	_, err = h.Write(bytes.Join(slices.Concat([][]byte{f.head}, f.bad), nil))
	return errors.Join(err, h.Sync(), h.Close(), f.f.fs.SyncDir(f.f.dir))
}

// free removes a file that may be there.
func (f *Folder) free(name string) error {
	if err := f.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
