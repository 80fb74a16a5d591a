package template

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stored are texts as a Coder stored them, in pages of so many.
func stored(texts [][]byte, each int) (dictionary []byte, pages [][]byte) {
	var c Coder
	c.Reset()
	for len(texts) > 0 {
		n := min(each, len(texts))
		for i, s := range texts[:n] {
			if i%2 == 0 {
				c.Add(bytes.Clone(s)[:len(s):len(s)]) // nothing can be read behind it
			} else {
				c.Add(append(bytes.Clone(s), "0123456789abcdef0123456789abcdef"...)[:len(s)]) // which is not the text's
			}
		}
		pages = append(pages, c.Page(nil))
		texts = texts[n:]
	}
	return c.Dictionary(nil), pages
}

// split takes texts with lengths apart.
func split(t testing.TB, b []byte) (texts [][]byte) {
	for len(b) > 0 {
		n := 4 + int(binary.LittleEndian.Uint32(b))
		if n > len(b) {
			t.Fatal("the lengths of texts are wrong")
		}
		texts = append(texts, b[4:n])
		b = b[n:]
	}
	return texts
}

// check stores texts, reads them again in every way and compares.
func check(t testing.TB, texts [][]byte, each int) {
	dictionary, pages := stored(texts, each)
	d, err := Parse(dictionary)
	if err != nil {
		t.Fatal(err)
	}
	var p Page
	for k, page := range pages {
		want := texts[k*each : min(k*each+each, len(texts))]
		if err := p.Open(d, page, len(want)); err != nil {
			t.Fatalf("page %d: %v", k, err)
		}
		b, err := p.Plain(make([]byte, p.Room()))
		if err != nil {
			t.Fatalf("page %d: %v", k, err)
		}
		got := split(t, b)
		if len(got) != len(want) {
			t.Fatalf("page %d: %d texts of %d", k, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("page %d: got %q, want %q", k, got[i], want[i])
			}
		}
		// Some of them, so that of a template some are passed over, and many.
		for _, one := range []int{1, 3, 17, 100} {
			some := make([]uint64, len(want)/64+1)
			n := 0
			for i := range want {
				if i%one == k%one {
					some[i>>6] |= 1 << (i & 63)
					n++
				}
			}
			err = p.Pick(some, make([]byte, p.Room()), func(value int, text []byte) {
				if n--; value%one != k%one || !bytes.Equal(text, want[value]) {
					t.Fatalf("page %d: picked %d: got %q, want %q", k, value, text, want[value])
				}
			})
			if err != nil || n != 0 {
				t.Fatalf("page %d: %d are missing, %v", k, n, err)
			}
			var part Page
			if begun(t, &part, d, page, len(want)) == nil {
				t.Fatalf("page %d can't be begun", k)
			}
			if err = part.Pick(some, make([]byte, p.Room()), func(value int, text []byte) {
				if n++; !bytes.Equal(text, want[value]) {
					t.Fatalf("page %d: picked %d of some of it: got %q, want %q", k, value, text, want[value])
				}
			}); err != nil {
				t.Fatalf("page %d: %v", k, err)
			}
		}
	}
}

// begun begins a page of which bytes are there once they were asked for, and others
// before. It returns those that are there; nil: the page can't be begun.
func begun(t testing.TB, p *Page, d *Dictionary, page []byte, values int) (there []byte) {
	if !p.Begin(d, page, len(page), values) {
		return nil
	}
	there = bytes.Repeat([]byte{0xee}, len(page)+Slack)
	p.Rest(there, func(from, end int) error {
		if from > end || end > len(page) {
			t.Fatalf("bytes %d to %d of %d are asked for", from, end, len(page))
		}
		copy(there[from:end], page[from:end])
		return nil
	})
	return there
}

