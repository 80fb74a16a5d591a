package native

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Networks have an address in common by their ends if they have by their bits.
func TestEndsOfNetworks(t *testing.T) {
	const seed = 3
	r := rand.New(rand.NewPCG(seed, seed))
	some := func() string {
		switch r.IntN(6) {
		case 0:
			return []string{"", "10.0.0", "::1", "::ffff:10.0.0.1", "10.0.0.0/33", "0.0.0.0/0", "::/0", "255.255.255.255", "2001:db8::/33"}[r.IntN(9)]
		case 1:
			return fmt.Sprintf("2001:db8:%x::%x/%d", r.IntN(3), r.IntN(4), r.IntN(129))
		case 2:
			return fmt.Sprintf("10.%d.0.%d", r.IntN(3), r.IntN(4))
		}
		return fmt.Sprintf("10.%d.%d.%d/%d", r.IntN(3), r.IntN(2), r.IntN(256), r.IntN(33))
	}
	end := func(only4, last bool, s string) string { v, _ := IPEnds(only4, last)([]any{s}); return v.(string) }
	for range 100_000 {
		x, y, only4 := some(), some(), r.IntN(2) == 0
		want, ok := inRange(x, y, only4)
		if got := end(only4, false, x) <= end(only4, true, y) && end(only4, true, x) >= end(only4, false, y); got != (want && ok) {
			t.Fatalf("seed %d: %q and %q, only4 %t: %t, want %t", seed, x, y, only4, got, want && ok)
		}
	}
}
