package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"logkeep/internal/blob"
	"logkeep/internal/disk"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/seal"
)

func keys(t testing.TB) seal.Keys {
	k, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return seal.Keys{Inner: k, Generation: 1}
}

func at(name string) seal.Place { return seal.Place{Kind: "segment", Object: name} }

func newStore(t testing.TB, d disk.FS) *blob.Store {
	s, err := blob.NewStore(d, "accounts/a/objects")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put seals plain into an object and commits it.
func put(ctx context.Context, s *blob.Store, k seal.Keys, name string, plain []byte) error {
	w, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	sw, err := seal.NewWriter(w, k, at(name))
	if err != nil {
		return err
	}
	if _, err := sw.Write(plain); err != nil {
		return err
	}
	if err := sw.Close(); err != nil {
		return err
	}
	if w.Size() != sw.Size() {
		return fmt.Errorf("%d bytes sealed, %d written", sw.Size(), w.Size())
	}
	return w.Commit(ctx)
}

func get(ctx context.Context, s *blob.Store, k seal.Keys, name string) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	r, err := seal.Open(o, o.Size(), k, at(name))
	if err != nil {
		return nil, err
	}
	b := make([]byte, r.Size())
	_, err = r.ReadAt(b, 0)
	return b, err
}

func names(t testing.TB, s *blob.Store) []string {
	infos, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

func TestObjects(t *testing.T) {
	folder, err := disk.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for kind, d := range map[string]disk.FS{"folder": folder, "memory": disktest.New()} {
		t.Run(kind, func(t *testing.T) {
			s, k, ctx := newStore(t, d), keys(t), t.Context()
			plain := bytes.Repeat([]byte("row "), 100_000)
			if err := put(ctx, s, k, "b", plain); err != nil {
				t.Fatal(err)
			}
			if err := put(ctx, s, k, "a.1-x_y", plain[:7]); err != nil {
				t.Fatal(err)
			}
			if got, err := get(ctx, s, k, "b"); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("other bytes, or %v", err)
			}
			if got := names(t, s); !slices.Equal(got, []string{"a.1-x_y", "b"}) {
				t.Errorf("objects %q", got)
			}
			if err := put(ctx, s, k, "b", plain); !errors.Is(err, fs.ErrExist) {
				t.Errorf("an object was replaced: %v", err)
			}
			if got, err := get(ctx, s, k, "b"); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("after a refused Create: other bytes, or %v", err)
			}
			for range 2 {
				if err := s.Remove(ctx, "b"); err != nil {
					t.Errorf("Remove: %v", err)
				}
			}
			if _, err := s.Open(ctx, "b"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Open of a removed object: %v", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	s := newStore(t, disktest.New())
	for _, name := range []string{"", ".a", "-a", "a/b", "../a", "A", "ä", "a\x00", "a b", strings.Repeat("a", 201)} {
		if w, err := s.Create(t.Context(), name); err == nil {
			w.Abort()
			t.Errorf("created %q", name)
		}
		if _, err := s.Open(t.Context(), name); err == nil {
			t.Errorf("opened %q", name)
		}
		if err := s.Remove(t.Context(), name); err == nil {
			t.Errorf("removed %q", name)
		}
	}
}

func TestTwoWriters(t *testing.T) {
	s, k, ctx := newStore(t, disktest.New()), keys(t), t.Context()
	w, err := s.Create(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := put(ctx, s, k, "a", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second writer: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := put(ctx, s, k, "a", nil); err != nil {
		t.Errorf("after Abort: %v", err)
	}
	if err := w.Commit(ctx); err == nil {
		t.Error("committed after Abort")
	}
	if err := w.WriteSealed(seal.Sealed{}); err == nil {
		t.Error("wrote after Abort")
	}
}

func TestCanceled(t *testing.T) {
	s, k := newStore(t, disktest.New()), keys(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if err := put(ctx, s, k, "b", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v", err)
	}
	if got := names(t, s); got != nil {
		t.Errorf("objects %q", got)
	}
}

// TestFailures lets every operation of a write fail in turn: the object is not
// there afterwards, and the store works on.
func TestFailures(t *testing.T) {
	k := keys(t)
	plain := bytes.Repeat([]byte("row "), 200_000)
	for _, kind := range []string{"create", "write", "sync", "rename", "syncdir"} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			m := disktest.New()
			s := newStore(t, m)
			m.OnOp(func(op disktest.Op) error {
				if op.Kind != kind {
					return nil
				}
				if kind == "write" {
					return &disktest.Short{N: 100, Err: cause}
				}
				return cause
			})
			if err := put(t.Context(), s, k, "a", plain); !errors.Is(err, cause) {
				t.Errorf("%s fails with %v: %v", kind, cause, err)
			}
			m.OnOp(nil)
			if got := m.Names(); len(got) != 0 {
				t.Errorf("%s failed and left %q", kind, got)
			}
			if err := put(t.Context(), s, k, "a", plain); err != nil {
				t.Errorf("after %s failed: %v", kind, err)
			}
		}
	}
}

func TestFullDisk(t *testing.T) {
	m, k := disktest.New(), keys(t)
	s := newStore(t, m)
	m.SetCapacity(300_000)
	if err := put(t.Context(), s, k, "a", make([]byte, 400_000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := put(t.Context(), s, k, "b", make([]byte, 100_000)); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if got := names(t, s); !slices.Equal(got, []string{"b"}) {
		t.Errorf("objects %q", got)
	}
}

// TestCrash crashes before every operation: an object that was committed is
// there and whole, one that was not is there whole or not at all, and nothing
// else remains.
func TestCrash(t *testing.T) {
	k := keys(t)
	m := disktest.New()
	s := newStore(t, m)
	plain := bytes.Repeat([]byte("row "), 10_000)
	var committed, tried []string
	step := uint64(0)
	check := func() {
		step++
		for seed := range uint64(8) {
			after := m.Crash(rand.New(rand.NewPCG(step, seed)))
			s := newStore(t, after)
			if _, err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			there := names(t, s)
			for _, name := range there {
				if !slices.Contains(tried, name) {
					t.Fatalf("step %d seed %d: %s came from nowhere", step, seed, name)
				}
				if got, err := get(t.Context(), s, k, name); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("step %d seed %d: %s has other bytes, or %v", step, seed, name, err)
				}
			}
			for _, name := range committed {
				if !slices.Contains(there, name) {
					t.Fatalf("step %d seed %d: %s was committed and is gone", step, seed, name)
				}
			}
			for _, name := range after.Names() {
				if strings.HasPrefix(path.Base(name), ".") {
					t.Fatalf("step %d seed %d: %s was left behind", step, seed, name)
				}
			}
		}
	}
	m.OnOp(func(disktest.Op) error { check(); return nil })
	for i := range 4 {
		name := fmt.Sprint("object-", i)
		tried = append(tried, name)
		if err := put(t.Context(), s, k, name, plain); err != nil {
			t.Fatal(err)
		}
		committed = append(committed, name)
		check()
	}
	committed = committed[1:] // from here on it may be there or not
	if err := s.Remove(t.Context(), "object-0"); err != nil {
		t.Fatal(err)
	}
	tried = tried[1:] // and now it may not
	check()
}
