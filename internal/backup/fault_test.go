package backup_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"logkeep/internal/backup"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/disk"
	"logkeep/internal/schema"
)

// failing is a disk of which one operation fails: the one after so many.
type failing struct {
	disk.FS
	after *int
}

func (f failing) step() error {
	if *f.after--; *f.after == -1 {
		return &fs.PathError{Op: "read", Path: "somewhere", Err: syscall.EIO}
	}
	return nil
}

func (f failing) List(dir string) ([]disk.Info, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

func (f failing) Open(name string) (disk.File, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	file, err := f.FS.Open(name)
	return failingFile{file, f}, err
}

type failingFile struct {
	disk.File
	of failing
}

func (f failingFile) Size() (int64, error) {
	if err := f.of.step(); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// ReadAt reads half of what is wanted before it fails.
func (f failingFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.of.step(); err != nil {
		n, _ := f.File.ReadAt(p[:len(p)/2], off)
		return n, err
	}
	return f.File.ReadAt(p, off)
}

// Whatever operation of a disk fails while a backup is made: it says so, the backups
// before are as they were, no half one is listed, and the next one is whole.
func TestABackupWhoseSourceCantBeReadIsNone(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	e.segment("a", strings.Repeat("rows of a ", 500))
	e.file("journal/0000000000000001.journal", "frames")
	first, err := e.backup(to)
	e.must(err)
	was := e.restored(to, first.Name)
	e.segment("b", strings.Repeat("rows of b ", 500))
	e.file("spool/0000000000000001.spool", "waiting")
	accounts := e.cfg.Accounts
	failed := 0
	for n := 0; ; n++ {
		after := n
		e.cfg.Accounts = func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string) {
			fs, dir := accounts(domain, id)
			return failing{fs, &after}, dir
		}
		made, err := e.backup(to)
		e.cfg.Accounts = accounts
		f, open := backup.Open(to)
		e.must(open)
		names, open := f.Names()
		e.must(open)
		f.Close()
		if err == nil {
			if after >= 0 { // nothing failed any more
				e.file("journal/0000000000000001.journal", "frames")
				same(t, e.restored(to, made.Name), map[string]string{
					"segment a": "listed", "segment b": "listed", "objects/a": strings.Repeat("rows of a ", 500), "objects/b": strings.Repeat("rows of b ", 500),
					"journal/0000000000000001.journal": "frames", "spool/0000000000000001.spool": "waiting",
				})
				break
			}
			t.Fatalf("operation %d failed, and there is a backup all the same: %+v", n, made)
		}
		if failed++; !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: %v", n, err)
		}
		if len(names) != 1 || names[0] != first.Name {
			t.Fatalf("operation %d: the folder has the backups %q", n, names)
		}
		same(t, e.restored(to, first.Name), was)
	}
	if failed < 8 {
		t.Errorf("%d operations failed: this shows little", failed)
	}
}

// A restore into a bucket of which any operation fails says so, whether it was
// carried out or not.
func TestARestoreIntoABucketThatFailsSaysSo(t *testing.T) {
	e, to := newEstate(t), filepath.Join(t.TempDir(), "to")
	for i := range 6 {
		e.segment(fmt.Sprint("s", i), fmt.Sprint("rows of ", i))
	}
	_, err := e.backup(to)
	e.must(err)
	restore := func(b *buckettest.Memory) error {
		f, err := backup.Open(to)
		e.must(err)
		defer f.Close()
		s, err := f.Statement("", &e.key.PublicKey)
		e.must(err)
		return f.Restore(t.Context(), s, backup.Place{Folder: t.TempDir(), Bucket: b})
	}
	for n := 1; ; n++ {
		b, ops := buckettest.New(), make(chan int, 1)
		ops <- 0
		broken := false
		b.OnOp(func(buckettest.Op) buckettest.Outcome {
			k := <-ops + 1
			ops <- k
			if k != n {
				return buckettest.Outcome{}
			}
			broken = true
			return [...]buckettest.Outcome{{Err: syscall.EIO}, {Err: syscall.EIO, Done: true}, {Err: syscall.EIO, Late: true}}[n%3]
		})
		err := restore(b)
		<-ops
		if !broken {
			e.must(err)
			b.OnOp(nil)
			for i := range 6 {
				if got := string(b.Bytes(fmt.Sprint("d-0/objects/s", i))); got != fmt.Sprint("rows of ", i) {
					t.Errorf("object %d is %q", i, got)
				}
			}
			if n < 6 {
				t.Errorf("%d operations were all", n-1)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: %v", n, err)
		}
	}
}
