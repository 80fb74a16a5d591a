package domain

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Whatever came and went, and whenever a pack was made, a start reads the segments
// that the catalog has.
func TestAPackAndWhatChangedSinceAreTheSegments(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 2 {
		h := newPacked(t)
		h.commit(3000, 0, rnd)
		for range 20 {
			switch n := rnd.IntN(10); {
			case n < 6:
				h.commit(rnd.IntN(20), rnd.IntN(20), rnd)
			case n < 7:
				h.commit(rnd.IntN(700), rnd.IntN(700), rnd)
			default:
				h.d.must(t, h.d.repack(t.Context(), "a"))
			}
			h.compare()
		}
	}
}

func TestAPackIsWrittenAgainWhenMuchHasChanged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	h := newPacked(t)
	h.commit(100, 0, rnd)
	h.d.must(t, h.d.repack(t.Context(), "a"))
	if h.packs() {
		t.Error("100 segments have a pack")
	}
	h.commit(3000, 0, rnd)
	h.d.must(t, h.d.repack(t.Context(), "a"))
	if !h.packs() || h.changed() != 0 {
		t.Fatal("3,100 segments have no pack")
	}
	h.commit(500, 0, rnd)
	h.d.must(t, h.d.repack(t.Context(), "a"))
	if n := h.changed(); n != 500 {
		t.Errorf("%d changes since the pack, which was written again too early", n)
	}
	h.commit(400, 300, rnd)
	h.d.must(t, h.d.repack(t.Context(), "a"))
	if n := h.changed(); n != 0 {
		t.Errorf("the pack was not written again after %d changes", n)
	}
	h.commit(2500, 0, rnd)
	if h.packs() {
		t.Error("a pack is used of which most has changed")
	}
	h.compare()
	h.d.must(t, h.d.cfg.Catalog.RemoveAccount(t.Context(), "a"))
	if h.packs() {
		t.Error("an account that is gone has a pack")
	}
}

// What the writer commits is packed without anybody asking, and a start goes by it.
func TestAWritersChangesArePacked(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	h := newPacked(t)
	h.commit(3000, 0, rnd)
	for !h.packs() {
		h.commitAs(1, 0, rnd, func(c wire.Commit) error { return h.d.Commit(t.Context(), "d", c) })
		if h.seq > 2*repackEach {
			t.Fatalf("no pack after %d changes", h.seq)
		}
		if h.seq%repackEach == 0 {
			h.d.imports.Wait()
		}
	}
	h.compare()
}

func TestADamagedPackIsNotMissed(t *testing.T) {
	h := newPacked(t)
	h.commit(3000, 0, rand.New(rand.NewPCG(1, 1)))
	h.d.must(t, h.d.repack(t.Context(), "a"))
	p, err := h.d.cfg.Catalog.Pack(t.Context(), "a")
	h.d.must(t, err)
	m, err := h.d.cfg.Catalog.Manifest(t.Context(), "a")
	h.d.must(t, err)
	flip := func(at int) []byte {
		b := slices.Clone(p.Packed)
		b[at] ^= 1
		return b
	}
	for name, damaged := range map[string][]byte{
		"a byte": flip(len(p.Packed) / 2), "the last": flip(len(p.Packed) - 1), "the version": flip(3), "the sum": flip(5), "a length": flip(9),
		"cut": p.Packed[:len(p.Packed)-1], "a header": p.Packed[:12], "nothing": {},
	} {
		if _, err := wire.Unpack(damaged); err == nil {
			t.Errorf("%s: taken", name)
		}
		h.d.must(t, h.d.cfg.Catalog.PutPack(t.Context(), "a", m, 3000, damaged))
		h.compare()
	}
}

// packed is a catalog with an account, and what must be in it.
type packed struct {
	t     *testing.T
	d     *packing
	seq   uint64
	there map[schema.SegmentID]wire.Segment
	next  int
}

