package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/seal"
	"logkeep/internal/store"
)

// answered is what a store of these bytes answers: its rows, or an error; and
// what it reported while it was opened.
func answered(t *testing.T, cfg store.Config) (got map[int]int, reported string, err error) {
	t.Helper()
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		return nil, log.String(), err
	}
	defer s.Close()
	got, err = idsIn(s.Snapshot("w", "T_CL", 0, 0))
	return got, log.String(), err
}

// honest demands of changed bytes an error that names what was changed, or the
// rows as they are. What looks like the torn end of the last journal, a write
// that a crash cut off, is left out and reported: never other rows.
func honest(t *testing.T, what, object string, got map[int]int, reported string, err error) {
	t.Helper()
	all := map[int]int{0: 1, 1: 1, 10: 1, 11: 1, 20: 1, 21: 1}
	torn := map[int]int{0: 1, 1: 1, 10: 1, 11: 1}
	named := object[strings.LastIndex(object, "/")+1:]
	switch {
	case err != nil && !strings.Contains(err.Error(), named):
		t.Errorf("%s: the error does not name it: %v", what, err)
	case err == nil && strings.Contains(object, "/journal/") && maps.Equal(got, torn):
		if !strings.Contains(reported, named) {
			t.Errorf("%s: the end was cut off and nobody was told: %s", what, reported)
		}
	case err == nil && !maps.Equal(got, all):
		t.Errorf("%s: the rows are %v", what, got)
	}
}

// Whatever is changed in the files of an account, whoever reads gets the rows
// that were acknowledged, or an error that names the file.
func TestNothingChangedIsEverAnsweredAsRows(t *testing.T) {
	disk, c, _ := flushed(t)
	tried, noticed := 0, 0
	try := func(what, name string, b []byte) {
		d := disk.Restart()
		d.Damage(name, b)
		got, reported, err := answered(t, config(t, d, c))
		honest(t, what, name, got, reported, err)
		if err != nil || reported != "" {
			noticed++
		}
	}
	for _, name := range disk.Names()[1:] { // the first holds nothing that is not in segments
		whole := disk.Bytes(name)
		step := 1 + len(whole)/150
		for at := 0; at < len(whole); at += step {
			b := bytes.Clone(whole)
			b[at] ^= 1 << (at % 8)
			try(fmt.Sprintf("%s, byte %d flipped", name, at), name, b)
			tried++
		}
		for n := 0; n < len(whole); n += step {
			try(fmt.Sprintf("%s, cut to %d bytes", name, n), name, whole[:n])
			tried++
		}
		for _, other := range disk.Names() {
			// An older journal in the place of the newest is that journal's end
			// cut off after whole units: only a witness elsewhere sees that.
			if other != name && !(strings.Contains(name, "/journal/") && strings.Contains(other, "/journal/")) {
				try(fmt.Sprintf("%s in the place of %s", other, name), name, disk.Bytes(other))
				tried++
			}
		}
	}
	if noticed < tried {
		t.Errorf("%d of %d changes were noticed", noticed, tried)
	}
}

// An object, a journal and a manifest belong to one account of one cluster of
// one tenant under one key: nowhere else do they open.
func TestNothingOpensInAnotherPlace(t *testing.T) {
	for name, move := range map[string]func(*store.Config){
		"another tenant":  func(c *store.Config) { c.Place.Tenant = "other" },
		"another cluster": func(c *store.Config) { c.Place.Cluster = "other" },
		"another account": func(c *store.Config) {
			c.Account = "c-1"
			for i := range c.Manifest.Segments {
				c.Manifest.Segments[i].Account = "c-1"
			}
		},
		"another key": func(c *store.Config) {
			c.Keys = func(g uint32) (seal.Keys, error) {
				k, err := seal.ImportKey(bytes.Repeat([]byte{99}, seal.KeySize))
				return seal.Keys{Inner: k, Generation: g}, err
			}
		},
		"another generation's key": func(c *store.Config) {
			own := c.Keys
			c.Keys = func(g uint32) (seal.Keys, error) {
				k, err := own(g + 1)
				k.Generation = g
				return k, err
			}
		},
	} {
		disk, c, _ := flushed(t)
		cfg := config(t, disk, c)
		move(&cfg)
		if got, _, err := answered(t, cfg); err == nil {
			t.Errorf("%s: %v was answered", name, got)
		}
	}
}

// A segment of one account in the place of another's: the files of two
// accounts are exchanged, one by one.
func TestObjectsOfAnotherAccountAreRefused(t *testing.T) {
	mine, c, _ := flushed(t)
	theirs, d := disktest.New(), &catalog{}
	cfg := config(t, theirs, d)
	cfg.Account, cfg.Place.Cluster = "c-1", "d"
	s := open(t, cfg)
	for i := range 2 {
		appendRows(t, s, rows(narrow, 100*i, 100*i+1))
		flush(t, s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, others := 0, []string{}
	for _, name := range theirs.Names() {
		if strings.Contains(name, "/objects/") {
			others = append(others, name)
		}
	}
	for _, name := range mine.Names() {
		if !strings.Contains(name, "/objects/") {
			continue
		}
		for _, other := range others {
			m := mine.Restart()
			m.Damage(name, theirs.Bytes(other))
			got, reported, err := answered(t, config(t, m, c))
			if err == nil {
				t.Errorf("%s of another account passed for %s: %v", other, name, got)
			}
			honest(t, other, name, got, reported, err)
			segments++
		}
	}
	if segments < 4 {
		t.Errorf("only %d exchanges were tried", segments)
	}
}
