package buckettest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"logkeep/internal/bucket"
)

// Run checks that what open returns, an empty bucket each time, keeps the
// contract of bucket.Bucket.
func Run(t *testing.T, open func(t *testing.T) bucket.Bucket) {
	t.Run("put and read", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		must(t, b.Put(ctx, "a/objects/x", []byte("hello world")))
		for _, c := range []struct {
			off  int64
			n    int
			want string
			err  error
		}{{0, 11, "hello world", nil}, {6, 5, "world", nil}, {6, 9, "world", io.EOF}, {0, 3, "hel", nil}, {11, 2, "", io.EOF}, {99, 2, "", io.EOF}} {
			p := make([]byte, c.n)
			n, err := b.ReadAt(ctx, "a/objects/x", p, c.off)
			if string(p[:n]) != c.want || err != c.err {
				t.Errorf("ReadAt %d bytes from %d: %q, %v", c.n, c.off, p[:n], err)
			}
		}
		if n, err := b.Size(ctx, "a/objects/x"); n != 11 || err != nil {
			t.Errorf("Size: %d, %v", n, err)
		}
	})
	t.Run("what isn't there", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		if _, err := b.ReadAt(ctx, "a/none", make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadAt: %v", err)
		}
		if _, err := b.Size(ctx, "a/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Size: %v", err)
		}
		must(t, b.Remove(ctx, "a/none"))
		if all, err := b.List(ctx, "a/"); len(all) != 0 || err != nil {
			t.Errorf("List: %v, %v", all, err)
		}
	})
	t.Run("a name is put once", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		must(t, b.Put(ctx, "a/x", []byte("one")))
		if err := b.Put(ctx, "a/x", []byte("two")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second Put: %v", err)
		}
		want(t, b, "a/x", "one")
		must(t, b.Replace(ctx, "a/x", []byte("three")))
		want(t, b, "a/x", "three")
		must(t, b.Remove(ctx, "a/x"))
		must(t, b.Put(ctx, "a/x", []byte("four")))
		want(t, b, "a/x", "four")
	})
	t.Run("of many who put a name one wins", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		var group sync.WaitGroup
		won := make([]error, 8)
		for i := range won {
			group.Go(func() { won[i] = b.Put(ctx, "a/x", fmt.Append(nil, "writer ", i)) })
		}
		group.Wait()
		winner := slices.Index(won, nil)
		for i, err := range won {
			if i != winner && !errors.Is(err, fs.ErrExist) {
				t.Errorf("writer %d: %v", i, err)
			}
		}
		want(t, b, "a/x", fmt.Sprint("writer ", winner))
	})
	t.Run("lists", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		var names []string
		for i := range 30 {
			name := fmt.Sprintf("a/journal/%02d", i)
			must(t, b.Put(ctx, name, bytes.Repeat([]byte("x"), i)))
			names = append(names, name)
		}
		must(t, b.Put(ctx, "a-0/x", nil))
		must(t, b.Put(ctx, "b/x", []byte("y")))
		all, err := b.List(ctx, "a/")
		must(t, err)
		var got []string
		for i, o := range all {
			got = append(got, o.Name)
			if o.Size != int64(i) {
				t.Errorf("%s has %d bytes", o.Name, o.Size)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("List: %q", got)
		}
		must(t, b.Remove(ctx, names[3]))
		if all, _ = b.List(ctx, "a/journal/0"); len(all) != 9 {
			t.Errorf("%d objects after a removal", len(all))
		}
	})
	t.Run("large and odd", func(t *testing.T) {
		b, ctx := open(t), t.Context()
		big := make([]byte, 9<<20+17)
		for i := range big {
			big[i] = byte(i * 7 >> 3)
		}
		must(t, b.Put(ctx, "a/objects/big", big))
		p := make([]byte, 100)
		if n, err := b.ReadAt(ctx, "a/objects/big", p, 8<<20-50); n != 100 || err != nil || !bytes.Equal(p, big[8<<20-50:][:100]) {
			t.Errorf("a piece in the middle: %d, %v", n, err)
		}
		if err := b.Put(ctx, "a/objects/big", big[1:]); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a large object was put twice: %v", err)
		}
		must(t, b.Put(ctx, "a/journal/0000000000000001.journal/0000000000000000", []byte{0, 1, 2}))
		want(t, b, "a/journal/0000000000000001.journal/0000000000000000", "\x00\x01\x02")
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, b bucket.Bucket, name, text string) {
	t.Helper()
	p := make([]byte, len(text)+1)
	n, err := b.ReadAt(t.Context(), name, p, 0)
	if string(p[:n]) != text || err != io.EOF {
		t.Errorf("%s has %q, %v, want %q", name, p[:n], err, text)
	}
}
