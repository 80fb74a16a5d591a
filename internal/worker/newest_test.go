package worker

import (
	"slices"
	"testing"

	"logkeep/internal/schema"
	"logkeep/internal/store"
)

func TestTries(t *testing.T) {
	even := []store.Extent{{First: 1, Last: 1_000_000, Rows: 10_000_000}}
	two := []store.Extent{{First: 1, Last: 500_000, Rows: 9_000_000}, {First: 400_001, Last: 1_000_000, Rows: 1_000_000}}
	for _, c := range []struct {
		name string
		held []store.Extent
		n    int64
		want []schema.Ticks
	}{
		{"nothing is held", nil, 10, []schema.Ticks{0}},
		{"few rows", []store.Extent{{First: 1, Last: 9, Rows: 100}}, 10, []schema.Ticks{0}},
		{"rows in one place", even, 10, []schema.Ticks{999_181, 986_893, 790_285, 0}},
		{"many are asked for", even, 200_000, []schema.Ticks{920_001, 0}},
		{"most are asked for", even, 2_000_000, []schema.Ticks{0}},
		{"rows in two places, one denser", two, 10, []schema.Ticks{995_085, 921_357, 435_739, 0}},
		{"all at one time", []store.Extent{{First: 5, Last: 5, Rows: 1_000_000}}, 1, []schema.Ticks{5, 0}},
	} {
		if got := tries(c.held, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
