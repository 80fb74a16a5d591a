package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/catalog"
	"logkeep/internal/disk"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
	"logkeep/internal/store"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// pastRows is how many rows a made segment has: just too many to be merged.
const pastRows = 16<<10 + 16

// A past is a year of segments of one table. It is made while the server is
// stopped, by the packages that a worker uses, with the account's key: who asks the
// vault for that is this bench, which is the customer. Only the disk's syncs are left
// out, and the catalog gets all segments in one change.
type past struct {
	vault   string
	account catalog.Account
	place   seal.Place
	key     *seal.Key
	keys    seal.Keys
	of      schema.WorkspaceID
	began   schema.Ticks
	step    schema.Ticks // from a segment to the next
	rows    arrow.RecordBatch
}

// past gets the key of the cluster's account.
func (s *site) past(ctx context.Context) (*past, error) {
	c, err := s.Cluster(ctx, s.cluster)
	if err != nil {
		return nil, err
	}
	p := &past{vault: c.VaultURI, of: schema.WorkspaceID(s.workspace.CustomerID)}
	cat, err := catalog.Open(ctx, filepath.Join(s.own.DataDir, "catalog.db"))
	if err != nil {
		return nil, err
	}
	defer cat.Close()
	accounts, err := cat.Accounts(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if !strings.HasSuffix(string(a.ID), "-0") { // the first of the cluster's; queries read all
			continue
		}
		wraps, err := cat.Wraps(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if len(wraps) == 0 || p.key != nil {
			return nil, fmt.Errorf("account %s has %d wrapped keys, or is not the only one", a.ID, len(wraps))
		}
		r, err := wrap.DecodeRecord(wraps[len(wraps)-1].Record) // the newest generation; the first was the service's
		if err != nil {
			return nil, err
		}
		id := azkeys.ID(r.KID.String())
		opened, err := s.keys.UnwrapKey(ctx, id.Name(), id.Version(), azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithm(r.Alg)), Value: r.Wrapped}, nil)
		if err != nil {
			return nil, fmt.Errorf("unwrap the key of account %s: %w", a.ID, err)
		}
		if p.key, err = seal.ImportKey(opened.Result); err != nil {
			return nil, err
		}
		p.account, p.place = a, seal.Place{Tenant: r.Tenant, Cluster: r.Cluster}
		p.keys = seal.Keys{Inner: p.key, Generation: r.Generation}
	}
	if p.key == nil {
		return nil, errors.New("the cluster has no account")
	}
	return p, p.prepare()
}

func (p *past) close() { p.key.Destroy() }

// keysOf refuses what the customer's key does not open.
func (p *past) keysOf(generation uint32) (seal.Keys, error) {
	if generation != p.keys.Generation {
		return seal.Keys{}, fmt.Errorf("generation %d is not under the customer's key", generation)
	}
	return p.keys, nil
}

