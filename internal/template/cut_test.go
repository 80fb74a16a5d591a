package template

import (
	"slices"
	"testing"
)

// FuzzCut holds the words of a text, and the marks of its bytes, to what a person
// would write.
func FuzzCut(f *testing.F) {
	f.Add([]byte("GET /1 in 20ms (trace=3191ed2b79f48b207d3f0c40a1002096) for 4eA6-xyz01, Zz@`{/:9"))
	f.Add([]byte("a word that goes on from one block of bytes to the next and has1digit"))
	f.Fuzz(func(t *testing.T, s []byte) {
		s = s[:min(len(s), mostText)]
		padded := append(slices.Clone(s), make([]byte, readBehind)...)
		for i := range padded[len(s):] {
			padded[len(s)+i] = "0aZ"[i%3] // what lies behind a text is none of it
		}
		blocks := (len(s) + 63) / 64
		got, want := make([]marks, blocks), make([]marks, blocks)
		if blocks > 0 {
			mark(&got[0], &padded[0], blocks)
		}
		markSlowly(want, padded)
		if !slices.Equal(got, want) {
			t.Fatalf("%q: marks are %x, want %x", s, got, want)
		}
		if blocks > 0 {
			markPlainly(&got[0], &padded[0], blocks)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: marks without AVX2 are %x, want %x", s, got, want)
		}
		var c cutter
		if !c.cut(padded[:len(s)]) {
			return
		}
		var words []Span
		for from := 0; from < len(s); {
			end, digit := from, false
			for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end]|0x20 >= 'a' && s[end]|0x20 <= 'z') {
				digit = digit || s[end] <= '9'
				end++
			}
			if digit {
				words = append(words, Span{uint32(from), uint32(end)})
			}
			from = max(end, from+1)
		}
		if !slices.Equal(c.word[:c.words], words) {
			t.Fatalf("%q: words %v, want %v", s, c.word[:c.words], words)
		}
		at := uint32(0)
		for _, h := range c.holes[:c.n] {
			if h.From < at || h.End <= h.From || h.End > uint32(len(s)) {
				t.Fatalf("%q: holes %v", s, c.holes[:c.n])
			}
			at = h.End
		}
	})
}