// Of a page of which little is wanted little is read, and what can't be read is told.
func TestOfAPageNoMoreIsReadThanIsLookedAt(t *testing.T) {
	var all [][]byte
	for i := range 2048 {
		all = append(all, fmt.Appendf(nil, "GET /orders/%d in %dms", i*7919%100000, i%900), fmt.Appendf(nil, "the disk sd%d has %d bytes", i%7, i*i))
	}
	dictionary, pages := stored(all, len(all))
	d, err := Parse(dictionary)
	if err != nil {
		t.Fatal(err)
	}
	for value := range all {
		var p Page
		there := begun(t, &p, d, pages[0], len(all))
		some := make([]uint64, len(all)/64)
		some[value>>6] = 1 << (value & 63)
		if err := p.Pick(some, make([]byte, p.Room()), func(value int, text []byte) {
			if !bytes.Equal(text, all[value]) {
				t.Fatalf("%q, want %q", text, all[value])
			}
		}); err != nil {
			t.Fatal(err)
		}
		if read := len(there) - bytes.Count(there, []byte{0xee}); read > len(all)/16+(value/2+100)*7 {
			t.Errorf("value %d: %d bytes were read of %d", value, read, len(there))
		}
	}
	var p Page
	begun(t, &p, d, pages[0], len(all))
	broken := errors.New("the disk is broken")
	p.Rest(p.body, func(from, end int) error { return broken })
	if _, err := p.Plain(make([]byte, p.Room())); err != broken {
		t.Errorf("all texts: %v", err)
	}
	if err := p.Pick([]uint64{1}, make([]byte, p.Room()), func(int, []byte) {}); err != broken {
		t.Errorf("one text: %v", err)
	}
}

func texts(of string) (all [][]byte) {
	for line := range strings.SplitSeq(of, "\n") {
		all = append(all, []byte(line))
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	check(t, nil, 1)
	check(t, texts(strings.Join([]string{
		"", "0", "00", "007", "9", "10", "18446744073709551615", "18446744073709551616", "9999999999999999999", "0000000000000000000",
		"10000000000000000000", "00000000000000000000", "DELETE /orders/528929 took 1765ms (trace=3191ed2b79f48b207d3f0c40a1002096)",
		"stb82ada46", "node12", "2026-11-01T00:00:01.686053Z", "1h30m5s", "a1", "1a", "A1", "x7k2p", "deadbeef", "deadbeef0", "DEADBEEF0",
		"é1é", "1\xff2", "\xff", "\x00\x001\x00", "ünï1cøde 2", "K1", `{"a":"\u00e91","b":-0.50,"c":1e9}`, "\\1\\", strings.Repeat("a1 ", 300), strings.Repeat("f1", 200), strings.Repeat("f1", 31), strings.Repeat("g1", 31), strings.Repeat("7", 63) + " " + strings.Repeat("7", 64),
		strings.Repeat("x", 60) + "123456789", strings.Repeat(" ", 60) + "12345678901234567890", strings.Repeat("x", 5000) + "1", strings.Repeat("1 ", 199), strings.Repeat("1 ", 200), strings.Repeat("1 ", 201),
	}, "\n")), 7)
	for n := range 300 { // words that end at every place, of every length
		check(t, [][]byte{[]byte(strings.Repeat("-", n%131) + strings.Repeat("4e", n)), []byte(strings.Repeat("-", n%131) + strings.Repeat("4z", n)), []byte(strings.Repeat("-", n%131) + strings.Repeat("4", n))}, 3)
	}
}

// TestMany has more texts of their own than there are templates.
func TestMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all [][]byte
	letters := func() string {
		b := make([]byte, 6)
		for i := range b {
			b[i] = 'a' + byte(r.IntN(26))
		}
		return string(b)
	}
	for range 2 * MostTemplates {
		all = append(all, fmt.Appendf(nil, "%s %d", letters(), r.IntN(100)))
	}
	check(t, all, 2048)
	var c Coder
	c.Reset()
	for _, s := range all {
		c.Add(s)
	}
	if c.Templates() != MostTemplates || c.Odd() != MostTemplates+1 {
		t.Fatalf("%d templates, %d texts without", c.Templates(), c.Odd())
	}
}

// TestKinds tells of texts how they are cut.
func TestKinds(t *testing.T) {
	for text, want := range map[string]string{
		"took 1765ms":               "took <digits>ms",
		"id 3191ed2b79f48b20":       "id <hex 16>",
		"acct stb82ada46":           "acct st<hex 8>",
		"node12 v1":                 "node<digits> v<digits>",
		"2026-11-01T00:00":          "<digits>-<digits>-<digits>T<digits>:<digits>",
		"1h30m5s":                   "<digits>h<digits>m<digits>s",
		"id aB3dE5fG7 x7k2p":        "id <word> <word>",
		"00000000000000000000":      "<hex 20>",
		"pod web-7d9g8b6c5-xkzpb.":  "pod web-<word>-<word>.",
		"at-7d9g8b6c5-xkzpbs x-k4z": "at-<word>-xkzpbs x-k<digits>z",
		"f-x2k4p of 45679-24567":    "f-<word> of <digits>-<digits>",
		strings.Repeat("1", 300):    "<word>",
		strings.Repeat("1 ", 201):   "<any>",
	} {
		dictionary, _ := stored([][]byte{[]byte(text)}, 1)
		d, err := Parse(dictionary)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Template(d.Len() - 1).String(); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
}

// FuzzRoundTrip stores the lines of a text.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("GET /1 in 20ms\nGET /2 in 3ms\n\n\xff1\xfe\n0abc"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, each uint8) {
		check(t, bytes.Split(b, []byte{'\n'}), int(each)+1)
	})
}

