package backup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/disk"
	"logkeep/internal/dsse"
	"logkeep/internal/schema"
)

// A Config says what is backed up, and how.
type Config struct {
	Catalog *catalog.Catalog
	// Accounts is a disk with accounts' folders, and where on it one of them lies.
	Accounts func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string)
	Temp     string // folder for a copy of the catalog, as sensitive as the catalog
	Key      *ecdsa.PublicKey
	Sign     func(ctx context.Context, message []byte) ([]byte, error) // with that key
}

// A Result tells what was done.
type Result struct {
	Statement
	Fresh  int64    `json:"fresh"`            // bytes that no earlier backup had
	Purged []string `json:"purged,omitempty"` // earlier backups that hold rows which were purged since
}

// attempts is how often what moves while it is copied is copied anew.
const attempts = 20

// errMoved reports something that went elsewhere while it was copied.
var errMoved = errors.New("segments are replaced faster than they can be copied; try again when less is going on")

// Make makes a backup.
func Make(ctx context.Context, f *Folder, cfg Config) (out Result, err error) {
	m := &making{Folder: f, cfg: cfg, known: map[string]File{}}
	out.Began = time.Now().UTC().Truncate(time.Millisecond)
	out.Name = out.Began.Format(nameLayout)
	names, err := f.Names()
	if err != nil {
		return out, err
	}
	if n := len(names); n > 0 {
		if names[n-1] >= out.Name {
			return out, fmt.Errorf("the folder has a backup of %s, which is not before now; set the clock", names[n-1])
		}
		if err := m.after(ctx, names[n-1], &out.Statement); err != nil {
			return out, err
		}
	} else {
		out.Number = 1
	}
	for try := 1; ; try++ {
		if err = m.collect(ctx); !errors.Is(err, errMoved) || try == attempts {
			break
		}
	}
	if err != nil {
		return out, err
	}
	list, err := encode(m.list)
	if err != nil {
		return out, err
	}
	if out.List, _, err = f.put(ctx, bytes.NewReader(list)); err != nil {
		return out, err
	}
	if err := f.sync(); err != nil { // a statement never names what could still be lost
		return out, err
	}
	out.Catalog, out.Keys, out.Files, out.Ended = m.changes, m.keys, len(m.list), time.Now().UTC().Truncate(time.Millisecond)
	for _, e := range m.list {
		out.Bytes += e.Bytes
	}
	out.Fresh = m.fresh
	payload, err := json.Marshal(out.Statement)
	if err != nil {
		return out, err
	}
	signed, err := dsse.Sign(Type, payload, keyID, func(b []byte) ([]byte, error) { return cfg.Sign(ctx, b) })
	if err != nil {
		return out, fmt.Errorf("sign the backup: %w", err)
	}
	if err := f.write("backups/"+out.Name+".json", bytes.NewReader(signed.Encode())); err != nil {
		return out, err
	}
	if err := f.sync(); err != nil {
		return out, err
	}
	out.Purged, err = holding(ctx, f, names, cfg)
	return out, err
}

// A making is a backup on its way.
type making struct {
	*Folder
	cfg     Config
	known   map[string]File // segments that the backup before has, by path
	fresh   int64
	list    []Entry
	keys    []string
	changes uint64
}

// after reads the backup before: what it has of segments need not be read again.
// One that is not ours, or was changed, is not built upon.
func (m *making) after(ctx context.Context, name string, s *Statement) error {
	envelope, err := m.envelope(name)
	if err != nil {
		return err
	}
	before, err := open(envelope, name, m.cfg.Key)
	if err != nil {
		return fmt.Errorf("the folder's newest backup can't be built upon: %w; remove it or choose another folder", err)
	}
	list, err := m.entries(ctx, before)
	if err != nil {
		return fmt.Errorf("the folder's newest backup can't be built upon: %w; remove it or choose another folder", err)
	}
	for _, e := range list {
		if e.Segment() != "" && m.has(e.File) {
			m.known[path.Base(e.Path)] = e.File
		}
	}
	digest := sha256.Sum256(envelope)
	s.Number, s.Previous = before.Number+1, hex.EncodeToString(digest[:])
	return nil
}

