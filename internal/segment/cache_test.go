package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// many returns n small segments with different ids.
func many(t testing.TB, n int) (segments []*Reader, recs []arrow.RecordBatch) {
	for i := range n {
		rec := rows(t, 400+i, forwards)
		var o object
		in := info
		in.ID = schema.SegmentID(fmt.Sprintf("%032x", i))
		in, err := Write(t.Context(), &o, keys(t), account, in, []arrow.RecordBatch{rec})
		if err != nil {
			t.Fatal(err)
		}
		segments, recs = append(segments, opened(t, &o, in)), append(recs, rec)
	}
	return segments, recs
}

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	segments, _ := many(t, 4)
	one := NewCache(1 << 30)
	images, err := one.Acquire(t.Context(), []Want{{Segment: segments[0], Group: 0, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	size := one.Used()
	one.Release(images)
	one.Close()
	if one.Used() != 0 {
		t.Errorf("%d bytes in use after Close", one.Used())
	}

	c := NewCache(3*size + size/2)
	paths := map[string]int{}
	for _, i := range []int{0, 1, 2, 0, 3} { // 1 is the oldest when 3 needs room
		images, err := c.Acquire(t.Context(), []Want{{Segment: segments[i], Group: 0, Columns: names(columns)}})
		if err != nil {
			t.Fatal(err)
		}
		paths[images[0].Path()] = i
		c.Release(images)
	}
	for i, want := range []bool{true, false, true, true} {
		if _, got := c.images[imageKey{segments[i].id, 0}]; got != want {
			t.Errorf("image %d is kept: %t", i, got)
		}
	}
	c.Forget(segments[0].id)
	if len(c.images) != 2 || c.Used() > 2*size+size/2 {
		t.Errorf("%d images, %d bytes after Forget", len(c.images), c.Used())
	}
	c.Close()
	for path := range paths {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still open: %v", path, err)
		}
	}
}

func TestImagesInUseStay(t *testing.T) {
	segments, recs := many(t, 3)
	c := NewCache(1 << 30)
	first, err := c.Acquire(t.Context(), []Want{{Segment: segments[0], Group: 0, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	c.limit = c.Used() + 1<<10
	_, err = c.Acquire(t.Context(), []Want{{Segment: segments[1], Group: 0, Columns: names(columns)}})
	if limit, ok := errors.AsType[*LimitError](err); !ok || limit.Need <= 0 {
		t.Errorf("a cache full of images in use: %v", err)
	}
	c.Close() // the process forgets them; the query goes on
	refs, _ := batch.ByTime(recs[:1])
	holds(t, read(t, first[0].Path()), names(columns), recs[0], refs)
	path := first[0].Path()
	c.Release(first)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open after the last release: %v", err)
	}
}

func TestCancelledQueryLeavesImagesUsable(t *testing.T) {
	segments, recs := many(t, 2)
	c := NewCache(1 << 30)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wants := []Want{{Segment: segments[0], Group: 0, Columns: names(columns)}, {Segment: segments[1], Group: 0, Columns: names(columns)}}
	if _, err := c.Acquire(ctx, wants); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	images, err := c.Acquire(t.Context(), wants)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release(images)
	for i, m := range images {
		refs, _ := batch.ByTime(recs[i : i+1])
		holds(t, read(t, m.Path()), names(columns), recs[i], refs)
	}
}

func TestQueriesShareImages(t *testing.T) {
	segments, recs := many(t, 3)
	c := NewCache(1 << 20)
	defer c.Close()
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			s := i % len(segments)
			col := columns[1+i%(len(columns)-1)].Name
			images, err := c.Acquire(context.Background(), []Want{{Segment: segments[s], Group: 0, Columns: []string{col}}})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Release(images)
			b, err := os.ReadFile(images[0].Path())
			if err != nil || !bytes.HasPrefix(b, []byte(magic)) || !bytes.HasSuffix(b, []byte(magic)) {
				t.Errorf("image %d of %d bytes: %v", i, len(b), err)
			}
			tab := read(t, images[0].Path())
			want := recs[s].Column(recs[s].Schema().FieldIndices(col)[0])
			for k, cell := range cells(tab.Column(tab.Schema().FieldIndices(col)[0]).Data()) {
				if cell != want.ValueStr(k) {
					t.Errorf("%s of segment %d, row %d: %q, want %q", col, s, k, cell, want.ValueStr(k))
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkWrite(b *testing.B) {
	rec := rows(b, GroupRows, forwards)
	b.ReportAllocs()
	for b.Loop() {
		written(b, rec)
	}
	b.ReportMetric(float64(rec.NumRows())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkImage(b *testing.B) {
	o, in := written(b, rows(b, GroupRows, forwards))
	s := opened(b, o, in)
	var bytes int64
	for _, chunk := range s.chunks[0] {
		bytes += chunk.size
	}
	b.SetBytes(bytes)
	for b.Loop() {
		c := NewCache(1 << 30)
		images, err := c.Acquire(b.Context(), []Want{{Segment: s, Group: 0, Columns: names(columns)}})
		if err != nil {
			b.Fatal(err)
		}
		c.Release(images)
		c.Close()
	}
}

func BenchmarkTail(b *testing.B) {
	rec := rows(b, 8192, forwards)
	for b.Loop() {
		t, err := NewTail([]arrow.RecordBatch{rec})
		if err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
	b.ReportMetric(float64(rec.NumRows())*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