// FuzzHostile reads what nobody wrote: it is refused, or read in every way without
// harm, and all ways tell the same.
func FuzzHostile(f *testing.F) {
	dictionary, pages := stored(texts("GET /1 in 20ms\nGET /2 in 3ms\n\nabcdef01\nx7k2p"), 5)
	f.Add(dictionary, pages[0], 5)
	f.Fuzz(func(t *testing.T, dictionary, page []byte, values int) {
		if values < 0 || values > 1<<12 {
			return
		}
		d, err := Parse(dictionary)
		if err != nil {
			return
		}
		for i := range d.Len() {
			d.Template(i).Has(Part{Text: "abc1", Left: Boundary}) // whatever it says
		}
		by := []*Pattern{Matching(`1\d*0`), Having(Part{Text: "abc1", Left: Boundary})}
		var p Page
		if p.Open(d, page, values) != nil || p.Size() > 1<<20 {
			return
		}
		b, err := p.Plain(make([]byte, p.Room()))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
		all := make([]uint64, values/64+1)
		for i := range all {
			all[i] = ^uint64(0)
		}
		want := split(t, b)
		picked := p.Pick(all, make([]byte, p.Room()), func(value int, text []byte) {
			if err == nil && !bytes.Equal(text, want[value]) {
				t.Fatalf("value %d: %q, picked %q", value, want[value], text)
			}
		})
		if err == nil && picked != nil {
			t.Fatal(picked)
		}
		for i := range all {
			all[i] &= 0x8000_0400_0010_2001
		}
		picked = p.Pick(all, make([]byte, p.Room()), func(value int, text []byte) {
			if err == nil && !bytes.Equal(text, want[value]) {
				t.Fatalf("value %d: %q, picked with few %q", value, want[value], text)
			}
		})
		if err == nil && picked != nil {
			t.Fatal(picked)
		}
		trails := make([][]*Trail, len(p.Present()))
		for i, n := range p.Present() {
			for _, pattern := range by {
				if tr := pattern.Trail(d.Template(n)); tr != nil {
					trails[i] = append(trails[i], tr)
				}
			}
		}
		few, left := slices.Clone(all), slices.Clone(all)
		var part Page
		inPart := begun(t, &part, d, page, values) != nil
		if inPart {
			again := part.Pick(few, make([]byte, p.Room()), func(value int, text []byte) {
				if err == nil && !bytes.Equal(text, want[value]) {
					t.Fatalf("value %d: %q, picked of some of the page %q", value, want[value], text)
				}
			})
			if (again == nil) != (picked == nil) {
				t.Fatalf("%v, of some of the page %v", picked, again)
			}
			if followed := part.Follow(left, trails, make([]uint64, len(all))); err == nil && followed != nil {
				t.Fatal(followed)
			}
		}
		unsure := make([]uint64, len(all))
		if followed := p.Follow(all, trails, unsure); err == nil && followed != nil {
			t.Fatal(followed)
		}
		if err != nil {
			return
		}
		if inPart && !slices.Equal(all, left) {
			t.Fatalf("other values stay of some of the page: %x, of all %x", left, all)
		}
		for value, text := range want {
			stays, sure := all[value>>6]>>(value&63)&1 != 0, unsure[value>>6]>>(value&63)&1 == 0 && len(trails[p.At(value)]) == len(by)
			is := has(text, Part{Text: "abc1", Left: Boundary}) && regexp.MustCompile(`1\d*0`).Match(text)
			if is && !stays || sure && stays && !is {
				t.Fatalf("%q stays: %v, sure: %v", text, stays, sure)
			}
		}
	})
}
