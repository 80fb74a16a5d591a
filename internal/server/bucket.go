package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cache"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/disk"
	"logkeep/internal/domain"
	"logkeep/internal/schema"
	"logkeep/internal/spool"
)

// bucketPatience is how long what fails for no lasting reason is tried.
const bucketPatience = 15 * time.Second

// installationName is the object that says whose a bucket is.
const installationName = "installation"

// storedName is the file of the data directory that says where the accounts lie.
const storedName = "storage"

// A stored is what the file "storage" of the data directory says: where the
// accounts lie, and by what the bucket is recognised.
type stored struct {
	Place        string `json:"place"`
	Installation string `json:"installation"`
}

// openStorage opens what --storage names. accounts is the folder of accounts; the
// Storage is nil if they lie in it with all that they have.
func openStorage(ctx context.Context, cfg Config, dir *folder, undo *stack) (accounts string, s *domain.Storage, err error) {
	accounts = dir.in("accounts")
	known, err := readStored(dir)
	if err != nil {
		return "", nil, err
	}
	if cfg.Storage == "" || strings.HasPrefix(cfg.Storage, "file:") {
		accounts, err = localAccounts(cfg.Storage, accounts, dir, known)
		return accounts, nil, err
	}
	if known == nil {
		if entries, err := os.ReadDir(accounts); err == nil && len(entries) > 0 {
			return "", nil, fmt.Errorf("%s keeps its rows on the local disk; to keep rows in %s, begin with an empty --data-dir", dir.path, withoutParameters(cfg.Storage))
		}
	}
	c, err := cloud.Open(ctx, cfg.Storage)
	if err != nil {
		return "", nil, err
	}
	undo.push(func() { c.Close() })
	if known != nil && strings.HasPrefix(known.Place, "file:") {
		return "", nil, fmt.Errorf("%s keeps its rows in %s; name it with --storage", dir.path, known.Place)
	}
	if err := c.Check(ctx); err != nil {
		return "", nil, err
	}
	patient := &bucket.Patient{Bucket: c, Patience: bucketPatience}
	if err := recognise(ctx, patient, c.String(), dir, known); err != nil {
		return "", nil, err
	}
	hot, err := cache.Open(cache.Config{Bucket: patient, Dir: dir.in("cache"), Bytes: cfg.CacheBytes, Log: cfg.Log})
	if err != nil {
		return "", nil, err
	}
	undo.push(hot.Close)
	return accounts, &domain.Storage{Where: c.String(), Bucket: patient, Cache: hot}, nil
}

func withoutParameters(raw string) string {
	place, _, _ := strings.Cut(raw, "?")
	return place
}

// localAccounts is the folder of accounts where --storage is left out, or file:///PATH.
func localAccounts(raw, accounts string, dir *folder, known *stored) (string, error) {
	place := ""
	if raw != "" {
		path, err := localPath(raw)
		if err != nil {
			return "", err
		}
		if path != accounts {
			accounts, place = path, "file://"+path
		}
	}
	switch {
	case known == nil && place == "", known != nil && known.Place == place:
		return accounts, nil
	case known != nil:
		return "", fmt.Errorf("%s keeps its rows in %s; name it with --storage", dir.path, known.Place)
	}
	if entries, err := os.ReadDir(dir.in("accounts")); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s keeps its rows in its folder accounts; to keep them in %s, move what is in it there first", dir.path, place)
	}
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		return "", fmt.Errorf("storage %s: %w", place, err)
	}
	return accounts, writeStored(dir.in(storedName), stored{Place: place})
}

// localPath is the folder that file:///PATH names.
func localPath(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) || u.RawQuery != "" {
		return "", fmt.Errorf("storage %s is no file:///PATH", withoutParameters(raw))
	}
	return filepath.Clean(u.Path), nil
}

func readStored(dir *folder) (*stored, error) {
	return readStoredFile(dir.in(storedName), dir.path)
}

func readStoredFile(path, dir string) (*stored, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s stored
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: its file %s can't be read: %w", dir, filepath.Base(path), err)
	}
	return &s, nil
}

func writeStored(path string, s stored) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'), 0o600)
}

// recognise demands that the bucket is this installation's. A new one becomes it.
func recognise(ctx context.Context, b bucket.Bucket, where string, dir *folder, known *stored) error {
	if known == nil {
		known = &stored{Place: where, Installation: rand.Text()}
		if err := writeStored(dir.in(storedName), *known); err != nil {
			return err
		}
		err := b.Put(ctx, installationName, []byte(known.Installation))
		if err == nil {
			return nil
		}
		os.Remove(dir.in(storedName))
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("storage %s belongs to another installation; name another prefix, as in s3://BUCKET/PREFIX", where)
		}
		return err
	}
	if err := demandOurs(ctx, b, where, known); err != nil {
		return err
	}
	if known.Place != where { // it was moved
		known.Place = where
		return writeStored(dir.in(storedName), *known)
	}
	return nil
}

// demandOurs demands that a bucket is the known one.
func demandOurs(ctx context.Context, b bucket.Reader, where string, known *stored) error {
	have := make([]byte, 64)
	n, err := b.ReadAt(ctx, installationName, have, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("storage %s is not the one that this data directory knows (%s): it has no object %s", where, known.Place, installationName)
	case err != nil && err != io.EOF:
		return err
	case !bytes.Equal(have[:n], []byte(known.Installation)):
		return fmt.Errorf("storage %s belongs to another installation", where)
	}
	return nil
}

// lying says where accounts lie, for who reads all of them.
func (b *backups) lying() func(schema.ClusterID, schema.AccountID) (disk.FS, string) {
	local := lying(b.accounts)
	if b.storage == nil {
		return local
	}
	return func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string) {
		fs, folder := local(domain, id)
		return split{bucket.View(b.storage.Bucket, string(id)), fs, folder}, "."
	}
}

// A split is an account whose spool alone is on the disk.
type split struct {
	disk.FS
	local  disk.FS
	folder string
}

// where says which of the two has a name.
func (s split) where(name string) (disk.FS, string) {
	if name = path.Clean(name); name == spool.Dir || strings.HasPrefix(name, spool.Dir+"/") {
		return s.local, path.Join(s.folder, name)
	}
	return s.FS, name
}

// List implements disk.FS.
func (s split) List(dir string) ([]disk.Info, error) {
	fs, dir := s.where(dir)
	return fs.List(dir)
}

// Open implements disk.FS.
func (s split) Open(name string) (disk.File, error) {
	fs, name := s.where(name)
	return fs.Open(name)
}
