package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// together runs transactions so that all of them are in one group: the first
// waits until the others have asked.
func together(t *testing.T, c *Catalog, all ...func(*Tx) error) (errs []error, panics int) {
	t.Helper()
	errs = make([]error, len(all))
	var over sync.WaitGroup
	var mu sync.Mutex
	run := func(i int, f func(*Tx) error) {
		over.Go(func() {
			defer func() {
				if recover() != nil {
					mu.Lock()
					defer mu.Unlock()
					panics++
				}
			}()
			errs[i] = c.Tx(t.Context(), f)
		})
	}
	started := make(chan struct{})
	run(0, func(tx *Tx) error {
		close(started)
		for c.writer.waiting.Load() < int64(len(all)-1) {
			runtime.Gosched()
		}
		return all[0](tx)
	})
	<-started
	for i, f := range all[1:] {
		run(i+1, f)
	}
	over.Wait()
	return errs, panics
}

func put(t *testing.T, name string) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Put(t.Context(), Resource{ID: "/" + name, Type: "T", Name: name, Tenant: "t"}, IfAbsent())
		return err
	}
}

func opened(t *testing.T) *Catalog {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func names(t *testing.T, c *Catalog) string {
	all, err := c.List(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for _, r := range all {
		s += r.Name
	}
	return s
}

// What is committed together is all or nothing one by one: a fault or a panic of
// one is nobody else's.
func TestTransactionsOfAGroupStayApart(t *testing.T) {
	c := opened(t)
	boom := errors.New("boom")
	errs, panics := together(t, c,
		put(t, "a"),
		func(tx *Tx) error { return errors.Join(put(t, "b")(tx), boom) },
		put(t, "c"),
		func(tx *Tx) error { put(t, "d")(tx); panic("of one") },
		put(t, "e"),
	)
	if names(t, c) != "ace" || panics != 1 || errs[0] != nil || !errors.Is(errs[1], boom) || errs[2] != nil || errs[4] != nil {
		t.Errorf("%q is there; %v, %d panics", names(t, c), errs, panics)
	}
	head, err := c.Head(t.Context())
	if err != nil || head.Changes != 3 {
		t.Errorf("the head is %+v (%v), after 3 changes", head, err)
	}
}

// When the commit fails, nobody is told of success, and the next ones work.
func TestAGroupThatCannotBeCommittedIsUndone(t *testing.T) {
	c := opened(t)
	errs, _ := together(t, c,
		put(t, "a"),
		func(tx *Tx) error { // as SQLite does by itself when the disk is full
			_, err := tx.cat.writer.ExecContext(t.Context(), "ROLLBACK")
			return err
		},
	)
	if errs[0] == nil || errs[1] == nil || names(t, c) != "" {
		t.Errorf("%q is there; %v", names(t, c), errs)
	}
	if err := c.Tx(t.Context(), put(t, "b")); err != nil || names(t, c) != "b" {
		t.Errorf("%q is there; %v", names(t, c), err)
	}
}

// A caller who has gone keeps nobody from the commit that counts on him.
func TestACallerWhoHasGoneHoldsNobodyUp(t *testing.T) {
	c := opened(t)
	ctx, cancel := context.WithCancel(t.Context())
	started, gone := make(chan struct{}), make(chan error)
	first := make(chan error)
	go func() {
		first <- c.Tx(t.Context(), func(tx *Tx) error {
			close(started)
			for c.writer.waiting.Load() < 1 {
				runtime.Gosched()
			}
			cancel()
			return put(t, "a")(tx)
		})
	}()
	<-started
	go func() { gone <- c.Tx(ctx, put(t, "b")) }()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if names(t, c) != "a" {
		t.Errorf("%q is there", names(t, c))
	}
}

// A closed catalog is one file: a copy of it is a copy of everything.
func TestAClosedCatalogIsOneFile(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(t.Context(), filepath.Join(dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Tx(t.Context(), put(t, "a")); err != nil || names(t, c) != "a" {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// What is remembered is never older than what a caller was told, nor goes back.
func TestARememberedResourceIsNeverOld(t *testing.T) {
	c := opened(t)
	ctx := t.Context()
	const turns = 300
	var over sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		over.Go(func() {
			last := ""
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.Get(ctx, "/A")
				if errors.Is(err, ErrNotFound) {
					continue
				}
				if now := r.Tags["n"]; err != nil || now < last {
					t.Errorf("read %s after %s (%v)", now, last, err)
					return
				} else {
					last = now
				}
				r.Tags["n"] = "a reader's own"
			}
		})
	}
	for n := range turns {
		want := fmt.Sprintf("%06d", n)
		if _, err := c.Put(ctx, Resource{ID: "/a", Type: "T", Name: "a", Tenant: "t", Tags: map[string]string{"n": want}}, Always()); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Get(ctx, "/a"); err != nil || r.Tags["n"] != want {
			t.Fatalf("read %s (%v), wrote %s", r.Tags["n"], err, want)
		}
	}
	close(stop)
	over.Wait()
}

func BenchmarkPutByMany(b *testing.B) {
	c, err := Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := c.Put(b.Context(), Resource{ID: "/a", Type: "T", Name: "a", Tenant: "t"}, Always()); err != nil {
				b.Error(err)
			}
		}
	})
}
