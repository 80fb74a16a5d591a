package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
)

func listed(id string, rows int64) segment.Info {
	return segment.Info{ID: schema.SegmentID(id), Account: "a", Workspace: "w", Table: "T_CL", Rows: rows, Columns: []schema.Column{{Name: "N", Type: schema.Long}}}
}

// However a set of segments came about, there is one listing of it, and another
// set has another one.
func TestAListingIsOfASetOfSegments(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	there := map[schema.SegmentID]segment.Info{}
	l, seen := listing{}, map[[32]byte]int{}
	next := 0
	for step := range 150 { // three times up and down
		var come []segment.Info
		var gone []schema.SegmentID
		if step%50 < 40 {
			for range rng.IntN(200) {
				come = append(come, listed(fmt.Sprintf("%x", next), rng.Int64N(9)))
				next++
			}
		}
		for id := range there {
			if rng.IntN(100) < 5+step%50 { // down to few, and none at times
				gone = append(gone, id)
			}
		}
		before := l.digest()
		after, err := l.after(gone, come)
		if err != nil {
			t.Fatal(err)
		}
		if l.digest() != before {
			t.Fatal("a listing changed")
		}
		l = after
		for _, id := range gone {
			delete(there, id)
		}
		var whole []segment.Info
		for _, i := range come {
			there[i.ID] = i
		}
		for _, i := range there { // in whatever order
			whole = append(whole, i)
		}
		anew, err := list(whole)
		if err != nil {
			t.Fatal(err)
		}
		if anew.digest() != l.digest() || anew.count != l.count || l.count != len(there) {
			t.Fatalf("step %d: %d segments have two listings, of %d and %d", step, len(there), anew.count, l.count)
		}
		if n, known := seen[l.digest()]; known && len(come)+len(gone) > 0 && n > 0 {
			t.Fatalf("step %d: another set had the same digest", step)
		}
		seen[l.digest()] = l.count
	}
	if l, _ = l.after(slices.Collect(func(yield func(schema.SegmentID) bool) {
		for id := range there {
			yield(id)
		}
	}), nil); l != (listing{}) {
		t.Error("something is left of nothing")
	}
}

func TestAListingRefuses(t *testing.T) {
	l, err := list([]segment.Info{listed("a", 1), listed("b", 1)})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"what is there already":     func() error { _, err := l.after(nil, []segment.Info{listed("a", 2)}); return err }(),
		"what comes twice":          func() error { _, err := l.after(nil, []segment.Info{listed("c", 2), listed("c", 2)}); return err }(),
		"what goes and isn't there": func() error { _, err := l.after([]schema.SegmentID{"c"}, nil); return err }(),
		"what goes twice":           func() error { _, err := l.after([]schema.SegmentID{"a", "a"}, nil); return err }(),
	} {
		if !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if again, err := l.after([]schema.SegmentID{"a"}, []segment.Info{listed("a", 2)}); err != nil || again.digest() == l.digest() {
		t.Errorf("another segment of the same name: %v", err)
	}
}

// What a MAC of version 1 vouches for is still believed, and nothing else; the
// next change has one of the present version.
func TestManifestOfVersion1(t *testing.T) {
	text, err := os.ReadFile("testdata/manifest-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var was struct {
		Key        []byte
		Place      seal.Place
		Account    schema.AccountID
		Seq, Floor uint64
		MAC        []byte
		Segments   []segment.Info
	}
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	k, err := seal.ImportKey(was.Key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Account: was.Account, Place: was.Place,
		Keys:     func(g uint32) (seal.Keys, error) { return seal.Keys{Inner: k, Generation: g}, nil },
		Manifest: Manifest{Segments: was.Segments, Seq: was.Seq, Floor: was.Floor, MAC: was.MAC},
	}
	h, err := verify(cfg)
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.all.after([]schema.SegmentID{"a1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := h.next(cfg, seal.Keys{Inner: k, Generation: 1}, 7, all)
	if err != nil || n.mac[0] != manifestVersion {
		t.Fatalf("version %d, %v", n.mac[0], err)
	}
	cfg.Manifest = Manifest{Segments: []segment.Info{was.Segments[2], was.Segments[0]}, Seq: n.seq, Floor: 7, MAC: n.mac}
	if _, err := verify(cfg); err != nil {
		t.Error(err)
	}
	cfg.Manifest.Segments[0].Rows++
	if _, err := verify(cfg); !errors.Is(err, ErrForged) {
		t.Errorf("a changed segment: %v", err)
	}
	cfg.Manifest = Manifest{Segments: was.Segments[1:], Seq: was.Seq, Floor: was.Floor, MAC: was.MAC}
	if _, err := verify(cfg); !errors.Is(err, ErrForged) {
		t.Errorf("a segment of version 1 left out: %v", err)
	}
}

// BenchmarkChange is what a flush of one segment costs an account that has
// 100,000: hashing for the manifest's MAC, and looking for what to merge.
func BenchmarkChange(b *testing.B) {
	const segments = 100_000
	s := &Store{cfg: Config{MergeAfter: 8}, tables: map[tableKey]*tableState{}, unmerged: map[tableKey]bool{}}
	var all []segment.Info
	for i := range segments {
		all = append(all, listed(fmt.Sprintf("%032x", i*7919), mergeRows/8+1))
		s.add(all[i])
	}
	l, err := list(all)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one := listed(fmt.Sprintf("%032x", -i-1), mergeRows)
		next, err := l.after(nil, []segment.Info{one})
		if err != nil || next.digest() == l.digest() {
			b.Fatal(err)
		}
		s.unmerged[tableKey{"w", "T_CL"}] = true
		if len(s.mergeable()) > 0 {
			b.Fatal("there is nothing to merge")
		}
	}
}
