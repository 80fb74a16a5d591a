package backup_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/backup"
	"logkeep/internal/catalog"
	"logkeep/internal/disk"
	"logkeep/internal/schema"
)

// An estate is a catalog and accounts with files that nobody sealed.
type estate struct {
	t   *testing.T
	dir string
	cat *catalog.Catalog
	key *ecdsa.PrivateKey
	cfg backup.Config
}

func newEstate(t *testing.T) *estate {
	e := &estate{t: t, dir: t.TempDir()}
	var err error
	if e.cat, err = catalog.Open(t.Context(), filepath.Join(e.dir, "catalog.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.cat.Close() })
	if e.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(e.dir, "accounts"), 0o700); err != nil {
		t.Fatal(err)
	}
	accounts, err := disk.OpenReadOnly(filepath.Join(e.dir, "accounts"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accounts.Close() })
	e.cfg = backup.Config{
		Catalog: e.cat, Temp: t.TempDir(), Key: &e.key.PublicKey,
		Accounts: func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string) {
			return accounts, string(domain) + "/" + string(id)
		},
		Sign: func(_ context.Context, m []byte) ([]byte, error) {
			digest := sha256.Sum256(m)
			r, s, err := ecdsa.Sign(rand.Reader, e.key, digest[:])
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		},
	}
	e.must(e.cat.AddAccount(t.Context(), catalog.Account{ID: "d-0", Domain: "d", Kind: "cluster"}))
	e.must(e.cat.PutWraps(t.Context(), []catalog.Wrap{{Account: "d-0", Generation: 1, KID: "https://kv.vault/keys/k/1", Record: []byte("{}")}}))
	return e
}

func (e *estate) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *estate) file(path, text string) {
	e.t.Helper()
	path = filepath.Join(e.dir, "accounts", "d", "d-0", path)
	e.must(os.MkdirAll(filepath.Dir(path), 0o700))
	e.must(os.WriteFile(path, []byte(text), 0o600))
}

// segment adds a segment, and replaces others.
func (e *estate) segment(id, text string, remove ...schema.SegmentID) {
	e.t.Helper()
	e.file("objects/"+id, text)
	e.replace(id, len(text), remove...)
}

func (e *estate) replace(id string, size int, remove ...schema.SegmentID) {
	e.t.Helper()
	m, err := e.cat.Manifest(e.t.Context(), "d-0")
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		e.t.Fatal(err)
	}
	e.must(e.cat.CommitSegments(e.t.Context(), "d-0", []catalog.Segment{{ID: schema.SegmentID(id), Account: "d-0", Workspace: "w", Table: "T_CL", Bytes: int64(size), Rows: 1}},
		remove, catalog.Manifest{Seq: m.Seq + 1, Floor: m.Floor + 1, MAC: []byte{1}}))
	for _, id := range remove {
		e.must(os.Remove(filepath.Join(e.dir, "accounts", "d", "d-0", "objects", string(id))))
	}
}

func (e *estate) backup(to string) (backup.Result, error) {
	e.t.Helper()
	time.Sleep(2 * time.Millisecond) // names are times
	f, err := backup.Create(to)
	e.must(err)
	defer f.Close()
	return backup.Make(e.t.Context(), f, e.cfg)
}

// restored is what a backup has, by path.
func (e *estate) restored(from, name string) map[string]string {
	e.t.Helper()
	f, err := backup.Open(from)
	e.must(err)
	defer f.Close()
	s, err := f.Statement(name, &e.key.PublicKey)
	e.must(err)
	to := e.t.TempDir()
	e.must(f.Restore(e.t.Context(), s, backup.Place{Folder: to}))
	cat, err := catalog.Open(e.t.Context(), filepath.Join(to, "catalog.db"))
	e.must(err)
	defer cat.Close()
	found := map[string]string{}
	segments, err := cat.Segments(e.t.Context(), "d-0")
	e.must(err)
	for _, s := range segments {
		found["segment "+string(s.ID)] = "listed"
	}
	e.must(filepath.WalkDir(filepath.Join(to, "accounts"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, filepath.Join(to, "accounts", "d", "d-0")+"/")] = string(text)
		return err
	}))
	return found
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestBackupsAreOfTheirTimeAndStoreNothingTwice(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.file("journal/0000000000000001.journal", "one")
	e.file("journal/lock", "")
	e.file("spool/0000000000000001.spool", "waits")
	e.segment("a", "rows of a")
	e.segment("b", "rows of b")
	first, err := e.backup(to)
	e.must(err)
	e.file("journal/0000000000000001.journal", "one two")
	e.segment("c", "rows of both", "a", "b")
	second, err := e.backup(to)
	e.must(err)
	same(t, e.restored(to, first.Name), map[string]string{
		"journal/0000000000000001.journal": "one", "spool/0000000000000001.spool": "waits", "objects/a": "rows of a", "objects/b": "rows of b",
		"segment a": "listed", "segment b": "listed",
	})
	want := map[string]string{
		"journal/0000000000000001.journal": "one two", "spool/0000000000000001.spool": "waits", "objects/c": "rows of both", "segment c": "listed",
	}
	same(t, e.restored(to, ""), want)
	if second.Number != 2 || second.Previous == "" || len(second.Keys) != 1 {
		t.Errorf("%+v", second.Statement)
	}
	third, err := e.backup(to)
	e.must(err)
	if third.Fresh != 0 || third.Bytes != second.Bytes {
		t.Errorf("a backup of nothing new stored %d bytes of %d", third.Fresh, third.Bytes)
	}
	f, err := backup.Create(to)
	e.must(err)
	defer f.Close()
	freed, err := f.Remove(t.Context(), first.Name)
	e.must(err)
	if freed < int64(len("rows of arows of b")) {
		t.Errorf("%d bytes freed", freed)
	}
	same(t, e.restored(to, second.Name), want)
}

