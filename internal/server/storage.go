package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/catalog"
	"logkeep/internal/cli"
	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/storage"
)

// check checks a running server's storage, and repairs what can be.
func (b *backups) check(ctx context.Context, ask wish, t *tale) error {
	if ask.Repair {
		if err := b.takeBack(ctx, t); err != nil {
			return err
		}
	}
	r, err := storage.Check(ctx, storage.Config{Catalog: b.catalog, Accounts: b.lying(), Open: b.open})
	if err != nil {
		return err
	}
	t.report(r)
	if !ask.Repair {
		t.judge(r, 0)
		return nil
	}
	by := map[schema.AccountID][]catalog.Segment{}
	journals := map[schema.AccountID]int{}
	for _, f := range r.Findings {
		if f.Segment == "" {
			journals[f.Account]++
			continue
		}
		segments, err := b.catalog.Segments(ctx, f.Account)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(segments, func(s catalog.Segment) bool { return s.ID == f.Segment }); i >= 0 {
			by[f.Account] = append(by[f.Account], segments[i])
		}
	}
	aside := 0
	for _, id := range slices.Sorted(maps.Keys(by)) {
		if err := b.domains.PutAside(ctx, id, by[id]); err != nil {
			return err
		}
		for _, s := range by[id] {
			aside++
			t.say("set aside: segment %s of table %s, %d rows; what is left of it is in aside/ of account %s", s.ID, s.Table, s.Rows, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(journals)) {
		done, err := b.domains.SalvageJournal(ctx, id)
		if err != nil {
			return err
		}
		aside += journals[id]
		t.say("saved from the journal of account %s: %d rows; its files are in aside/ as they were", id, done.Rows)
		for _, l := range done.Lost {
			t.say("LOST from the journal of account %s: %s", id, l)
		}
	}
	t.judge(r, aside)
	return nil
}

// open has an account's worker open everything.
func (b *backups) open(ctx context.Context, domain schema.ClusterID, id schema.AccountID) (out storage.Opened, err error) {
	if b.storage != nil { // the bucket is checked, not what is kept of it here
		b.storage.Cache.Leave(string(id) + "/objects/")
	}
	c, err := b.domains.OpenAll(ctx, domain, id)
	out.Segments = c.Segments
	if c.Journal != "" {
		out.Damaged = append(out.Damaged, storage.Finding{Account: id, Object: "journal", What: c.Journal})
	}
	for _, d := range c.Damaged {
		out.Damaged = append(out.Damaged, storage.Finding{Account: id, Segment: d.Segment, Table: d.Table, Object: path.Join("objects", string(d.Segment)), What: d.Reason})
	}
	return out, err
}

// takeBack puts segments to use again whose objects are back and of the right form.
// Workers see them when they open the account next.
func (b *backups) takeBack(ctx context.Context, t *tale) error {
	aside, err := b.catalog.Asides(ctx, "")
	if err != nil {
		return err
	}
	for _, s := range aside {
		if s.Why != catalog.Damaged {
			continue
		}
		a, err := b.catalog.Account(ctx, s.Account)
		if err != nil {
			return err
		}
		segments, err := b.catalog.Segments(ctx, s.Account)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(segments, func(x catalog.Segment) bool { return x.ID == s.ID }) {
			continue // the manifest has forgotten it: it can't be taken back
		}
		files, folder := b.lying()(a.Domain, a.ID)
		dir := path.Join(folder, "objects")
		infos, err := files.List(dir)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(infos, func(i disk.Info) bool { return i.Name == string(s.ID) && i.Size == s.Bytes }) {
			continue
		}
		if wrong, err := storage.Form(files, path.Join(dir, string(s.ID)), s.Bytes); err != nil || wrong != "" {
			continue
		}
		if err := b.domains.TakeBack(ctx, s.Segment); err != nil {
			return err
		}
		t.say("taken back: segment %s of table %s, %d rows", s.ID, s.Table, s.Rows)
	}
	return nil
}

func (t *tale) report(r storage.Report) {
	t.say("%d accounts, %d segments (%s), %d journal files with %d frames", r.Accounts, r.Segments, size(r.Bytes), r.Journals, r.Frames)
	t.say("%d segments were opened to the last record", r.Opened)
	for _, id := range slices.Sorted(maps.Keys(r.Closed)) {
		t.say("account %s could not be opened; only what needs no key was checked: %s", id, r.Closed[id])
	}
	if r.Orphans > 0 {
		t.say("%d objects are named by nothing: left by a crash, or on their way; the server removes them by itself", r.Orphans)
	}
	for _, a := range r.Asides {
		t.say("set aside at %s: segment %s of table %s, %d rows", a.At.Format("2006-01-02 15:04"), a.ID, a.Table, a.Rows)
	}
	for _, f := range r.Findings {
		switch {
		case f.Segment != "":
			t.say("DAMAGED account %s segment %s of table %s: %s", f.Account, f.Segment, f.Table, f.What)
		default:
			t.say("DAMAGED account %s %s: %s", f.Account, f.Object, f.What)
		}
	}
}

// judge ends the report.
func (t *tale) judge(r storage.Report, aside int) {
	switch left := len(r.Findings) - aside; {
	case left == 0 && aside == 0:
		t.say("nothing is missing or damaged")
	case left == 0:
		t.say("everything else is whole; queries work again, without the rows of what was set aside or lost")
	default:
		t.Failed = true
		t.say("%d objects are missing or damaged; restore them from a backup (logkeep restore), or take them out of use with --repair, which saves what can be read of a journal. Everything else can be read", left)
	}
}

// lyingStill says where the accounts of a data directory lie that no server has, and
// demands of a bucket that it is the directory's. The function frees it.
func lyingStill(ctx context.Context, dir *folder, raw string) (func(schema.ClusterID, schema.AccountID) (disk.FS, string), func(), error) {
	known, err := readStored(dir)
	if err != nil {
		return nil, nil, err
	}
	folder := dir.in("accounts")
	switch {
	case known == nil:
	case strings.HasPrefix(known.Place, "file:"):
		if folder, err = localPath(known.Place); err != nil {
			return nil, nil, err
		}
	case raw == "" || strings.HasPrefix(raw, "file:"):
		return nil, nil, fmt.Errorf("the rows of %s lie in %s: name it with --storage, with the parameters that the server has, and its credentials in the environment; or start the server and check then", dir.path, known.Place)
	default:
		c, err := cloud.Open(ctx, raw)
		if err != nil {
			return nil, nil, err
		}
		b := &bucket.Patient{Bucket: c, Patience: bucketPatience}
		if err := demandOurs(ctx, b, c.String(), known); err != nil {
			c.Close()
			return nil, nil, err
		}
		return func(_ schema.ClusterID, id schema.AccountID) (disk.FS, string) {
			return bucket.View(b, string(id)), "."
		}, func() { c.Close() }, nil
	}
	accounts, err := disk.OpenReadOnly(folder)
	if err != nil {
		return nil, nil, err
	}
	return lying(accounts), func() { accounts.Close() }, nil
}

// CheckStorage checks the storage of the server that runs on a data directory, or,
// if none does, what can be checked without it.
func CheckStorage(ctx context.Context, ask cli.Checking, out io.Writer) error {
	dataDir, repair := ask.DataDir, ask.Repair
	dir, err := openFolder(dataDir)
	if err != nil { // a server has it, or it is none
		if _, none := endpointIn(dataDir); none != nil {
			return err
		}
		var t tale
		if err := askSupport(ctx, dataDir, "/storage/check", wish{Repair: repair}, &t); err != nil {
			return err
		}
		return t.tell(out)
	}
	defer dir.close()
	if dir.fresh {
		return fmt.Errorf("%s is no data directory of a server; name it with --data-dir", dataDir)
	}
	if repair {
		return errors.New("to repair, start the server: segments are taken out of use by who is sure that nobody reads them")
	}
	lie, closing, err := lyingStill(ctx, dir, ask.Storage)
	if err != nil {
		return err
	}
	defer closing()
	cat, err := catalog.Open(ctx, dir.in("catalog.db"))
	if err != nil {
		return err
	}
	defer cat.Close()
	r, err := storage.Check(ctx, storage.Config{Catalog: cat, Accounts: lie})
	if err != nil {
		return err
	}
	var t tale
	t.report(r)
	t.say("no server runs: seals were not checked, which needs the keys")
	t.judge(r, 0)
	return t.tell(out)
}
