package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/bucket/cache"
)

func open(t *testing.T, b bucket.Bucket, bytes int64) (*cache.Cache, string) {
	dir := filepath.Join(t.TempDir(), "cache")
	c, err := cache.Open(cache.Config{Bucket: b, Dir: dir, Bytes: bytes, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func room(t *testing.T, c *cache.Cache, domain string) *cache.Room {
	r, err := c.Room(domain)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func files(dir string) (n int, size int64) {
	filepath.Walk(dir, func(_ string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			n, size = n+1, size+i.Size()
		}
		return nil
	})
	return n, size
}

// counted counts reads of a bucket.
func counted(m *buckettest.Memory) *atomic.Int64 {
	var n atomic.Int64
	m.OnOp(func(op buckettest.Op) buckettest.Outcome {
		if op.Kind == "read" {
			n.Add(1)
		}
		return buckettest.Outcome{}
	})
	return &n
}

func TestRoom(t *testing.T) {
	buckettest.Run(t, func(t *testing.T) bucket.Bucket {
		c, _ := open(t, buckettest.New(), 3<<20)
		return room(t, c, "d")
	})
}

func read(t *testing.T, b bucket.Bucket, name string, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := b.ReadAt(t.Context(), name, p, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

// What was written or read is not fetched again, and lies on the disk in other bytes.
func TestHot(t *testing.T) {
	m := buckettest.New()
	reads := counted(m)
	c, dir := open(t, m, 64<<20)
	r := room(t, c, "d")
	text := bytes.Repeat([]byte("sealed rows "), 200_000) // 2.4 MB
	if err := r.Put(t.Context(), "a/objects/x", text); err != nil {
		t.Fatal(err)
	}
	m.Damage("a/objects/y", text)
	for range 3 {
		for _, name := range []string{"a/objects/x", "a/objects/y"} {
			if !bytes.Equal(read(t, r, name, len(text)), text) {
				t.Fatal("other bytes")
			}
		}
	}
	if reads.Load() != 3 { // the pieces of y
		t.Errorf("%d reads of the bucket", reads.Load())
	}
	n, size := files(dir)
	if st := c.Stats(); n != 6 || int(size) != 2*(len(text)+3*28) || st.Bytes != size || st.Files != n {
		t.Errorf("%d files with %d bytes, %+v", n, size, st)
	}
	filepath.Walk(dir, func(path string, i os.FileInfo, err error) error {
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("sealed rows")) {
			t.Error("the outer layer is missing")
		}
		return nil
	})
	// A changed file is fetched again.
	fresh, dir := open(t, m, 64<<20)
	r = room(t, fresh, "d")
	read(t, r, "a/objects/x", 10)
	filepath.Walk(dir, func(path string, i os.FileInfo, err error) error {
		if i.Mode().IsRegular() {
			os.WriteFile(path, []byte("something else that is long enough to be one"), 0o600)
		}
		return nil
	})
	for i := range 40 { // out of memory
		m.Damage(fmt.Sprintf("a/objects/%d", i), []byte("1"))
		read(t, r, fmt.Sprintf("a/objects/%d", i), 1)
	}
	if !bytes.Equal(read(t, r, "a/objects/x", 10), text[:10]) {
		t.Error("a changed file was believed")
	}
}

// Beyond its bytes the piece that was used longest ago goes, and after its age any.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := buckettest.New()
		c, dir := open(t, m, 4<<20)
		r := room(t, c, "d")
		piece := make([]byte, 900<<10)
		for i := range 12 {
			time.Sleep(time.Hour)
			if err := r.Put(t.Context(), fmt.Sprintf("a/objects/%d", i), piece); err != nil {
				t.Fatal(err)
			}
			if _, size := files(dir); size > 4<<20 {
				t.Fatalf("%d bytes", size)
			}
		}
		reads := counted(m)
		read(t, r, "a/objects/11", 10)
		read(t, r, "a/objects/8", 10)
		if reads.Load() != 0 {
			t.Error("what was written last is gone")
		}
		read(t, r, "a/objects/7", 10)
		if reads.Load() != 1 {
			t.Error("what was written first is there")
		}
		time.Sleep(cache.DefaultAge)
		m.Damage("a/objects/new", []byte("1"))
		read(t, r, "a/objects/new", 1)
		if n, _ := files(dir); n != 1 {
			t.Errorf("%d files after 14 days without a use", n)
		}
	})
}

// A revocation takes the key, the files, and whatever comes late.
func TestForget(t *testing.T) {
	m := buckettest.New()
	c, dir := open(t, m, 64<<20)
	old, other := room(t, c, "d"), room(t, c, "e")
	for i := range 50 {
		name := fmt.Sprintf("a/objects/%d", i)
		m.Damage(name, []byte("sealed"))
		read(t, old, name, 6)
	}
	m.Damage("b/objects/x", []byte("another's"))
	read(t, other, "b/objects/x", 9)
	var group sync.WaitGroup
	for i := range 8 { // in the midst of reads
		group.Go(func() {
			for n := range 100 {
				old.ReadAt(context.Background(), fmt.Sprintf("a/objects/%d", (n+i)%50), make([]byte, 6), 0)
			}
		})
	}
	f, err := c.Forget("d")
	group.Wait()
	if err != nil || f.Files != 50 {
		t.Errorf("%+v, %v", f, err)
	}
	if n, _ := files(dir); n != 1 {
		t.Errorf("%d files are left", n)
	}
	read(t, old, "a/objects/1", 6) // a worker that lingers reads on, past the cache
	if n, _ := files(dir); n != 1 {
		t.Errorf("%d files after a late read", n)
	}
	again := room(t, c, "d")
	if again == old {
		t.Fatal("the same room")
	}
	if filled, err := again.Fill(t.Context(), []bucket.Info{{Name: "a/objects/1", Size: 6}, {Name: "a/objects/2", Size: 6}}); filled != 12 || err != nil {
		t.Errorf("filled %d, %v", filled, err)
	}
	reads := counted(m)
	read(t, again, "a/objects/1", 6)
	if n, _ := files(dir); n != 3 || reads.Load() != 0 {
		t.Errorf("%d files, %d reads", n, reads.Load())
	}
	if _, err := cache.Open(cache.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if n, _ := files(dir); n != 0 {
		t.Errorf("a new cache has %d files", n)
	}
}

// Readers list a journal that a writer has listed without asking the bucket.
func TestJournalsAreRemembered(t *testing.T) {
	m := buckettest.New()
	c, _ := open(t, m, 64<<20)
	r := room(t, c, "d")
	names := func(b bucket.Bucket) (all []string) {
		list, err := b.List(t.Context(), "a/journal/")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			all = append(all, fmt.Sprint(o.Name, " ", o.Size))
		}
		return all
	}
	r.Put(t.Context(), "a/journal/1.journal/0", []byte("1"))
	names(r)
	lists := 0
	m.OnOp(func(op buckettest.Op) buckettest.Outcome {
		if op.Kind == "list" {
			lists++
		}
		return buckettest.Outcome{}
	})
	r.Put(t.Context(), "a/journal/1.journal/1", []byte("22"))
	r.Put(t.Context(), "a/journal/2.journal/0", []byte("333"))
	r.Remove(t.Context(), "a/journal/1.journal/0")
	if got := fmt.Sprint(names(r.Reader())); got != "[a/journal/1.journal/1 2 a/journal/2.journal/0 3]" || lists != 0 {
		t.Errorf("%s after %d lists", got, lists)
	}
}

// slow is a bucket that is far away.
type slow struct{ *buckettest.Memory }

const trip = 100 * time.Millisecond

func (s slow) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	time.Sleep(trip)
	return s.Memory.ReadAt(ctx, name, p, off)
}

