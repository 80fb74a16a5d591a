package store_test

import (
	"context"
	"fmt"
	"testing"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/disk/disktest"
	"logkeep/internal/store"
)

// ways to damage bytes; nil removes them.
var ways = map[string]func(b []byte) []byte{
	"vanished":  func([]byte) []byte { return nil },
	"empty":     func([]byte) []byte { return []byte{} },
	"truncated": func(b []byte) []byte { return b[:len(b)-1] },
	"half":      func(b []byte) []byte { return b[:len(b)/2] },
	"changed":   func(b []byte) []byte { b = append([]byte{}, b...); b[len(b)/2] ^= 1; return b },
	"another's": func([]byte) []byte { return []byte("something quite different") },
}

// Whatever part of a journal in a bucket is damaged: it is an error that is told,
// what can be read is brought into segments, and then all goes on.
func TestSalvageOverABucket(t *testing.T) {
	b := buckettest.New()
	at := func(c *catalog) store.Config {
		dir, err := bucket.Claim(t.Context(), b, "c-0", func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		return must(store.InBucket(t.Context(), config(t, nil, c), dir))
	}
	salvaging := func(cfg store.Config) store.Config {
		cfg.FS.(*bucket.Folder).Salvage()
		return cfg
	}
	names := func() []string { return b.Names("c-0/journal/") }
	salvages(t, b.Bytes, b.Damage, names, at, salvaging, func() func() {
		was := map[string][]byte{}
		for _, n := range b.Names("") {
			was[n] = b.Bytes(n)
		}
		return func() {
			for _, n := range b.Names("") {
				b.Damage(n, nil)
			}
			for n, body := range was {
				b.Damage(n, append([]byte{}, body...))
			}
		}
	}, 1)
}

// The same of files on a disk; what a file loses at its end is more than a part.
func TestSalvage(t *testing.T) {
	var d *disktest.Memory
	d = disktest.New()
	at := func(c *catalog) store.Config { return config(t, d, c) }
	names := func() (all []string) {
		list, err := d.List("accounts/c-0/journal")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			if i.Name != "lock" {
				all = append(all, "accounts/c-0/journal/"+i.Name)
			}
		}
		return all
	}
	damage := func(name string, b []byte) {
		if b == nil {
			if err := d.Remove(name); err != nil {
				t.Fatal(err)
			}
			return
		}
		d.Damage(name, b)
	}
	salvages(t, d.Bytes, damage, names, at, func(cfg store.Config) store.Config { return cfg }, func() func() {
		was := d.Restart()
		return func() { d = was.Restart() }
	}, 8)
}

func salvages(t *testing.T, bytes func(string) []byte, damage func(string, []byte), names func() []string, at func(*catalog) store.Config, salvaging func(store.Config) store.Config, save func() func(), most int) {
	c := &catalog{}
	s := open(t, at(c))
	appendRows(t, s, rows(narrow, 0, 1))
	flush(t, s)
	id := 2
	for range 2 {
		for range 4 {
			appendRows(t, s, rows(narrow, id))
			id++
		}
		s.Close()
		s = open(t, at(c))
	}
	seen := s.Mark().Journal.Last
	s.Close()
	was, back := c.m, save()
	for _, name := range names() {
		for how, way := range ways {
			c.m = was
			back()
			damage(name, way(bytes(name)))
			what := fmt.Sprintf("%s %s", name, how)
			refused, err := at(c), error(nil)
			refused.Seen = seen
			if s, err = store.Open(t.Context(), refused); err == nil {
				s.Close()
				t.Errorf("%s: it was opened as if nothing were wrong", what)
				continue
			}
			cfg := salvaging(at(c))
			cfg.Seen = seen
			out, err := store.Salvage(context.Background(), cfg)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			s := open(t, at(c))
			lost := 0
			all := whole(t, s)
			for i := range id {
				switch n := all[i]; {
				case n == 0 && i > 1:
					lost++
				case n != 1:
					t.Errorf("%s: row %d is there %d times", what, i, n)
				}
			}
			// Below the floor, or a milestone, nothing is lost.
			if lost > most || lost > 0 && len(out.Lost) == 0 || out.Rows != int64(id-2-lost) {
				t.Errorf("%s: %d rows are lost, %d were salvaged; told were %v", what, lost, out.Rows, out.Lost)
			}
			appendRows(t, s, rows(narrow, 100))
			s.Close()
			s = open(t, at(c))
			if whole(t, s)[100] != 1 {
				t.Errorf("%s: what came afterwards is not there", what)
			}
			s.Close()
		}
	}
}