// entries reads a statement's list.
func (f *Folder) entries(ctx context.Context, s Statement) ([]Entry, error) {
	var b bytes.Buffer
	if !digestForm().MatchString(s.List.Digest) || s.List.Bytes < 0 || s.List.Bytes > 8<<30 {
		return nil, ErrChanged
	}
	if err := f.fetch(ctx, s.List, &b); err != nil {
		return nil, err
	}
	return decode(&b)
}

// collect copies everything, in the order in which rows move.
func (m *making) collect(ctx context.Context) error {
	m.list = nil
	before, err := m.cfg.Catalog.Accounts(ctx, "")
	if err != nil {
		return err
	}
	for _, folder := range [...]string{"spool", "journal"} {
		for _, a := range before {
			if err := m.folder(ctx, a, folder); err != nil {
				return err
			}
		}
	}
	temp := path.Join(m.cfg.Temp, "catalog.backup")
	remove := func() {
		for _, suffix := range [...]string{"", "-wal", "-shm"} {
			os.Remove(temp + suffix)
		}
	}
	remove()
	defer remove()
	if err := m.catalog(ctx, temp); err != nil {
		return err
	}
	cat, err := catalog.Open(ctx, temp)
	if err != nil {
		return err
	}
	defer cat.Close()
	return m.segments(ctx, cat, before)
}

// folder copies the files of a spool or a journal, the newest first: when it is
// there, no older one grows any more.
func (m *making) folder(ctx context.Context, a catalog.Account, name string) error {
	disk, dir := m.cfg.Accounts(a.Domain, a.ID)
	dir = path.Join(dir, name)
	files, err := disk.List(dir)
	if err != nil {
		return err
	}
	for _, i := range slices.Backward(files) {
		if i.Name == "lock" || strings.HasPrefix(i.Name, ".") {
			continue
		}
		stored, err := m.copy(ctx, disk, path.Join(dir, i.Name), -1)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its rows went on, to what is copied later
		}
		if err != nil {
			return fmt.Errorf("copy %s of account %s: %w", i.Name, a.ID, err)
		}
		m.add(a, name, i.Name, stored)
	}
	return nil
}

func (m *making) add(a catalog.Account, folder, name string, f File) {
	m.list = append(m.list, Entry{path.Join("accounts", string(a.Domain), string(a.ID), folder, name), f})
}

// copy stores a file; want is its size if that is known.
func (m *making) copy(ctx context.Context, d disk.FS, name string, want int64) (File, error) {
	r, err := d.Open(name)
	if err != nil {
		return File{}, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return File{}, err
	}
	if want >= 0 && size != want {
		return File{}, fmt.Errorf("it has %d bytes, not %d; run `logkeep storage check`", size, want)
	}
	return m.store(ctx, io.NewSectionReader(r, 0, size))
}

// store puts a file, and counts it if no backup had it.
func (m *making) store(ctx context.Context, r io.Reader) (File, error) {
	stored, fresh, err := m.put(ctx, r)
	if fresh {
		m.fresh += stored.Bytes
	}
	return stored, err
}

// catalog stores a copy of the catalog, made at temp.
func (m *making) catalog(ctx context.Context, temp string) error {
	if err := m.cfg.Catalog.Copy(ctx, temp); err != nil {
		return err
	}
	r, err := os.Open(temp)
	if err != nil {
		return err
	}
	defer r.Close()
	stored, err := m.store(ctx, r)
	m.list = append(m.list, Entry{"catalog.db", stored})
	return err
}

