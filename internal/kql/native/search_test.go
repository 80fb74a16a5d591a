package native

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A Finder finds what HasTerm finds, which makes lower case of everything.
func TestAFinderFindsWhatHasTermFinds(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	pieces := []string{"a", "A", "b", "B", "k", "K", "i", "I", "1", "-", " ", "_", "é", "É", "\u212a", "\u0130", "ſ", "\xff", "timeout", "TimeOut"}
	text := func(most int) string {
		var b strings.Builder
		for range r.IntN(most + 1) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	for range 200_000 {
		term, s, left, right, fold := text(3), text(12), r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(4) > 0
		if got, want := Finder(fold)(term)(s, left, right), HasTerm(s, term, left, right, fold); got != want {
			t.Fatalf("seed %d: %q in %q, left %t, right %t, fold %t: %t, want %t", seed, term, s, left, right, fold, got, want)
		}
	}
}

func BenchmarkFinder(b *testing.B) {
	const text = "GET /api/v1/orders/123456 answered with status 200 in 1234ms (trace=0123456789abcdef0123456789abcdef)"
	for _, term := range []string{"timeout", "policy HOLD-K41", "e"} {
		b.Run(term, func(b *testing.B) {
			find := Finder(true)(term)
			for b.Loop() {
				find(text, true, true)
			}
		})
	}
}
