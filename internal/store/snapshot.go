package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"logkeep/internal/batch"
	"logkeep/internal/blob"
	"logkeep/internal/bucket"
	"logkeep/internal/schema"
	"logkeep/internal/segment"
)

// A stored is a segment that the manifest names, opened when it is first read.
type stored struct {
	s    *Store
	info segment.Info

	// Guarded by the store's mutex.
	pins  int  // snapshots that may read it
	gone  bool // replaced; its object goes with the last pin
	alone bool // could not be read, so it is not merged

	mu     sync.Mutex
	reader *segment.Reader
}

func (s *Store) stored(info segment.Info) *stored { return &stored{s: s, info: info} }

// add shows a segment from now on. It needs mu.
func (s *Store) add(info segment.Info) {
	key := tableKey{info.Workspace, info.Table}
	t := s.table(key)
	g := s.stored(info)
	t.segments = append(t.segments, g)
	if info.Rows <= mergeRows/8 && !s.follows {
		t.small = append(t.small, g)
		s.unmerged[key] = true
	}
}

// open returns the segment's reader. An error is not kept. Its object is held, unless
// hold is nil.
func (g *stored) open(ctx context.Context, hold *held) (*segment.Reader, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reader != nil {
		hold.keep(g.reader)
		return g.reader, nil
	}
	k, err := g.s.cfg.Keys(g.info.Generation)
	if err != nil {
		return nil, fmt.Errorf("keys of generation %d, for segment %s: %w", g.info.Generation, g.info.ID, err)
	}
	at := &object{objects: g.s.objects, name: string(g.info.ID)}
	hold.keep(at)
	defer at.Hold()()
	g.reader, err = segment.Open(at, g.info.Bytes, k, g.s.cfg.Place, g.info)
	return g.reader, err
}

// An object reads a blob and keeps no descriptor but while somebody reads, or
// holds it: an account has more segments than a process may have files open.
type object struct {
	objects *blob.Store
	name    string

	mu    sync.Mutex
	users int          // that read or hold it now
	open  *blob.Object // for all of them
}

// Hold implements segment.Holder. If the blob can't be opened, whoever reads is told.
func (o *object) Hold() (letGo func()) {
	if _, err := o.take(); err != nil {
		return func() {}
	}
	return o.leave
}

func (o *object) take() (*blob.Object, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		b, err := o.objects.Open(context.Background(), o.name)
		if err != nil {
			return nil, err
		}
		o.open = b
	}
	o.users++
	return o.open, nil
}

func (o *object) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users--; o.users == 0 {
		o.open.Close() // was read only
		o.open = nil
	}
}

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, off int64) (n int, err error) {
	b, err := o.take()
	if err != nil {
		return 0, err
	}
	defer o.leave()
	return b.ReadAt(p, off)
}

// far is how many segments are opened at a time where that is waiting, most of its time.
const far = 16

// opens is how many segments a query opens at a time.
func (s *Store) opens() int {
	if _, bucketed := s.cfg.FS.(*bucket.Folder); bucketed {
		return max(far, runtime.GOMAXPROCS(0))
	}
	return runtime.GOMAXPROCS(0)
}

// A File is a Parquet file in memory with some of a snapshot's rows.
type File struct {
	Path    string // openable by this process until the snapshot's Release
	Columns []schema.Column
	Members []batch.Member // keys of dynamic columns that have columns of their own
	Rows    int64
	Weighed bool         // rows stand for as many as segment.WeightColumn says
	Since   schema.Ticks // rows before it are not to be shown, though they are there; 0: all may be
}

// A Snapshot is a table at one moment: every row that was acknowledged before,
// exactly once, as far as it may lie in the time range.
type Snapshot struct {
	s        *Store
	from, to schema.Ticks
	segments []*stored
	views    []*view
	images   []*segment.Image
	sifted   []*segment.Sifted
	closed   bool // the store was, so nothing is known of the rows
	released bool
	needs    []segment.Need
	weights  *segment.Weights
	edge     schema.Ticks // rows that are older are not shown
	use      Use
}

// Use is how much of a table its readers were spared.
type Use struct {
	Segments int   // in the range of time
	Groups   int   // row groups of them
	Read     int   // of these, that may have wanted rows
	Bytes    int64 // sealed, of all columns of all groups
	Opened   int64 // of what was wanted of the groups that were read
	Tail     int64 // rows that were not in segments
	Sifted   int64 // rows of row groups that were looked through before the engine
	Kept     int64 // of these, that the engine was given
	Weighed  int64 // rows of row groups that the engine was given as weighted rows
	Weights  int64 // how many these were
}