// segments stores what the copy of the catalog names, and notes which keys it needs.
func (m *making) segments(ctx context.Context, cat *catalog.Catalog, before []catalog.Account) error {
	h, err := cat.Head(ctx)
	if err != nil {
		return err
	}
	m.changes = h.Changes
	accounts, err := cat.Accounts(ctx, "")
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	for _, a := range accounts {
		if i := slices.IndexFunc(before, func(b catalog.Account) bool { return b.ID == a.ID }); i < 0 || before[i].Domain != a.Domain {
			return errMoved // its journal was looked for elsewhere
		}
		wraps, err := cat.Wraps(ctx, a.ID)
		if err != nil {
			return err
		}
		for _, w := range wraps {
			keys[w.KID] = true
		}
		if err := m.objects(ctx, cat, a); err != nil {
			return err
		}
	}
	m.keys = slices.Sorted(maps.Keys(keys))
	return nil
}

func (m *making) objects(ctx context.Context, cat *catalog.Catalog, a catalog.Account) error {
	segments, err := cat.Segments(ctx, a.ID)
	if err != nil {
		return err
	}
	aside, err := cat.Asides(ctx, a.ID)
	if err != nil {
		return err
	}
	skip := map[schema.SegmentID]bool{}
	for _, s := range aside {
		skip[s.ID] = true
	}
	disk, dir := m.cfg.Accounts(a.Domain, a.ID)
	for _, s := range segments {
		if skip[s.ID] {
			continue
		}
		stored, ok := m.known[string(s.ID)]
		if !ok || stored.Bytes != s.Bytes {
			stored, err = m.copy(ctx, disk, path.Join(dir, "objects", string(s.ID)), s.Bytes)
			if errors.Is(err, fs.ErrNotExist) {
				if m.lost(ctx, a, s.ID) {
					return fmt.Errorf("the object of segment %s of account %s is missing; run `logkeep storage check`", s.ID, a.ID)
				}
				return errMoved
			}
			if err != nil {
				return fmt.Errorf("copy segment %s of account %s: %w", s.ID, a.ID, err)
			}
			m.known[string(s.ID)] = stored // also for another try
		}
		m.add(a, "objects", string(s.ID), stored)
	}
	return nil
}

// lost reports whether a segment whose object is missing is still one of the
// account's: then it was not replaced meanwhile.
func (m *making) lost(ctx context.Context, a catalog.Account, id schema.SegmentID) bool {
	now, err := m.cfg.Catalog.Account(ctx, a.ID)
	if err != nil || now.Domain != a.Domain {
		return false
	}
	segments, err := m.cfg.Catalog.Segments(ctx, a.ID)
	if err != nil {
		return false
	}
	aside, err := m.cfg.Catalog.Asides(ctx, a.ID)
	return err == nil && slices.ContainsFunc(segments, func(s catalog.Segment) bool { return s.ID == id }) &&
		!slices.ContainsFunc(aside, func(s catalog.Aside) bool { return s.ID == id })
}

// holding lists the backups that may have rows which were purged since: in
// segments that a purge has replaced or, where they were made before it, in
// journals and spools, of which nobody can tell without the keys.
func holding(ctx context.Context, f *Folder, names []string, cfg Config) (out []string, err error) {
	purges, err := cfg.Catalog.Purges(ctx) // oldest first
	if err != nil || len(purges) == 0 {
		return nil, err
	}
	gone := map[schema.SegmentID]bool{}
	for _, p := range purges {
		gone[p.Segment] = true
	}
	last := purges[len(purges)-1].At
	for _, name := range names {
		s, err := f.Statement(name, nil)
		if err != nil {
			continue // it can't be restored either
		}
		list, err := f.entries(ctx, s)
		if err == nil && slices.ContainsFunc(list, func(e Entry) bool {
			return gone[e.Segment()] || s.Began.Before(last) && e.Segment() == "" && e.Path != "catalog.db"
		}) {
			out = append(out, name)
		}
	}
	return out, nil
}
