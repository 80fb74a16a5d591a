package domain

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Whatever is committed and whenever it is asked, what is kept of a manifest is what
// the catalog has.
func TestKeptManifestsAreTheCatalogs(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	cat, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	if err := cat.AddAccount(t.Context(), catalog.Account{ID: "a", Domain: "d", Kind: ofCluster}); err != nil {
		t.Fatal(err)
	}
	var k manifests
	there := map[schema.SegmentID]int64{}
	segment := func(n int) catalog.Segment {
		return catalog.Segment{ID: schema.SegmentID(fmt.Sprint("s", n)), Account: "a", Workspace: "w", Table: schema.TableName(fmt.Sprint("T", n%3)), Generation: 1, Rows: int64(n), Created: time.Unix(1, 0)}
	}
	next := 0
	for seq := uint64(1); seq < 150; seq++ {
		c := wire.Commit{Account: "a", Seq: seq, Floor: seq, MAC: fmt.Appendf(nil, "mac %d", seq)}
		var add []catalog.Segment
		for range 1 + rng.IntN(keptFrom/10) {
			s := segment(next)
			next++
			add, c.Add = append(add, s), append(c.Add, wireSegment(s))
		}
		for id := range there {
			if rng.IntN(4) == 0 && rng.IntN(8) == 0 {
				c.Remove = append(c.Remove, id)
			}
		}
		for _, id := range c.Remove {
			delete(there, id)
		}
		for _, s := range add {
			there[s.ID] = s.Rows
		}
		if err := cat.CommitSegments(t.Context(), "a", add, c.Remove, catalog.Manifest{Seq: seq, Floor: seq, MAC: c.MAC}); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(20) > 0 { // the others come from who knows where
			k.note(c)
		}
		if rng.IntN(3) == 0 {
			continue
		}
		err := cat.View(t.Context(), func(tx *catalog.Tx) error {
			m, err := tx.Manifest(t.Context(), "a")
			if err != nil {
				return err
			}
			got, err := k.segments(t.Context(), tx, "a", m)
			if err != nil {
				return err
			}
			all, err := got.Segments()
			have := map[schema.SegmentID]int64{}
			for _, s := range all {
				have[s.ID] = s.Rows
			}
			if got.Seq != seq || string(got.MAC) != string(c.MAC) || len(all) != len(there) || !maps.Equal(have, there) {
				t.Fatalf("change %d: %d segments of change %d, want %d", seq, len(all), got.Seq, len(there))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(there) > 2*keptFrom && (len(k.of) != 1 || k.bytes == 0) {
		t.Errorf("%d manifests, %d bytes are kept", len(k.of), k.bytes)
	}
}