// What a long read needs of the bucket is fetched together, eight pieces at a time,
// and kept; the second time nothing is.
func TestALongReadIsFetchedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := buckettest.New()
		body := make([]byte, 19<<20+12345)
		for i := range body {
			body[i] = byte(i * i >> 8)
		}
		m.Damage("a/objects/x", body)
		c, _ := open(t, slow{m}, 1<<30)
		r := room(t, c, "d")
		for i, want := range []time.Duration{3 * trip, 0} { // 20 pieces
			begin := time.Now()
			got := make([]byte, len(body)-1000)
			if n, err := r.ReadAt(t.Context(), "a/objects/x", got, 1000); n != len(got) || err != nil || !bytes.Equal(got, body[1000:]) {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("read %d took %v, want %v", i, took, want)
			}
		}
		// Behind the end there is nothing.
		got := make([]byte, 4<<20)
		if n, err := r.ReadAt(t.Context(), "a/objects/x", got, 18<<20); n != 1<<20+12345 || err != io.EOF || !bytes.Equal(got[:n], body[18<<20:]) {
			t.Errorf("%d bytes, %v", n, err)
		}
		c.Close()
	})
}

// Once a key domain's cache is dark, what it had is asked of the bucket, which may say
// no, even before its files are removed.
func TestADarkCacheGivesNothing(t *testing.T) {
	m := buckettest.New()
	c, _ := open(t, m, 64<<20)
	r := room(t, c, "d")
	m.Damage("a/objects/x", []byte("sealed"))
	read(t, r, "a/objects/x", 6)
	reads := counted(m)
	if read(t, r, "a/objects/x", 6); reads.Load() != 0 {
		t.Fatal("it was not cached")
	}
	remove := c.Darken("d")
	if read(t, r, "a/objects/x", 6); reads.Load() != 1 {
		t.Error("a dark cache answered")
	}
	if f, err := remove(); err != nil || f.Files != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}
