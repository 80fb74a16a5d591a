package segment

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// A Cache keeps images of segments, those used last, within a bound of memory.
// Images in use are pinned and never dropped. It is safe for concurrent use.
type Cache struct {
	slots chan struct{} // bounds the goroutines that decrypt

	mu     sync.Mutex
	limit  int64
	used   int64
	images map[imageKey]*Image
	recent *list.List      // of *Image, the one used last in front
	desks  []*parquet.Desk // that nobody uses; their buffers are counted
}

// mostPlainTexts is the part of the cache, one in so many, up to which texts that
// were stored by templates are kept plain in images that a query makes. Beyond, they
// are packed, which costs more of the processor and a quarter of the memory.
const mostPlainTexts = 2

// maxImages bounds the descriptors that images in no use hold.
const maxImages = 4096

type imageKey struct {
	segment schema.SegmentID
	group   int
}

// A Want names a row group and the columns that must be readable in its image.
// Columns that the segment does not have are left out; if it has none of them,
// TimeGenerated is in their place, so that an image is never without columns.
type Want struct {
	Segment *Reader
	Group   int
	Columns []string
	Members []Member // read from columns of their own, or from those that they are in

	// Rows outside of these times, both included, need not be there; 0 is an open end.
	From, To schema.Ticks
	Stripes  Stripes // nor others than these, unless there are none
}

// A Member names a key of a dynamic column.
type Member struct{ Column, Key string }

// A LimitError reports a query that needs more decrypted memory than is free.
type LimitError struct{ Need, Limit int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the query needs %d MiB of decrypted columns, of %d MiB that all queries share; narrow its time range or its columns, or try again when others are done", e.Need>>20, e.Limit>>20)
}

// NewCache returns an empty cache that holds at most limit bytes.
func NewCache(limit int64) *Cache {
	return &Cache{
		limit:  limit,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		images: make(map[imageKey]*Image),
		recent: list.New(),
	}
}

// Far says that segments lie where reading is waiting, most of its time: more is read
// at once. It is called before anything is acquired.
func (c *Cache) Far() { c.slots = make(chan struct{}, max(16, runtime.GOMAXPROCS(0))) }

