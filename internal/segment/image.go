package segment

import (
	"cmp"
	"container/list"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// piece is how much one goroutine decrypts and copies at a time: a multiple of
// the seal's chunks, so that pieces of a range do not open a chunk twice.
const piece = 512 << 10

// An Image is one row group of a segment, decrypted in memory as far as
// queries have asked for it. It is made by a Cache and usable while pinned.
type Image struct {
	segment *Reader
	group   int
	file    *os.File
	path    string

	// The cache's: guarded by its lock.
	pins    int
	charged []bool // by column: counted in the cache's use
	pack    []bool // by column: it is to be packed if it is made plain; does not change once it is charged
	bytes   int64
	dead    bool // no longer in the cache; closed with the last pin
	place   *list.Element

	mu      sync.Mutex
	present []bool // by column
	plainMu sync.Mutex
	plain   map[int]parquet.PlainChunk // of columns that were made plain
	footer  int64                      // offset of the latest footer
	tail    int64                      // offset of the distance
}

// Path returns the name by which the engine in this process opens the image.
func (m *Image) Path() string { return m.path }

// Rows returns the number of rows.
func (m *Image) Rows() int64 { return m.segment.groups[m.group].Rows }

// Columns returns the table's columns that the image has at this moment.
func (m *Image) Columns() []schema.Column {
	m.mu.Lock()
	defer m.mu.Unlock()
	var columns []schema.Column
	for i, c := range m.segment.Columns() {
		if m.present[i] {
			columns = append(columns, c)
		}
	}
	return columns
}

// Members returns the members whose columns the image has at this moment.
func (m *Image) Members() []batch.Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	var members []batch.Member
	for i, here := range m.present[len(m.segment.Columns()):] {
		if here {
			members = append(members, m.segment.members[i])
		}
	}
	return members
}

func newImage(s *Reader, group int) (*Image, error) {
	f, err := newMemfd("logkeep-image")
	if err != nil {
		return nil, err
	}
	m := &Image{
		segment: s, group: group, file: f, path: path(f),
		charged: make([]bool, len(s.columns)), pack: make([]bool, len(s.columns)), present: make([]bool, len(s.columns)),
		plain: map[int]parquet.PlainChunk{},
	}
	// Each footer adds at least one column, so there are at most as many
	// footers as columns, and none is longer than the one with all of them.
	all := make([]bool, len(s.columns))
	for i := range all {
		all[i] = true
	}
	room, end := m.rooms()
	longest := s.footer.Of(group, all, room)
	m.tail = end + int64(len(s.columns))*int64(len(longest))
	m.footer = m.tail
	if err = m.write([]byte(magic), 0); err == nil {
		err = m.write([]byte(magic), m.tail+4)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

func (m *Image) write(b []byte, off int64) error {
	if _, err := m.file.WriteAt(b, off); err != nil {
		return fmt.Errorf("write a file in memory: %w", err)
	}
	return nil
}

// fill decrypts those of the columns that are not present, then publishes a
// footer that lists them too. slots bounds the goroutines that decrypt.
func (m *Image) fill(ctx context.Context, columns []int, slots chan struct{}) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	present := slices.Clone(m.present)
	var missing []span
	var woven []int
	for _, c := range columns {
		switch {
		case present[c]:
		case m.segment.footer.Groups[m.group].Chunks[c].Templates:
			present[c] = true
			woven = append(woven, c)
		default:
			present[c] = true
			missing = append(missing, m.segment.chunks[m.group][c])
		}
	}
	if len(missing)+len(woven) == 0 {
		return nil
	}
	defer m.segment.Hold()()
	work, stopped := errgroup.WithContext(ctx)
	var do []func() error
	for _, c := range woven {
		do = append(do, func() error { return m.unweave(stopped, c) })
	}
	for _, part := range pieces(missing) {
		do = append(do, func() error { return m.decrypt(part) })
	}
	for _, f := range do {
		select {
		case slots <- struct{}{}:
			work.Go(func() error {
				defer func() { <-slots }()
				return f()
			})
			continue
		case <-stopped.Done():
		}
		break
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.publish(present)
}

// pieces joins spans that touch and cuts them for goroutines.
func pieces(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	var cut []span
	for i := 0; i < len(spans); {
		r := spans[i]
		for i++; i < len(spans) && spans[i].off <= r.off+r.size; i++ {
			r.size = max(r.size, spans[i].off+spans[i].size-r.off)
		}
		for r.size > 0 {
			n := min(r.size, piece-r.off%piece)
			cut = append(cut, span{r.off, n})
			r.off, r.size = r.off+n, r.size-n
		}
	}
	return cut
}

// buffers are *[piece]byte: what a query decrypts would be garbage many times over.
var buffers = sync.Pool{New: func() any { return new([piece]byte) }}

// decrypt copies a span of the segment, no longer than a piece, to the same place
// in the image.
func (m *Image) decrypt(s span) error {
	all := buffers.Get().(*[piece]byte)
	defer buffers.Put(all)
	b := all[:s.size]
	if _, err := m.segment.data.ReadAt(b, s.off); err != nil {
		return damage(m.segment.id, m.segment.table, fmt.Errorf("read segment %s: %w", m.segment.id, err))
	}
	return m.write(b, s.off)
}

// publish writes the footer of the columns in present, then makes it the one
// that readers find.
func (m *Image) publish(present []bool) error {
	footer := m.segment.footer.Of(m.group, present, m.plain)
	at := m.footer - int64(len(footer))
	if _, end := m.rooms(); at < end {
		return fmt.Errorf("internal error: no room for the footer of an image of segment %s", m.segment.id)
	}
	if err := m.write(footer, at); err != nil {
		return err
	}
	var distance [4]byte
	binary.LittleEndian.PutUint32(distance[:], uint32(m.tail-at))
	if err := m.write(distance[:], m.tail); err != nil {
		return err
	}
	m.present, m.footer = present, at
	return nil
}
