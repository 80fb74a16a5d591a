package supervise

import (
	"errors"
	"testing"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/worker/wire"
)

// rest makes as if a writer had been asked nothing for long.
func (w *Worker) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asking = w.asking.Add(-time.Minute)
}

// has waits until the workers may have so many parts of the memory each.
func has(t *testing.T, s *Supervisor, parts int64, want map[*Worker]int64) {
	t.Helper()
	until(t, "shares", func() bool {
		sum := int64(0)
		for w, n := range want {
			c, err := w.Check(t.Context(), wire.Check{})
			if err != nil {
				t.Fatal(err)
			}
			share := s.cfg.Memory / parts * n
			if c.Bytes > share || c.Bytes < share-64 { // divided, with what is left over
				return false
			}
			sum += c.Bytes
		}
		return sum <= s.cfg.Memory
	})
}

// The memory is shared by the workers that live, and never by so many that a
// share would be too small: the idlest leaves for the next one, or the next one
// is told to come again.
func TestWorkersShareOneBudget(t *testing.T) {
	s, _, _ := leased(t, "a", "b", "c", "d", "e")
	s.cfg.Memory = 8 * leastPart
	a := worker(t, s, "a")
	has(t, s, 1, map[*Worker]int64{a: 1})
	b, c := worker(t, s, "b"), worker(t, s, "c")
	has(t, s, 3, map[*Worker]int64{a: 1, b: 1, c: 1})
	r, release := reader(t, s, of("a"))
	has(t, s, 7, map[*Worker]int64{a: 1, b: 1, c: 1, r: 4})

	// A reader in use stays, and so does a writer that was just asked.
	_, stop, err := s.Reader(t.Context(), of("b"))
	stop()
	if f := fault.Of(err); !errors.Is(err, fault.TooManyRequests) || f.RetryAfter() == 0 {
		t.Fatalf("one reader too many: %v", err)
	}
	d := worker(t, s, "d") // there is just room
	if _, err := s.Worker(t.Context(), "e"); !errors.Is(err, fault.TooManyRequests) {
		t.Fatalf("one writer too many: %v", err)
	}
	release()
	other, release := reader(t, s, of("b")) // in place of the one that nobody asks
	gone(t, r, limit)
	has(t, s, 8, map[*Worker]int64{a: 1, b: 1, c: 1, d: 1, other: 4})

	// Of writers the one leaves that was asked longest ago.
	for _, w := range []*Worker{a, c, d} {
		w.rest()
	}
	c.rest()
	e := worker(t, s, "e")
	gone(t, c, limit)
	has(t, s, 8, map[*Worker]int64{a: 1, b: 1, d: 1, e: 1, other: 4})
	release()
	s.Revoke("b", "denied")
	gone(t, other, limit)
	gone(t, b, limit)
	has(t, s, 3, map[*Worker]int64{a: 1, d: 1, e: 1}) // what is free goes to the others
}