// Acquire returns a pinned image for each want, in their order. The caller
// gives them back with Release. After an error nothing is pinned.
func (c *Cache) Acquire(ctx context.Context, wants []Want) ([]*Image, error) {
	images, columns, err := c.pin(wants)
	if err != nil {
		return nil, err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(2 * cap(c.slots))
	for i, m := range images {
		work.Go(func() error {
			err := m.fill(ctx, columns[i], c.slots)
			if err != nil && !errors.Is(err, context.Canceled) {
				c.drop(m) // what it holds of the columns charged for is unknown
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		c.Release(images)
		return nil, err
	}
	return images, nil
}

// pin finds or makes the images, charges for the columns they lack and makes
// room for them.
func (c *Cache) pin(wants []Want) (images []*Image, columns [][]int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if err != nil {
			c.unpin(images)
			images = nil
		}
	}()
	var need, packed int64 // packed: with texts of templates packed
	for _, w := range wants {
		m, err := c.image(w)
		if err != nil {
			return images, nil, err
		}
		m.pins++
		images = append(images, m)
		cols := w.indexes()
		columns = append(columns, cols)
		for _, col := range cols {
			if !m.charged[col] {
				need += w.Segment.inMemory(w.Group, col, false)
				packed += w.Segment.inMemory(w.Group, col, true)
			}
		}
	}
	// Plain texts are quicker to read, but may not take the place of much else.
	pack := need > c.limit/mostPlainTexts
	if pack {
		need = packed
	}
	c.shrink(need)
	if c.used+need > c.limit {
		return images, nil, &LimitError{Need: need, Limit: c.limit}
	}
	for i, m := range images {
		for _, col := range columns[i] {
			if !m.charged[col] {
				m.charged[col], m.pack[col] = true, pack
				m.bytes += m.segment.inMemory(m.group, col, pack)
				c.used += m.segment.inMemory(m.group, col, pack)
			}
		}
	}
	return images, columns, nil
}

// shrink drops images in no use until so much more fits, the ones used last at
// last. It needs mu.
func (c *Cache) shrink(need int64) {
	for len(c.desks) > 0 && c.used+need > c.limit {
		last := len(c.desks) - 1
		c.used -= c.desks[last].Held()
		c.desks = c.desks[:last]
	}
	for e := c.recent.Back(); e != nil && (c.used+need > c.limit || len(c.images) > maxImages); {
		m := e.Value.(*Image)
		e = e.Prev()
		if m.pins == 0 {
			c.remove(m)
		}
	}
}

// Limit changes how much the cache holds at most. Images in use stay until they
// are released and something else needs room.
func (c *Cache) Limit(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	c.shrink(0)
}

// image returns the image of a row group, new if need be, as the one used last.
func (c *Cache) image(w Want) (*Image, error) {
	key := imageKey{w.Segment.id, w.Group}
	if m, ok := c.images[key]; ok {
		c.recent.MoveToFront(m.place)
		return m, nil
	}
	m, err := newImage(w.Segment, w.Group)
	if err != nil {
		return nil, err
	}
	c.images[key] = m
	m.place = c.recent.PushFront(m)
	m.bytes = pages(0) // magic and footers
	c.used += m.bytes
	return m, nil
}

func (w Want) indexes() []int {
	var cols []int
	add := func(i int, ok bool) {
		if ok && !slices.Contains(cols, i) {
			cols = append(cols, i)
		}
	}
	for _, name := range w.Columns {
		i, ok := w.Segment.index[name]
		add(i, ok)
	}
	for _, m := range w.Members {
		i, ok := w.Segment.member(m.Column, m.Key)
		if !ok {
			i, ok = w.Segment.index[m.Column]
		}
		add(i, ok)
	}
	if len(cols) == 0 {
		cols = []int{w.Segment.index[schema.TimeGenerated]}
	}
	return cols
}

// Size is how many bytes of the segment the wanted columns are.
func (w Want) Size() (n int64) {
	for _, c := range w.indexes() {
		n += w.Segment.chunks[w.Group][c].size
	}
	return n
}

// Release gives images back. The caller must not use them afterwards.
func (c *Cache) Release(images []*Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unpin(images)
}

func (c *Cache) unpin(images []*Image) {
	for _, m := range images {
		m.pins--
		if m.pins == 0 && m.dead {
			m.file.Close()
		}
	}
}

func (c *Cache) drop(m *Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(m)
}

// remove takes an image out of the cache; it is closed when no one uses it.
func (c *Cache) remove(m *Image) {
	if m.dead {
		return
	}
	m.dead = true
	c.used -= m.bytes
	c.recent.Remove(m.place)
	delete(c.images, imageKey{m.segment.id, m.group})
	if m.pins == 0 {
		m.file.Close()
	}
}

// Forget drops the images of a segment that no query will ask for again.
func (c *Cache) Forget(id schema.SegmentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, m := range c.images {
		if key.segment == id {
			c.remove(m)
		}
	}
}

// Used returns the bytes that the images in the cache take, and what else is
// counted with them.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Close drops all images. Those in use end when they are released.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.images {
		c.remove(m)
	}
	for _, d := range c.desks {
		c.used -= d.Held()
	}
	c.desks = nil
}

// desk returns a desk for one goroutine: what its buffers are is counted.
func (c *Cache) desk() *parquet.Desk {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.desks) - 1
	if last < 0 {
		return &parquet.Desk{}
	}
	d := c.desks[last]
	c.desks = c.desks[:last]
	return d
}

// mostIdle is how many bytes of buffers a desk may keep that nobody uses.
const mostIdle = 16 << 20

// giveDesk takes a desk back.
func (c *Cache) giveDesk(d *parquet.Desk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Held() > mostIdle || len(c.desks) == cap(c.slots) || c.used > c.limit {
		c.used -= d.Held()
		return
	}
	c.desks = append(c.desks, d)
}
