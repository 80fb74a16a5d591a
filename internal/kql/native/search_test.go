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

// Bins gives what Bin gives, whatever stood in the row before.
func TestBinsAreBin(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, seed))
	sizes := []int64{1, 7, 60, 0, -7, 1 << 40}
	x, size, out := make([]int64, 10_000), make([]int64, 10_000), make([]int64, 10_000)
	for i := range x {
		x[i], size[i] = r.Int64N(2000)-1000, 60
		if r.IntN(5) == 0 {
			x[i], size[i] = r.Int64()>>r.IntN(60)-r.Int64N(100), sizes[r.IntN(len(sizes))]
		}
	}
	none := map[int]bool{}
	Bins(x, size, out, func(row int) { none[row] = true })
	for i := range x {
		want, _ := Bin([]any{x[i], size[i]})
		if got := any(out[i]); none[i] != (want == nil) || !none[i] && got != want {
			t.Fatalf("seed %d: bin(%d, %d) is %v, want %v", seed, x[i], size[i], got, want)
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
