package template

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whatever a part is, no text that has it is dropped by hints, and most that have it
// not are, where there are hints.
func TestHintsDropNoTextThatHasThePart(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 7))
	dropped, kept, had := 0, 0, 0
	for range 1500 {
		var all [][]byte
		for range 1 + r.IntN(40) {
			switch r.IntN(4) {
			case 0:
				all = append(all, fmt.Appendf(nil, "GET /x/%d status %d in %0*dms (%08x)", r.IntN(900), 100*r.IntN(6)+r.IntN(4), r.IntN(5), r.IntN(3000), r.Uint32()))
			case 1:
				all = append(all, fmt.Appendf(nil, "%d:%d status-%d%c%d", r.IntN(30), r.IntN(30), r.IntN(60), []rune("ax-. –")[r.IntN(6)], r.IntN(100)))
			case 2:
				all = append(all, fmt.Appendf(nil, "STATUS %d", r.Uint64()>>r.IntN(64)))
			default:
				b := make([]byte, r.IntN(14))
				for i := range b {
					b[i] = "aZ112 -"[r.IntN(7)]
				}
				all = append(all, b)
			}
		}
		dictionary, pages := stored(all, len(all))
		d, err := Parse(dictionary)
		if err != nil {
			t.Fatal(err)
		}
		var p Page
		if err := p.Open(d, pages[0], len(all)); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			parts := make([]Part, 1+r.IntN(2))
			for i := range parts {
				from := bytes.ToLower(all[r.IntN(len(all))])
				if len(from) == 0 {
					from = []byte("1")
				}
				at := r.IntN(len(from))
				parts[i] = Part{string(from[at : at+1+r.IntN(min(10, len(from)-at))]), Edge(r.IntN(3)), Edge(r.IntN(3))}
			}
			hints, hinted := make([][][]Hint, len(p.Present())), make([]bool, len(p.Present()))
			for i, n := range p.Present() {
				for _, part := range parts {
					if of, ok := d.Template(n).Hints(part); ok {
						hints[i], hinted[i] = append(hints[i], of), true
					}
				}
			}
			of := make([]uint64, (len(all)+63)/64)
			for i := range all {
				if r.IntN(5) > 0 {
					of[i>>6] |= 1 << (i & 63)
				}
			}
			before := append([]uint64(nil), of...)
			if err := p.Keep(of, hints); err != nil {
				t.Fatal(err)
			}
			for i, text := range all {
				was, is := before[i>>6]>>(i&63)&1 != 0, of[i>>6]>>(i&63)&1 != 0
				has1 := true
				for _, part := range parts {
					has1 = has1 && has(text, part)
				}
				switch {
				case is && !was, was && !is && (has1 || !hinted[p.At(i)]):
					t.Fatalf("%q, which has all of %+v: %v, was there: %v, is: %v", text, parts, has1, was, is)
				case was && !is:
					dropped++
				case is && hinted[p.At(i)] && !has1:
					kept++
				case is && hinted[p.At(i)]:
					had++
				}
			}
		}
	}
	if dropped < 10*kept || had < 1000 {
		t.Errorf("%d texts without the parts were dropped and %d were not, %d had them", dropped, kept, had)
	}
}
