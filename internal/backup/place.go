package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/bucket"
	"logkeep/internal/journal"
)

// A Place is where a backup is restored to. All that it names is empty.
type Place struct {
	Folder string // catalog.db; made if missing
	// Accounts are the accounts' folders, below Folder. "" means its folder accounts.
	Accounts string
	// Bucket takes segments and journals, if it is not nil. Spools are in Accounts.
	Bucket bucket.Bucket
}

// uploads is how many files are on their way into a bucket at a time.
const uploads = 4

// Restore copies a backup whose statement was checked to a place, and checks every
// file on the way. After an error what is there is worth nothing.
func (f *Folder) Restore(ctx context.Context, s Statement, to Place) error {
	if to.Accounts == "" {
		to.Accounts = filepath.Join(to.Folder, "accounts")
	}
	list, err := f.entries(ctx, s)
	if err != nil {
		return fmt.Errorf("the list of backup %s: %w", s.Name, err)
	}
	if !slices.ContainsFunc(list, func(e Entry) bool { return e.Path == "catalog.db" }) {
		return fmt.Errorf("backup %s has no catalog: %w", s.Name, ErrChanged)
	}
	if err := os.MkdirAll(to.Accounts, 0o700); err != nil {
		return err
	}
	// An upload that is given up may be carried out all the same, later. So those
	// that have begun come to their end whatever fails: who cleans up then finds them.
	var group errgroup.Group
	group.SetLimit(uploads)
	stop, stopped := context.WithCancelCause(ctx)
	defer stopped(nil)
	settled := context.WithoutCancel(ctx)
	folders := map[string]bool{to.Folder: true, to.Accounts: true}
	for i, e := range list {
		if account, name, ok := e.object(); ok && to.Bucket != nil {
			torn := strings.HasPrefix(name, "journal/") && (i+1 == len(list) || path.Dir(list[i+1].Path) != path.Dir(e.Path))
			group.Go(func() error {
				if stop.Err() != nil {
					return nil
				}
				if err := f.upload(settled, e.File, to.Bucket, account, name, torn); err != nil {
					stopped(fmt.Errorf("restore %s: %w", e.Path, err))
				}
				return nil
			})
			continue
		}
		if err := f.place(stop, e, to, folders); err != nil {
			stopped(err)
			break
		}
	}
	group.Wait()
	if err := context.Cause(stop); err != nil {
		return err
	}
	for dir := range folders {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// object is the account of a segment or of a journal file, and its name there.
func (e Entry) object() (account, name string, ok bool) {
	part := strings.Split(e.Path, "/") // accounts/DOMAIN/ACCOUNT/KIND/NAME
	if len(part) != 5 || part[3] != "journal" && part[3] != "objects" {
		return "", "", false
	}
	return part[2], part[3] + "/" + part[4], true
}

// place copies a file to the disk, and notes the folders that it made.
func (f *Folder) place(ctx context.Context, e Entry, to Place, folders map[string]bool) error {
	top, name := to.Folder, e.Path
	if below, ok := strings.CutPrefix(e.Path, "accounts/"); ok {
		top, name = to.Accounts, below
	}
	file := filepath.Join(top, filepath.FromSlash(name))
	for dir := filepath.Dir(file); len(dir) > len(top); dir = filepath.Dir(dir) {
		folders[dir] = true
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.fetch(ctx, e.File, out)
		if err == nil {
			err = out.Sync()
		}
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", e.Path, err)
	}
	return nil
}

// upload puts a file into a bucket. A journal's newest file may end torn, since it
// was written while it was copied, and in a bucket nothing is torn.
func (f *Folder) upload(ctx context.Context, file File, to bucket.Bucket, account, name string, torn bool) error {
	var b bytes.Buffer
	if err := f.fetch(ctx, file, &b); err != nil {
		return err
	}
	body := b.Bytes()
	if torn {
		end, err := journal.Whole(bytes.NewReader(body), int64(len(body)))
		if _, damaged := errors.AsType[*journal.DamageError](err); err != nil && !damaged {
			return err
		} else if !damaged { // who opens the account names what is damaged
			body = body[:end]
		}
		if len(body) == 0 {
			return nil
		}
	}
	return bucket.Import(ctx, to, account, name, body)
}