// packing is Domains with nothing but a catalog.
type packing struct{ *Domains }

func (packing) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPacked(t *testing.T) *packed {
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	d := &packing{New(Config{Catalog: cat})}
	t.Cleanup(func() {
		d.Close()
		d.must(t, cat.Close())
	})
	d.must(t, cat.AddAccount(t.Context(), catalog.Account{ID: "a", Domain: "d", Kind: ofCluster}))
	return &packed{t: t, d: d, there: map[schema.SegmentID]wire.Segment{}}
}

func (h *packed) commit(add, remove int, rnd *rand.Rand) {
	h.t.Helper()
	h.commitAs(add, remove, rnd, func(c wire.Commit) error {
		var segments []catalog.Segment
		for _, s := range c.Add {
			segments = append(segments, catalog.Segment{
				ID: s.ID, Account: "a", Workspace: s.Workspace, Table: s.Table, Generation: s.Generation, Rows: s.Rows,
				Bytes: s.Bytes, MinTime: s.MinTime, MaxTime: s.MaxTime, Columns: s.Columns, Created: s.Created,
			})
		}
		return h.d.cfg.Catalog.CommitSegments(h.t.Context(), "a", segments, c.Remove, catalog.Manifest{Seq: c.Seq, Floor: c.Floor, MAC: c.MAC})
	})
}

func (h *packed) commitAs(add, remove int, rnd *rand.Rand, commit func(wire.Commit) error) {
	h.t.Helper()
	h.seq++
	c := wire.Commit{Account: "a", Seq: h.seq, Floor: h.seq, MAC: fmt.Append(nil, h.seq)}
	ids := slices.Sorted(maps.Keys(h.there))
	rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(remove, len(ids))] {
		c.Remove = append(c.Remove, id)
		delete(h.there, id)
	}
	for range add {
		h.next++
		s := wire.Segment{
			ID: schema.SegmentID(fmt.Sprintf("%032x", h.next*7919)), Workspace: "w", Table: schema.TableName(fmt.Sprintf("T%d_CL", rnd.IntN(9))), Generation: 2,
			Rows: rnd.Int64N(1e6), Bytes: rnd.Int64(), MinTime: schema.Ticks(rnd.Int64()), MaxTime: schema.Ticks(rnd.Int64()),
			Columns: []schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: fmt.Sprintf("C%d", rnd.IntN(3)), Type: schema.String}},
			Created: schema.Ticks(638_000_000_000_000_000 + rnd.Int64N(1e15)).Time(),
		}
		c.Add, h.there[s.ID] = append(c.Add, s), s
	}
	h.d.must(h.t, commit(c))
}

// compare reads the account as a start does.
func (h *packed) compare() {
	h.t.Helper()
	var got []wire.Segment
	var n int
	h.d.must(h.t, h.d.cfg.Catalog.View(h.t.Context(), func(tx *catalog.Tx) error {
		m, count, err := stored(h.t.Context(), tx, "a")
		if err != nil {
			return err
		}
		n = count
		got, err = m.Segments()
		return err
	}))
	if n != len(got) || len(got) != len(h.there) {
		h.t.Fatalf("%d segments, said to be %d, of %d", len(got), n, len(h.there))
	}
	for _, s := range got {
		want := h.there[s.ID]
		want.Created = want.Created.UTC()
		if !reflect.DeepEqual(s, want) {
			h.t.Fatalf("\n%+v, but\n%+v", s, want)
		}
	}
}

func (h *packed) packs() bool {
	_, err := h.d.cfg.Catalog.Pack(h.t.Context(), "a")
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		h.t.Fatal(err)
	}
	return err == nil
}

// changed is how many segments came or went since the pack.
func (h *packed) changed() int {
	p, err := h.d.cfg.Catalog.Pack(h.t.Context(), "a")
	if err != nil {
		h.t.Fatal(err)
	}
	return len(p.Changed)
}
