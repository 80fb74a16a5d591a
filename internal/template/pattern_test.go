package template

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// expressions that ask for what is in literals, in holes, and over their borders.
var expressions = []string{
	`status 50[03] in 2\d{3}ms`, `status \d+`, `^GET /x/\d{1,2} `, `\(0+[a-f]`, `in 0*\d\dms`, `\bms\b`, `[a-f0-9]{8}\)$`, `\d:\d`, `(?i)STATUS [1-4]`, `^\d+:\d+ status-5`, `^$`, `^[^G]`, `x$`, `\w{20}`, ` –`, `é|9`, `1`, `.`,
	`(a|1)+Z`, `(?s)^.{5}`, `\D{12}`, `nowhere`, `(?m)^1`, `STATUS 1(\d\d)*$`,
}

// line is a text of one of few statements, or of few letters.
func line(r *rand.Rand) []byte {
	switch r.IntN(5) {
	case 0:
		return fmt.Appendf(nil, "GET /x/%d status %d in %0*dms (%08x)", r.IntN(900), 100*r.IntN(6)+r.IntN(4), r.IntN(5), r.IntN(3000), r.Uint32())
	case 1:
		return fmt.Appendf(nil, "%d:%d status-%d%c%d", r.IntN(30), r.IntN(30), r.IntN(60), []rune("ax-. –")[r.IntN(6)], r.IntN(100))
	case 2:
		return fmt.Appendf(nil, "STATUS %d", r.Uint64()>>r.IntN(64))
	case 3:
		return []byte(strings.Repeat("1 ", 90+r.IntN(30)) + []string{"status 5", "é", "x", "\n1"}[r.IntN(4)]) // some have no template
	}
	b := make([]byte, r.IntN(14))
	for i := range b {
		b[i] = "aZ112 -"[r.IntN(7)]
	}
	return b
}

// What patterns tell of templates and of their texts is so: of all of a template, of
// those that are followed, and if several are looked for at once.
func TestPatternsFollowTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(58, 2))
	type sought struct {
		by *Pattern
		is func(text []byte) bool
	}
	var fixed []sought
	for _, expr := range expressions {
		fixed = append(fixed, sought{Matching(expr), regexp.MustCompile(expr).Match})
	}
	told, kept, dropped, unsure, unknown := map[Answer]int{}, 0, 0, 0, 0
	for range 150 {
		var all [][]byte
		for range 1 + r.IntN(60) {
			all = append(all, line(r))
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
			var some []sought
			for range 1 + r.IntN(2) {
				if r.IntN(2) == 0 {
					some = append(some, fixed[r.IntN(len(fixed))])
					continue
				}
				from := bytes.ToLower(all[r.IntN(len(all))])
				if len(from) == 0 || bytes.ContainsFunc(from, func(c rune) bool { return c >= 0x80 }) {
					from = []byte("1")
				}
				at := r.IntN(len(from))
				part := Part{string(from[at : at+1+r.IntN(min(10, len(from)-at))]), Edge(r.IntN(3)), Edge(r.IntN(3))}
				some = append(some, sought{Having(part), func(text []byte) bool { return has(text, part) }})
			}
			trails := make([][]*Trail, len(p.Present()))
			for i, n := range p.Present() {
				for _, s := range some {
					tr := s.by.Trail(d.Template(n))
					if tr == nil {
						unknown++
						continue
					}
					trails[i] = append(trails[i], tr)
					answer := tr.Tells()
					told[answer]++
					for value, text := range all {
						if p.At(value) == i && (answer == Always && !s.is(text) || answer == Never && s.is(text)) {
							t.Fatalf("%q: %d is told of %q", text, answer, s.by.expr)
						}
					}
				}
			}
			of, doubt := make([]uint64, (len(all)+63)/64), make([]uint64, (len(all)+63)/64)
			for i := range all {
				if r.IntN(5) > 0 {
					of[i>>6] |= 1 << (i & 63)
				}
			}
			before := append([]uint64(nil), of...)
			if err := p.Follow(of, trails, doubt); err != nil {
				t.Fatal(err)
			}
			for i, text := range all {
				bit := uint64(1) << (i & 63)
				was, is, maybe := before[i>>6]&bit != 0, of[i>>6]&bit != 0, doubt[i>>6]&bit != 0
				want, known := was, len(trails[p.At(i)]) == len(some)
				for _, s := range some {
					want = want && s.is(text)
				}
				switch {
				case is && !was, maybe && !is, want && !is, known && is && !want && !maybe:
					t.Fatalf("%q, which is wanted: %v; was there: %v, is: %v, unsure: %v: %q", text, want, was, is, maybe, some[0].by.expr)
				case maybe:
					unsure++
				case known && is:
					kept++
				case known && was:
					dropped++
				}
			}
		}
	}
	for answer := range Always {
		if told[answer] < 500 {
			t.Errorf("%d was told %d times", answer, told[answer])
		}
	}
	if kept < 2000 || dropped < 20_000 || unsure < 50 || unknown < 50 {
		t.Errorf("%d texts were kept, %d dropped, of %d it was not sure, %d templates told nothing", kept, dropped, unsure, unknown)
	}
}

// What trails take is bounded, whatever templates there are.
func TestTrailsAreBounded(t *testing.T) {
	p := Having(Part{Text: "9a"})
	var all [][]byte
	for i := range 3000 {
		all = append(all, fmt.Appendf(nil, "%s 1 %x is 1 of 9", strings.Repeat("x", i%1000), 0xabc))
	}
	all = append(all, []byte(strings.Repeat("9 ", 199)))
	dictionary, _ := stored(all, len(all))
	d, err := Parse(dictionary)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for i := range d.Len() {
			p.Trail(d.Template(i))
		}
		clear(d.made)
	}
	if p.kept > mostKept+mostJoints+1 || len(p.trails) == 0 {
		t.Errorf("%d nodes are kept", p.kept)
	}
	long := Matching(`(1|2)(.*x){30}`)
	if tr := long.Trail(d.Template(d.Len() - 1)); tr != nil && len(tr.nodes) > mostJoints+int(firstNode) {
		t.Errorf("a trail has %d nodes", len(tr.nodes))
	}
}