// Snapshot returns the rows of a table from from to to, both included; 0 is an
// open end. It skips what it need not read, so it may hold rows outside of the
// range too. The caller must Release it.
func (s *Store) Snapshot(workspace schema.WorkspaceID, table schema.TableName, from, to schema.Ticks) *Snapshot {
	p := &Snapshot{s: s, from: from, to: to}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.closed = s.closed
	t := s.tables[tableKey{workspace, table}]
	if t == nil {
		return p
	}
	for _, g := range t.segments {
		if segment.Overlaps(g.info.MinTime, g.info.MaxTime, from, to) {
			g.pins++
			p.segments = append(p.segments, g)
		}
	}
	for _, chunks := range [...][]*chunk{t.leaving, t.chunks} {
		for _, c := range chunks {
			if segment.Overlaps(c.current.first, c.current.last, from, to) {
				c.current.pins++
				p.views = append(p.views, c.current)
			}
		}
	}
	return p
}

// Segments returns what the manifest says of the snapshot's segments.
func (p *Snapshot) Segments() []segment.Info {
	infos := make([]segment.Info, len(p.segments))
	for i, g := range p.segments {
		infos[i] = g.info
	}
	return infos
}

// Tail returns the rows that are not in segments. The caller must not change them.
func (p *Snapshot) Tail() []arrow.RecordBatch {
	var recs []arrow.RecordBatch
	for _, v := range p.views {
		recs = append(recs, v.recs...)
	}
	return recs
}

// Need tells what is true of every row that is wanted. Files leaves out row
// groups and rows that it knows not to be; it may still give some that are not.
func (p *Snapshot) Need(needs []segment.Need) { p.needs = needs }

// Weigh asks for weighted rows, where row groups have many that are equal.
func (p *Snapshot) Weigh(by segment.Weights) { p.weights = &by }

// An Extent is some rows and the times between which they lie.
type Extent struct {
	First, Last schema.Ticks
	Rows        int64
}

// Extents tells where the snapshot's rows lie, roughly.
func (p *Snapshot) Extents() []Extent {
	var all []Extent
	for _, g := range p.segments {
		all = append(all, Extent{g.info.MinTime, g.info.MaxTime, g.info.Rows})
	}
	for _, v := range p.views {
		all = append(all, Extent{v.first, v.last, v.rows})
	}
	return all
}

// Use tells what the last call of Files has read.
func (p *Snapshot) Use() Use { return p.use }

// Files returns the snapshot's rows that are not before since as files for the
// engine, with at least the named columns, as far as the rows have them. Those
// that must not be shown before a time, since or the file's, have TimeGenerated.
// Rows written before a table got a column lie in files that lack it. Of members,
// a file has the column of their own or the whole column that they are in. Files
// may be called more than once, not concurrently.
func (p *Snapshot) Files(ctx context.Context, columns []string, members []segment.Member, since schema.Ticks) ([]File, error) {
	if p.closed {
		return nil, ErrClosed
	}
	p.use = Use{}
	if since > 0 {
		columns = withTime(columns)
	}
	letGo := &held{}
	defer letGo.all()
	wants, edges, err := p.wants(ctx, columns, members, max(p.from, since), letGo)
	if err != nil {
		return nil, err
	}
	var files []File
	if p.weights != nil {
		weigh := func() (*segment.Sifted, error) { return p.s.cfg.Cache.Weigh(ctx, wants, p.needs, *p.weights) }
		if files, wants, edges, err = p.look(weigh, wants, edges, &p.use.Weighed, &p.use.Weights); err != nil {
			return nil, err
		}
	}
	sift := func() (*segment.Sifted, error) { return p.s.cfg.Cache.Sift(ctx, wants, p.needs) }
	some, wants, edges, err := p.look(sift, wants, edges, &p.use.Sifted, &p.use.Kept)
	if err != nil {
		return nil, err
	}
	files = append(files, some...)
	images, err := p.s.cfg.Cache.Acquire(ctx, wants)
	if err != nil {
		return nil, err
	}
	p.images = append(p.images, images...)
	for i, m := range images {
		p.use.Opened += wants[i].Size()
		files = append(files, File{m.Path(), m.Columns(), m.Members(), m.Rows(), false, edges[i]})
	}
	for _, v := range p.views {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !segment.Overlaps(v.first, v.last, max(p.from, since), p.to) {
			continue
		}
		p.use.Tail += v.rows
		f, err := v.tail()
		if err != nil {
			return nil, err
		}
		files = append(files, File{f.Path(), f.Columns(), nil, f.Rows(), false, 0})
	}
	return files, nil
}

