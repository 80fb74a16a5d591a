package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"logkeep/internal/backup"
	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cloud"
)

// restoringName is the file of the data directory that names the bucket which a
// restore is filling: what an interrupted one has left there is ours to remove.
const restoringName = "storage.restoring"

// A destination is where a backup's rows go. Nothing is put where something is:
// what the installation had before stays as it is, in its bucket or folder.
type destination struct {
	backup.Place
	cloud  *cloud.Cloud // nil: on a disk
	stored stored       // what the data directory will know; its Place is "" for its own folder
	old    string       // the place that it knew before and that differs, or ""
	marker string       // path of restoringName
}

// findDestination finds where --storage says that rows shall lie.
func findDestination(ctx context.Context, raw string, dir *folder) (*destination, error) {
	known, err := readStored(dir)
	if err != nil {
		return nil, err
	}
	d := &destination{marker: dir.in(restoringName)}
	if known != nil {
		d.old = known.Place
	}
	switch {
	case raw == "" && known == nil:
		return d, nil
	case raw == "":
		return nil, fmt.Errorf("the rows of %s lie in %s, where they stay; name with --storage where the restored ones shall lie: a bucket's prefix that is empty, or file://%s for the data directory", dir.path, known.Place, dir.in("accounts"))
	case strings.HasPrefix(raw, "file:"):
		return d, d.local(raw, dir)
	}
	if d.cloud, err = cloud.Open(ctx, raw); err != nil {
		return nil, err
	}
	d.stored.Place = d.cloud.String()
	if known != nil && known.Place == d.stored.Place {
		d.close()
		return nil, fmt.Errorf("storage %s has the rows that this data directory has now; they stay: name another prefix for the restored ones, as in %s-2", d.stored.Place, d.stored.Place)
	}
	if err := d.cloud.Check(ctx); err != nil {
		d.close()
		return nil, err
	}
	d.Bucket = &bucket.Patient{Bucket: d.cloud, Patience: bucketPatience}
	return d, nil
}

// local takes file:///PATH.
func (d *destination) local(raw string, dir *folder) error {
	path, err := localPath(raw)
	if err != nil {
		return err
	}
	if path == dir.in("accounts") {
		return nil
	}
	if entries, err := os.ReadDir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; rows are restored into an empty folder", path)
	}
	d.Accounts, d.stored.Place = path, "file://"+path
	return nil
}

func (d *destination) close() {
	if d.cloud != nil {
		d.cloud.Close()
	}
}

// begin makes sure that the place is empty and ours. Catalog and spools go to staged.
func (d *destination) begin(ctx context.Context, dir *folder, staged string) error {
	d.Folder = staged
	if d.stored.Place == "" {
		return nil
	}
	if err := os.MkdirAll(staged, 0o700); err != nil {
		return err
	}
	if d.Bucket != nil {
		if err := d.claim(ctx, dir); err != nil {
			return err
		}
	}
	return writeStored(filepath.Join(staged, storedName), d.stored)
}

// claim makes an empty prefix this installation's, or takes one again that an
// interrupted restore into it has left.
func (d *destination) claim(ctx context.Context, dir *folder) error {
	all, err := d.Bucket.List(ctx, "")
	if err != nil {
		return err
	}
	begun, err := readStoredFile(d.marker, dir.path)
	if err != nil {
		return err
	}
	if begun != nil && begun.Place == d.stored.Place && (len(all) == 0 || demandOurs(ctx, d.Bucket, begun.Place, begun) == nil) {
		d.stored = *begun
		if err := d.empty(ctx, all); err != nil {
			return err
		}
	} else if len(all) > 0 {
		return fmt.Errorf("storage %s is not empty (%d objects, the first is %s); rows are restored into an empty prefix, as in s3://BUCKET/PREFIX", d.stored.Place, len(all), all[0].Name)
	} else {
		d.stored.Installation = rand.Text()
	}
	if err := writeStored(d.marker, d.stored); err != nil {
		return err
	}
	if err := d.Bucket.Put(ctx, installationName, []byte(d.stored.Installation)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("storage %s was taken by another installation meanwhile; name another prefix", d.stored.Place)
		}
		return err
	}
	return nil
}

// empty removes objects; whose the prefix is goes last.
func (d *destination) empty(ctx context.Context, all []bucket.Info) error {
	for _, o := range slices.Backward(all) {
		if o.Name != installationName {
			if err := d.Bucket.Remove(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	return d.Bucket.Remove(ctx, installationName)
}

// abandon removes what was put into a bucket. What it can't remove now the next
// restore into the same prefix removes.
func (d *destination) abandon(ctx context.Context) error {
	if d.Bucket == nil {
		return nil
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	all, err := d.Bucket.List(ctx, "")
	if err == nil {
		err = d.empty(ctx, all)
	}
	if err != nil {
		return fmt.Errorf("what was put into %s was not removed: %w; restore into it again, or remove it", d.stored.Place, err)
	}
	return os.Remove(d.marker)
}

// end is called when the data directory knows the place.
func (d *destination) end() error {
	if d.Bucket == nil {
		return nil
	}
	return os.Remove(d.marker)
}

func (d *destination) tell(out io.Writer) {
	if d.stored.Place != "" {
		fmt.Fprintf(out, "Its rows lie in %s; start the server with that --storage.\n", d.stored.Place)
	}
	if d.old != "" && d.old != d.stored.Place {
		fmt.Fprintf(out, "The rows of before are still in %s; remove them there when nothing of them is needed.\n", d.old)
	}
}