func TestWhatMovesMeanwhileIsCopiedAnew(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.segment("a", "rows of a")
	moved := false
	accounts := e.cfg.Accounts
	e.cfg.Accounts = func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string) {
		fs, dir := accounts(domain, id)
		return hooked{fs, func(name string) {
			if strings.HasSuffix(name, "/a") && !moved {
				moved = true
				e.segment("b", "the same rows", "a")
			}
		}}, dir
	}
	_, err := e.backup(to)
	e.must(err)
	same(t, e.restored(to, ""), map[string]string{"objects/b": "the same rows", "segment b": "listed"})
	if !moved {
		t.Error("nothing moved")
	}
	e.must(os.Remove(filepath.Join(e.dir, "accounts", "d", "d-0", "objects", "b")))
	e.segment("z", "more")
	if _, err := e.backup(to); err != nil { // it is not read again
		t.Error(err)
	}
	if _, err := e.backup(filepath.Join(t.TempDir(), "other")); err == nil || !strings.Contains(err.Error(), "segment b") || !strings.Contains(err.Error(), "storage check") {
		t.Errorf("a lost object: %v", err)
	}
}

// hooked tells before a file is opened.
type hooked struct {
	disk.FS
	before func(name string)
}

func (h hooked) Open(name string) (disk.File, error) {
	h.before(name)
	return h.FS.Open(name)
}

func TestEveryChangeIsRefused(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.segment("a", "rows of a")
	made, err := e.backup(to)
	e.must(err)
	check := func(what string, want bool) {
		t.Helper()
		f, err := backup.Open(to)
		e.must(err)
		defer f.Close()
		s, err := f.Statement("", &e.key.PublicKey)
		if err == nil {
			err = f.Restore(t.Context(), s, backup.Place{Folder: t.TempDir()})
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("unchanged", true)
	e.must(filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		text, err := os.ReadFile(path)
		e.must(err)
		for _, at := range []int{0, len(text) / 2, len(text) - 1} {
			other := append([]byte(nil), text...)
			other[at] ^= 1
			e.must(os.WriteFile(path, other, 0o600))
			if d.Name() == "FORMAT" {
				if _, err := backup.Open(to); err == nil {
					t.Error("another format is taken")
				}
				continue
			}
			check(fmt.Sprintf("byte %d of %s", at, d.Name()), false)
		}
		e.must(os.WriteFile(path, text, 0o600))
		return nil
	}))
	check("put back", true)
	other := newEstate(t)
	f, err := backup.Open(to)
	e.must(err)
	defer f.Close()
	if _, err := f.Statement(made.Name, &other.key.PublicKey); err == nil {
		t.Error("another installation's backup is taken")
	}
	if _, err := f.Statement("../../x", nil); !errors.Is(err, backup.ErrNone) {
		t.Errorf("a name that is a path: %v", err)
	}
}

func TestOlderBackupsThatHoldPurgedRowsAreTold(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.segment("a", "rows of a")
	first, err := e.backup(to)
	e.must(err)
	e.segment("b", "some of them", "a")
	e.must(e.cat.NotePurged(t.Context(), []catalog.Purge{{Segment: "a", Operation: "op", Workspace: "w", Table: "T_CL"}}))
	second, err := e.backup(to)
	e.must(err)
	if len(second.Purged) != 1 || second.Purged[0] != first.Name {
		t.Errorf("%q", second.Purged)
	}
	e.file("journal/0000000000000001.journal", "rows that may be purged")
	third, err := e.backup(to)
	e.must(err)
	if len(third.Purged) != 1 {
		t.Errorf("%q", third.Purged)
	}
	e.must(e.cat.NotePurged(t.Context(), []catalog.Purge{{Segment: "c", Operation: "op2", Workspace: "w", Table: "T_CL"}}))
	fourth, err := e.backup(to)
	e.must(err)
	if len(fourth.Purged) != 2 || fourth.Purged[1] != third.Name {
		t.Errorf("%q", fourth.Purged)
	}
}
