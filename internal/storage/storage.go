// Package storage checks what lies at rest of an installation against what its
// catalog says: `logkeep storage check`.
//
// Without any key it finds what is missing, cut or torn: each segment's object is
// there, as long as the catalog says, and of a length and a head that sealing
// gives; the frames of journals have the lengths and checksums that they say. What was
// changed in place shows only to who has the keys: workers open every record of
// every segment, as far as their keys can be used (Config.Open).
//
// It changes nothing. Who repairs takes segments out of use by their findings.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"logkeep/internal/catalog"
	"logkeep/internal/disk"
	"logkeep/internal/journal"
	"logkeep/internal/schema"
)

// A Config says what is checked.
type Config struct {
	Catalog *catalog.Catalog
	// Accounts is a disk with accounts' folders, and where on it one of them lies.
	Accounts func(domain schema.ClusterID, id schema.AccountID) (disk.FS, string)
	// Open has who holds an account's keys open all of it. Its error says why that
	// can't be now. nil: nobody can.
	Open func(ctx context.Context, domain schema.ClusterID, id schema.AccountID) (Opened, error)
}

// Opened is what was opened of an account.
type Opened struct {
	Segments int
	Damaged  []Finding
}

// A Finding is something damaged, or missing.
type Finding struct {
	Account schema.AccountID
	Segment schema.SegmentID // "": it is no segment
	Table   schema.TableName
	Object  string // its file, below the account's folder
	What    string
}

// A Report is the outcome of a check.
type Report struct {
	Accounts int
	Segments int
	Bytes    int64 // of segments
	Opened   int   // segments of which every record was opened
	Journals int   // files
	Frames   int
	Orphans  int // objects that nothing names: left by a crash, or on their way
	Asides   []catalog.Aside
	Findings []Finding
	Closed   map[schema.AccountID]string // accounts that could not be opened, and why
}

// Check checks everything. Reading and writing may go on; what is replaced
// meanwhile is not reported.
func Check(ctx context.Context, cfg Config) (r Report, err error) {
	r.Closed = map[schema.AccountID]string{}
	accounts, err := cfg.Catalog.Accounts(ctx, "")
	if err != nil {
		return r, err
	}
	for _, a := range accounts {
		if err := r.account(ctx, cfg, a); err != nil {
			return r, fmt.Errorf("check account %s: %w", a.ID, err)
		}
	}
	return r, nil
}

func (r *Report) account(ctx context.Context, cfg Config, a catalog.Account) error {
	r.Accounts++
	files, dir := cfg.Accounts(a.Domain, a.ID)
	found, err := r.objects(ctx, cfg, a, files, dir)
	if err != nil {
		return err
	}
	j, err := journal.Inspect(files, path.Join(dir, "journal"))
	if err != nil {
		return err
	}
	r.Journals += j.Files
	r.Frames += j.Frames
	for _, d := range j.Damaged {
		found = append(found, Finding{Account: a.ID, Object: path.Join("journal", d.File), What: journalDamage(d)})
	}
	if cfg.Open != nil {
		opened, err := cfg.Open(ctx, a.Domain, a.ID)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Closed[a.ID] = err.Error()
		}
		r.Opened += opened.Segments
		for _, d := range opened.Damaged {
			if d.Segment == "" && len(j.Damaged) > 0 {
				continue // it is told by its file
			}
			if !contains(found, d.Segment) {
				found = append(found, d)
			}
		}
	}
	// What the catalog has no more was replaced while it was looked for.
	now, err := named(ctx, cfg.Catalog, a.ID)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Segment == "" || now[f.Segment] {
			r.Findings = append(r.Findings, f)
		}
	}
	return nil
}

// journalDamage words what is wrong with a journal's file. A disk that can tell by
// itself what is damaged names it.
func journalDamage(d *journal.DamageError) string {
	if errors.Is(d.Err, disk.ErrDamaged) {
		return d.Err.Error()
	}
	return fmt.Sprintf("damaged at byte %d: %v; restore it from a backup", d.Offset, d.Err)
}

func contains(all []Finding, id schema.SegmentID) bool {
	for _, f := range all {
		if f.Segment == id && id != "" {
			return true
		}
	}
	return false
}

// named is the segments of an account that were not set aside.
func named(ctx context.Context, cat *catalog.Catalog, id schema.AccountID) (map[schema.SegmentID]bool, error) {
	out := map[schema.SegmentID]bool{}
	err := cat.View(ctx, func(tx *catalog.Tx) error {
		segments, err := tx.Segments(ctx, id)
		if err != nil {
			return err
		}
		aside, err := tx.Asides(ctx, id)
		for _, s := range segments {
			out[s.ID] = true
		}
		for _, s := range aside {
			delete(out, s.ID)
		}
		return err
	})
	return out, err
}

// objects compares the catalog's segments with what lies there.
func (r *Report) objects(ctx context.Context, cfg Config, a catalog.Account, d disk.FS, dir string) (found []Finding, err error) {
	segments, err := cfg.Catalog.Segments(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	aside, err := cfg.Catalog.Asides(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	skip := map[string]bool{}
	for _, s := range aside {
		skip[string(s.ID)] = true
		if s.Why == catalog.Damaged {
			r.Asides = append(r.Asides, s)
		}
	}
	infos, err := d.List(path.Join(dir, "objects"))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(infos))
	for _, i := range infos {
		sizes[i.Name] = i.Size
	}
	for _, s := range segments {
		size, there := sizes[string(s.ID)]
		delete(sizes, string(s.ID))
		if skip[string(s.ID)] {
			continue
		}
		r.Segments++
		r.Bytes += s.Bytes
		wrong := ""
		switch {
		case !there:
			wrong = "missing"
		case size != s.Bytes:
			wrong = fmt.Sprintf("it has %d bytes, not %d", size, s.Bytes)
		default:
			if wrong, err = Form(d, path.Join(dir, "objects", string(s.ID)), size); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if wrong != "" {
			found = append(found, Finding{Account: a.ID, Segment: s.ID, Table: s.Table, Object: path.Join("objects", string(s.ID)), What: wrong})
		}
	}
	for name := range sizes {
		if !skip[name] {
			r.Orphans++
		}
	}
	return found, ctx.Err()
}

// Form tells what is wrong with the form of a sealed object; docs/format/sealed.md
// has it. "" is nothing.
func Form(d disk.FS, name string, size int64) (wrong string, err error) {
	f, err := d.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var head [4]byte
	if size < int64(len(head)) {
		return "it is no sealed object: it is too short", nil
	}
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return fmt.Sprintf("it can't be read: %v", err), nil
	}
	if string(head[:2]) != "LK" || head[2] != 1 || head[3] < 1 || head[3] > 2 {
		return "it is no sealed object: its head is another's", nil
	}
	if !fits(head[3], size) {
		return "its length is none that sealing gives", nil
	}
	return "", nil
}

// fits reports whether sealing gives objects of the size.
func fits(layers byte, size int64) bool {
	const chunk, tag, head = 16384, 16, 24 + 32
	if layers == 1 {
		return size >= 4+head+tag && (size-4-head)%(chunk+tag) >= tag
	}
	rest := size - 4 - head - (head + tag)
	return rest >= 2*tag && rest%(chunk+2*tag) >= 2*tag
}
