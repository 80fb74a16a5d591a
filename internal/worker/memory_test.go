package worker

import (
	"testing"

	"logkeep/internal/worker/wire"
)

// What makes the collector wait is a small part of what the heap may have, also when
// that becomes less.
func TestTheCollectorWaitsNoLongerThanTheHeapAllows(t *testing.T) {
	var b bound
	for _, c := range []struct{ heap, want int64 }{{0, mostCalm}, {1 << 30, mostCalm}, {64 << 20, 8 << 20}, {1 << 30, 8 << 20}, {8 << 20, 1 << 20}} {
		if b.rest(wire.Memory{Heap: c.heap}); int64(len(b.calm)) != c.want {
			t.Errorf("of %d bytes it takes %d, not %d", c.heap, len(b.calm), c.want)
		}
	}
}