// look gives the rows that are found by looking through row groups, as files, and
// what of the wants it leaves. It counts the rows that were looked through, and those
// that came of them.
func (p *Snapshot) look(through func() (*segment.Sifted, error), wants []segment.Want, edges []schema.Ticks, looked, came *int64) (files []File, left []segment.Want, since []schema.Ticks, err error) {
	s, err := through()
	if err != nil {
		return nil, nil, nil, err
	}
	p.sifted = append(p.sifted, s)
	p.use.Opened += s.Read
	*looked += s.Rows
	*came += s.Kept
	for _, r := range s.Files {
		files = append(files, File{r.Path(), r.Columns(), r.Members(), r.Rows(), r.Weighed, 0})
	}
	for _, i := range s.Whole {
		left, since = append(left, wants[i]), append(since, edges[i])
	}
	return files, left, since, nil
}

// withTime is the columns and TimeGenerated.
func withTime(columns []string) []string { return append(slices.Clip(columns), schema.TimeGenerated) }

// mostHeld is of how many segments a query keeps the objects open from when it looks at
// them until it has read them; others are opened each time.
const mostHeld = 128

// held is objects that stay open until all are let go.
type held struct {
	n     atomic.Int32
	mu    sync.Mutex
	letGo []func()
}

// keep holds an object too, unless too many are held, or h is nil.
func (h *held) keep(o segment.Holder) {
	if h == nil || h.n.Add(1) > mostHeld {
		return
	}
	letGo := o.Hold()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letGo = append(h.letGo, letGo)
}

func (h *held) all() {
	for _, letGo := range h.letGo {
		letGo()
	}
}

// wants lists the row groups to read, and the times before which rows of them
// are not to be shown. Segments are opened, and their terms looked at, as many at a
// time as there are processors.
func (p *Snapshot) wants(ctx context.Context, columns []string, members []segment.Member, from schema.Ticks, hold *held) (wants []segment.Want, edges []schema.Ticks, err error) {
	type looked struct {
		reader *segment.Reader
		edge   schema.Ticks
		groups []int
		in     []segment.Stripes
	}
	found := make([]looked, len(p.segments))
	look := func(ctx context.Context, i int) error {
		g := p.segments[i]
		edge := stay(g.info).Edge(p.edge)
		first := max(from, edge)
		if !segment.Overlaps(g.info.MinTime, g.info.MaxTime, first, p.to) {
			return nil
		}
		r, err := g.open(ctx, hold)
		if err != nil {
			return err
		}
		groups, in, err := r.Wanted(ctx, first, p.to, p.needs)
		found[i] = looked{r, edge, groups, in}
		return err
	}
	// A few goroutines for all: the stack of each grows once.
	work, stopped := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(p.s.opens(), len(found)) {
		work.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if err := stopped.Err(); i >= len(found) || err != nil {
					return err
				}
				if err := look(stopped, i); err != nil {
					return err
				}
			}
		})
	}
	if err := work.Wait(); err != nil {
		return nil, nil, err
	}
	for i, f := range found {
		if f.reader == nil {
			continue
		}
		p.use.Segments++
		p.use.Groups += len(f.reader.Groups())
		p.use.Read += len(f.groups)
		p.use.Bytes += p.segments[i].info.Bytes
		for k, group := range f.groups {
			w, edge := segment.Want{Segment: f.reader, Group: group, Columns: columns, Members: members, From: max(from, f.edge), To: p.to, Stripes: f.in[k]}, f.edge
			if f.reader.Groups()[group].MinTime >= edge {
				edge = 0
			} else {
				w.Columns = withTime(columns)
			}
			wants, edges = append(wants, w), append(edges, edge)
		}
	}
	return wants, edges, nil
}

// Release gives back what the snapshot holds. Its files must not be opened
// afterwards; those that are open stay readable. Only the first call counts.
func (p *Snapshot) Release() {
	if p.released {
		return
	}
	p.released = true
	p.s.cfg.Cache.Release(p.images)
	for _, s := range p.sifted {
		s.Close()
	}
	for _, id := range p.unpin() {
		p.s.cfg.Cache.Forget(id)
		if p.s.follows {
			continue // the object is its owner's
		}
		if err := p.s.objects.Remove(context.Background(), string(id)); err != nil {
			// The next Open finds it.
			p.s.log.Warn("replaced segment not removed", "segment", id, "error", err)
		}
	}
}

// unpin returns the segments that nobody will read again.
func (p *Snapshot) unpin() (unread []schema.SegmentID) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	for _, v := range p.views {
		v.unpin()
	}
	for _, g := range p.segments {
		if g.pins--; g.pins == 0 && g.gone {
			unread = append(unread, g.info.ID)
		}
	}
	return unread
}
