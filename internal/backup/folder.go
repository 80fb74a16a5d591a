package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"logkeep/internal/dsse"
)

var digestForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

// A Folder is a folder of backups.
type Folder struct {
	root  *os.Root
	path  string
	lock  *os.File        // nil: for reading
	dirty map[string]bool // folders whose entries are not durable

	durable func(*os.File) error    // makes a file or a folder so: Sync, but for tests
	room    func(what string) error // says whether there is room for a change: always, but for tests
}

func always(string) error { return nil }

// Open opens a folder of backups for reading.
func Open(path string) (*Folder, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	text, err := f.root.ReadFile("FORMAT")
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s has no backups of Logkeep: %w", path, ErrNone)
	} else if err == nil && string(text) != format {
		err = fmt.Errorf("%s was written by another version of Logkeep (%.40q); this one reads %q", path, strings.TrimSpace(string(text)), strings.TrimSpace(format))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func openFolder(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNone)
	}
	if err != nil {
		return nil, err
	}
	return &Folder{root: root, path: path, dirty: map[string]bool{}, durable: (*os.File).Sync, room: always}, nil
}

// Create opens a folder for writing, made if it is missing. A folder that holds
// something else is refused, and one that somebody else writes.
func Create(path string) (_ *Folder, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.lock, err = f.root.OpenFile("LOCK", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("a backup to %s runs already; wait for its end", path)
	} else if err != nil {
		return nil, err
	}
	text, err := f.root.ReadFile("FORMAT")
	switch {
	case err == nil && string(text) == format:
	case err == nil:
		return nil, fmt.Errorf("%s was written by another version of Logkeep; choose another folder", path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		there, err := fs.ReadDir(f.root.FS(), ".")
		if err != nil {
			return nil, err
		}
		if len(there) > 1 {
			return nil, fmt.Errorf("%s is not empty and has no backups; choose an empty folder, or one with backups", path)
		}
		if err := f.write("FORMAT", strings.NewReader(format)); err != nil {
			return nil, err
		}
	}
	for _, dir := range [...]string{"files", "backups"} {
		if err := f.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	f.dirty["."] = true
	return f, f.sync()
}

// Close gives the folder back.
func (f *Folder) Close() error {
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	return errors.Join(err, f.root.Close())
}

// write puts a whole file into its place; its name is not durable before sync.
func (f *Folder) write(name string, r io.Reader) error {
	var suffix [8]byte
	rand.Read(suffix[:]) // crypto/rand never fails
	temp := ".write-" + hex.EncodeToString(suffix[:])
	_, err := f.receive(temp, r)
	if err == nil {
		err = f.rename(temp, name)
	}
	if err != nil {
		f.root.Remove(temp)
		return err
	}
	f.dirty[parent(name)] = true
	return nil
}

func (f *Folder) receive(name string, r io.Reader) (n int64, err error) {
	if err := f.room("create"); err != nil {
		return 0, err
	}
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(roomy{file, f.room}, r)
	if err == nil {
		err = f.durable(file)
	}
	return n, errors.Join(err, file.Close())
}

// A roomy file asks for room before each write. Where there is none a part of what
// is written is there all the same, as on a full disk.
type roomy struct {
	file *os.File
	room func(string) error
}

func (w roomy) Write(b []byte) (int, error) {
	if err := w.room("write"); err != nil {
		n, _ := w.file.Write(b[:len(b)/2])
		return n, err
	}
	return w.file.Write(b)
}

func (f *Folder) mkdir(name string) error {
	if err := f.room("mkdir"); err != nil {
		return err
	}
	return f.root.Mkdir(name, 0o700)
}

func (f *Folder) rename(from, to string) error {
	if err := f.room("rename"); err != nil {
		return err
	}
	return f.root.Rename(from, to)
}

func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return "."
}

// put stores a file under its digest; fresh tells that it was not there.
func (f *Folder) put(ctx context.Context, r io.Reader) (out File, fresh bool, err error) {
	var suffix [8]byte
	rand.Read(suffix[:])
	temp := ".write-" + hex.EncodeToString(suffix[:])
	digest := sha256.New()
	defer func() {
		if err != nil {
			f.root.Remove(temp) // what is left over would take room that lacks already
		}
	}()
	if out.Bytes, err = f.receive(temp, io.TeeReader(reader{ctx, r}, digest)); err != nil {
		return out, false, err
	}
	out.Digest = hex.EncodeToString(digest.Sum(nil))
	if f.has(out) {
		return out, false, f.root.Remove(temp)
	}
	dir := "files/" + out.Digest[:2]
	if err := f.mkdir(dir); err == nil {
		f.dirty["files"] = true
	} else if !errors.Is(err, fs.ErrExist) {
		return out, false, err
	}
	f.dirty[dir] = true
	return out, true, f.rename(temp, at(out))
}

// A reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func at(f File) string { return "files/" + f.Digest[:2] + "/" + f.Digest }

// has reports whether a file is stored, by its size.
func (f *Folder) has(file File) bool {
	info, err := f.root.Stat(at(file))
	return err == nil && info.Size() == file.Bytes
}

// sync makes the names of all that was written durable.
func (f *Folder) sync() error {
	for dir := range f.dirty {
		d, err := f.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.durable(d), d.Close()); err != nil {
			return err
		}
		delete(f.dirty, dir)
	}
	return nil
}

// fetch copies a stored file and refuses one that is not what was stored.
func (f *Folder) fetch(ctx context.Context, file File, to io.Writer) error {
	r, err := f.root.Open(at(file))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file %s of the backup is missing: %w", file.Digest, ErrChanged)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, digest), reader{ctx, io.LimitReader(r, file.Bytes+1)})
	if err != nil {
		return err
	}
	if n != file.Bytes || hex.EncodeToString(digest.Sum(nil)) != file.Digest {
		return fmt.Errorf("the file %s of the backup: %w", file.Digest, ErrChanged)
	}
	return nil
}

// Names lists the backups in the folder, oldest first.
func (f *Folder) Names() ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), "backups")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && nameForm().MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// envelope reads the signed statement of a backup.
func (f *Folder) envelope(name string) ([]byte, error) {
	if !nameForm().MatchString(name) {
		return nil, fmt.Errorf("%.60q is no name of a backup: %w", name, ErrNone)
	}
	r, err := f.root.Open("backups/" + name + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup %s: %w", name, ErrNone)
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, dsse.MaxSize))
}