// prepare makes the rows that all segments have, but for their times.
func (p *past) prepare() error {
	p.began = schema.TicksOf(time.Now().Add(-365 * 24 * time.Hour))
	b, err := batch.NewBuilder([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Level", Type: schema.String}}, p.began)
	if err != nil {
		return err
	}
	for i := range pastRows {
		if err := b.Row([]any{int64(p.began), []string{"info", "warn", "error"}[i%3]}); err != nil {
			return err
		}
	}
	done, err := b.Done()
	p.rows = done.Record
	return err
}

// segment is one segment's rows.
func (p *past) segment(n int) arrow.RecordBatch {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Reserve(pastRows)
	first := p.began + schema.Ticks(n)*p.step
	for i := range pastRows {
		b.UnsafeAppend(int64(first) + int64(p.step)*int64(i)/pastRows)
	}
	columns := append([]arrow.Array{b.NewArray()}, p.rows.Columns()[1:]...)
	return array.NewRecordBatch(p.rows.Schema(), columns, pastRows)
}

// hour asks for the hour in which a segment lies.
func (p *past) hour(n int) string {
	from := (p.began + schema.Ticks(n)*p.step).Time()
	return fmt.Sprintf(large+" | where TimeGenerated between (datetime(%s) .. 1h) | summarize count() by Level", from.Format(time.RFC3339))
}

// fill has n segments of a year in place of those that there were.
func (p *past) fill(ctx context.Context, dataDir string, n int) (err error) {
	cat, err := catalog.Open(ctx, filepath.Join(dataDir, "catalog.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cat.Close()) }()
	m, was, err := p.manifest(ctx, cat)
	if err != nil {
		return err
	}
	folder, err := disk.OpenFolder(filepath.Join(dataDir, "accounts", string(p.account.Domain), string(p.account.ID)))
	if err != nil {
		return err
	}
	defer folder.Close()
	made := &change{}
	st, err := store.Open(ctx, store.Config{
		FS: hasty{folder}, Dir: ".", Account: p.account.ID, Place: p.place, Current: p.keys.Generation,
		Keys:     p.keysOf,
		Manifest: m, Commit: made, Cache: segment.NewCache(1 << 20), MergeAfter: 1 << 30, FlushAge: 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.Drop(ctx, p.of, large); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // many short-lived rows, little else
	p.step = 365 * schema.TicksPerDay / schema.Ticks(n)
	for i := range n {
		if err := st.Append(ctx, store.Rows{Workspace: p.of, Table: large, Record: p.segment(i)}); err != nil {
			return err
		}
		if err := st.Flush(ctx); err != nil {
			return err
		}
	}
	return p.commit(ctx, cat, was, made)
}

// manifest is what the catalog has.
func (p *past) manifest(ctx context.Context, cat *catalog.Catalog) (m store.Manifest, was []schema.SegmentID, err error) {
	head, err := cat.Manifest(ctx, p.account.ID)
	if errors.Is(err, catalog.ErrNotFound) {
		return m, nil, nil
	}
	if err != nil {
		return m, nil, err
	}
	all, err := cat.Segments(ctx, p.account.ID)
	if err != nil {
		return m, nil, err
	}
	m.Seq, m.Floor, m.MAC = head.Seq, head.Floor, head.MAC
	for _, s := range all {
		was = append(was, s.ID)
		m.Segments = append(m.Segments, segment.Info{
			ID: s.ID, Account: s.Account, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows,
			Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: schema.TicksOf(s.Created),
		})
	}
	return m, was, nil
}

// commit gives the catalog what all changes have made.
func (p *past) commit(ctx context.Context, cat *catalog.Catalog, was []schema.SegmentID, made *change) error {
	var add []catalog.Segment
	for _, s := range made.there {
		add = append(add, catalog.Segment{
			ID: s.ID, Account: s.Account, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows,
			Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created.Time(),
		})
	}
	var gone []schema.SegmentID
	for _, id := range was {
		if made.gone[id] {
			gone = append(gone, id)
		}
	}
	m := catalog.Manifest{Seq: made.last.Seq, Floor: made.last.Floor, MAC: made.last.MAC}
	if err := cat.CommitSegments(ctx, p.account.ID, add, gone, m); err != nil {
		return err
	}
	// The keeper would have packed them at some of so many changes.
	if due, err := cat.PackDue(ctx, p.account.ID); err != nil || !due {
		return err
	}
	var all wire.Manifest
	for _, s := range add {
		all.Add(wire.Segment{
			ID: s.ID, Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows,
			Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created,
		})
	}
	packed, err := all.Pack()
	if err != nil {
		return err
	}
	return cat.PutPack(ctx, p.account.ID, m, len(add), packed)
}

// A change is all changes that were made, as one.
type change struct {
	last  store.Change
	there map[schema.SegmentID]segment.Info
	gone  map[schema.SegmentID]bool
}

// Commit implements store.Committer.
func (c *change) Commit(_ context.Context, ch store.Change) error {
	if c.there == nil {
		c.there, c.gone = map[schema.SegmentID]segment.Info{}, map[schema.SegmentID]bool{}
	}
	for _, id := range ch.Remove {
		delete(c.there, id)
		c.gone[id] = true
	}
	for _, s := range ch.Add {
		c.there[s.ID] = s
	}
	c.last = ch
	return nil
}

// hasty is a disk that does not wait: what is made here may be lost with the machine.
type hasty struct{ *disk.Folder }

func (h hasty) Create(name string) (disk.File, error) {
	f, err := h.Folder.Create(name)
	return hastyFile{f}, err
}

func (h hasty) Open(name string) (disk.File, error) {
	f, err := h.Folder.Open(name)
	return hastyFile{f}, err
}

func (hasty) SyncDir(string) error { return nil }

type hastyFile struct{ disk.File }

func (hastyFile) Sync() error { return nil }
