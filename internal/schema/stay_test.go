package schema

import (
	"math/rand/v2"
	"testing"
)

// What came as history after an edge is not due for it, so that nobody need look at it;
// what came a moment earlier may be.
func TestHistoryIsNotDue(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	day := func(most int64) Ticks { return Ticks(r.Int64N(most * int64(TicksPerDay))) }
	due := 0
	for range 100_000 {
		edge := 1000*TicksPerDay + day(1000)
		s := Stay{First: edge - 1 - day(500)}
		s.Last = s.First + day(400)
		s.Created = max(HistoryFrom(edge)+day(300), s.Last)
		if s.Due(edge) || s.Expired(edge) {
			t.Fatalf("%+v is due at %d", s, edge)
		}
		s.Last, s.Created = min(s.Last, edge-1), edge-1
		if s.Due(edge) {
			due++
		}
	}
	if due != 100_000 {
		t.Errorf("%d of 100,000 that came before the edge are due", due)
	}
}
