package disktest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"logkeep/internal/disk"
)

// Run checks that what open returns, an empty FS each time, keeps the contract
// of disk.FS as far as it can be seen without a crash.
func Run(t *testing.T, open func(t *testing.T) disk.FS) {
	t.Run("append and read", func(t *testing.T) {
		d := open(t)
		f := create(t, d, "a")
		write(t, f, "hello ")
		write(t, f, "world")
		wantContent(t, f, "hello world")
		must(t, f.Sync())
		must(t, f.Close())
		g, err := d.Open("a")
		must(t, err)
		write(t, g, "!")
		wantContent(t, g, "hello world!")
		b := make([]byte, 5)
		if n, err := g.ReadAt(b, 6); n != 5 || err != nil || string(b) != "world" {
			t.Errorf("ReadAt(6) = %q, %v", b[:n], err)
		}
		if n, err := g.ReadAt(b, 10); n != 2 || err != io.EOF {
			t.Errorf("ReadAt at the end = %d, %v, want 2, EOF", n, err)
		}
		if n, err := g.ReadAt(b, 100); n != 0 || err != io.EOF {
			t.Errorf("ReadAt past the end = %d, %v, want 0, EOF", n, err)
		}
		must(t, g.Close())
		if err := g.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
	t.Run("truncate, then append", func(t *testing.T) {
		d := open(t)
		f := create(t, d, "a")
		write(t, f, "hello world")
		must(t, f.Truncate(5))
		wantContent(t, f, "hello")
		write(t, f, "!")
		wantContent(t, f, "hello!")
		must(t, f.Close())
	})
	t.Run("names", func(t *testing.T) {
		d := open(t)
		must(t, d.MkdirAll("x/y"))
		must(t, d.MkdirAll("x/y"))
		must(t, create(t, d, "x/y/b").Close())
		must(t, create(t, d, "x/y/a").Close())
		wantNames(t, d, "x/y", "a", "b")
		wantNames(t, d, "x")
		wantNames(t, d, "nowhere")
		if _, err := d.Create("x/y/a"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create of an existing file: %v", err)
		}
		if _, err := d.Open("x/y/c"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of no file: %v", err)
		}
		if _, err := d.Create("z/a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Create in no folder: %v", err)
		}
		if err := d.Remove("x/y/c"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove of no file: %v", err)
		}
		if err := d.Rename("x/y/c", "x/y/d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename of no file: %v", err)
		}
		must(t, d.Rename("x/y/a", "x/y/c"))
		wantNames(t, d, "x/y", "b", "c")
		must(t, d.Rename("x/y/b", "x/y/c"))
		wantNames(t, d, "x/y", "c")
		must(t, d.SyncDir("x/y"))
		must(t, d.Remove("x/y/c"))
		wantNames(t, d, "x/y")
		if err := d.SyncDir("nowhere"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("SyncDir of no folder: %v", err)
		}
	})
	t.Run("removed files stay readable while open", func(t *testing.T) {
		d := open(t)
		f := create(t, d, "a")
		write(t, f, "hello")
		must(t, d.Remove("a"))
		wantContent(t, f, "hello")
		must(t, f.Close())
	})
	t.Run("no way out", func(t *testing.T) {
		d := open(t)
		for _, name := range []string{"../a", "/etc/passwd", "x/../../a"} {
			if _, err := d.Create(name); err == nil {
				t.Errorf("created %s", name)
			}
			if _, err := d.Open(name); err == nil {
				t.Errorf("opened %s", name)
			}
		}
	})
	t.Run("lock", func(t *testing.T) {
		d := open(t)
		a, err := d.Lock("LOCK")
		must(t, err)
		if _, err := d.Lock("LOCK"); !errors.Is(err, disk.ErrLocked) {
			t.Errorf("second Lock: %v", err)
		}
		must(t, a.Close())
		b, err := d.Lock("LOCK")
		must(t, err)
		must(t, b.Close())
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d disk.FS, name string) disk.File {
	t.Helper()
	f, err := d.Create(name)
	must(t, err)
	return f
}

func write(t *testing.T, f disk.File, s string) {
	t.Helper()
	if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func wantContent(t *testing.T, f disk.File, want string) {
	t.Helper()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n != len(b) || err != nil && err != io.EOF {
		t.Fatalf("ReadAt = %d, %v", n, err)
	}
	if string(b) != want {
		t.Errorf("the file has %q, want %q", b, want)
	}
}

func wantNames(t *testing.T, d disk.FS, dir string, want ...string) {
	t.Helper()
	infos, err := d.List(dir)
	must(t, err)
	var got []string
	for _, i := range infos {
		got = append(got, i.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("List(%s) = %q, want %q", dir, got, want)
	}
}
