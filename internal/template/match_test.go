package template

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestHas reads testdata/has: what templates tell of parts. A part is written as
// it is, with | at an end that is a text's and . at one that is a word's.
func TestHas(t *testing.T) {
	answers := [...]string{Never: "never", Perhaps: "perhaps", Always: "always"}
	var of *Template
	datadriven.RunTest(t, "testdata/has", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "text" {
			dictionary, _ := stored([][]byte{[]byte(d.Input)}, 1)
			all, err := Parse(dictionary)
			if err != nil {
				t.Fatal(err)
			}
			of = all.Template(all.Len() - 1)
			return of.String() + "\n"
		}
		var b strings.Builder
		for line := range strings.SplitSeq(d.Input, "\n") {
			p := Part{Text: line}
			edge := func(c byte) Edge {
				return map[byte]Edge{'|': Bound, '.': Boundary}[c]
			}
			if p.Left = edge(p.Text[0]); p.Left != Inside {
				p.Text = p.Text[1:]
			}
			if p.Right = edge(p.Text[len(p.Text)-1]); p.Right != Inside {
				p.Text = p.Text[:len(p.Text)-1]
			}
			fmt.Fprintf(&b, "%s: %s\n", line, answers[of.Has(p)])
		}
		return b.String()
	})
}

// has is whether a text has a part, looked for in the plainest way.
func has(text []byte, p Part) bool {
	text = bytes.ToLower(text) // ASCII
	for from := 0; from+len(p.Text) <= len(text); from++ {
		end := from + len(p.Text)
		if string(text[from:end]) == p.Text &&
			(p.Left == Inside || from == 0 || p.Left == Boundary && !inWord(text[from-1])) &&
			(p.Right == Inside || end == len(text) || p.Right == Boundary && !inWord(text[end])) {
			return true
		}
	}
	return false
}

// TestHasIsTrue makes up texts and parts of few letters: what templates tell is
// true of all of their texts.
func TestHasIsTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var told [3]int
	for range 4000 {
		random := func(of string, n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = of[r.IntN(len(of))]
			}
			return b
		}
		var all [][]byte
		for range 1 + r.IntN(8) {
			all = append(all, random("aZx11 -", r.IntN(14)))
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
		for range 8 {
			part := Part{string(random("azx1 -", 1+r.IntN(4))), Edge(r.IntN(3)), Edge(r.IntN(3))}
			if from := all[r.IntN(len(all))]; len(from) > 0 && r.IntN(2) == 0 {
				at := r.IntN(len(from))
				part.Text = string(bytes.ToLower(from[at : at+1+r.IntN(len(from)-at)]))
			}
			for i, text := range all {
				of := d.Template(p.Present()[p.At(i)])
				answer, is := of.Has(part), has(text, part)
				if told[answer]++; answer == Never && is || answer == Always && !is {
					t.Fatalf("%q of %q: %d told of %+v", text, of.String(), answer, part)
				}
			}
		}
	}
	for answer, n := range told {
		if n < 1000 {
			t.Errorf("answer %d was given %d times: the texts prove little", answer, n)
		}
	}
}
