package parquet

import (
	"bytes"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/template"
)

// An Edge says where an end of a Part may be in a text.
type Edge uint8

// The edges.
const (
	Open Edge = iota // anywhere
	Word             // not inside of a word, of ASCII letters, digits and characters beyond ASCII
	End              // at the end of the text
)

// A Part is what a text contains: ASCII in lower case, not empty. Case does not
// matter.
type Part struct {
	Text        string
	Left, Right Edge
}

// A Search finds texts that have all of some parts. It may find others too: who
// looks for rows must look again. It is not safe for concurrent use.
type Search struct {
	parts   []Part
	by      []*template.Pattern
	at      []int // of each part, where the byte is that it is looked for by
	beyond  bool  // characters beyond ASCII may be letters of a part
	escapes bool  // and so may what begins with a backslash
}

// Texts says what is known of the texts that are searched.
type Texts struct {
	Plain bool // they have none of the characters beyond ASCII that are ASCII letters in another case
	JSON  bool // a character may be written as an escape
}

// folding are the characters beyond ASCII that are k, i and s in another case.
var folding = [][]byte{[]byte("\u212a"), []byte("\u0130"), []byte("\u017f")}

// NewSearch makes a search ready. By are patterns that no text lacks which is to be
// found: where texts are stored by templates they tell more than parts, or the same
// without texts being made. Without parts all texts are found of which no pattern
// tells.
func NewSearch(parts []Part, of Texts, by ...*template.Pattern) *Search {
	s := &Search{parts: parts, by: by, at: make([]int, len(parts)), escapes: of.JSON}
	for _, p := range parts {
		s.beyond = s.beyond || !of.Plain && strings.ContainsAny(p.Text, "kis")
	}
	return s
}

// Find adds to found the rows among of that have a text which the search finds;
// both are numbered from base. No row has, in a column of another type than text.
func (c *Column) Find(s *Search, base int, of, found Rows) error {
	if c.Type != arrow.STRING {
		return nil
	}
	return c.eachPage(base, of, c.beginPage, func(b *body) (bool, error) {
		here, ok := b.found[s]
		if !ok {
			here = NewRows(b.rows)
			if err := c.findIn(b, s, here); err != nil {
				return false, err
			}
			if b.found == nil {
				b.found = map[*Search]Rows{}
			}
			b.found[s] = here // the page may be asked about again, for other rows
		}
		from, end := max(base, b.first), min(base+len(of)*64, b.first+b.rows)
		for row := here.Next(from-b.first, end-b.first); row < end-b.first; row = here.Next(row+1, end-b.first) {
			if at := b.first + row - base; of.Has(at) {
				found.Add(at)
			}
		}
		return true, nil
	})
}

// findIn adds the rows of a page, from 0, whose text is found.
func (c *Column) findIn(b *body, s *Search, found Rows) error {
	switch b.form {
	case isTemplates:
		_, err := c.findWoven(b, s, found)
		return err
	case isPlain:
		return c.findPlain(b, s, found)
	}
	entries, err := c.entries(s)
	if err != nil || entries.Count() == 0 {
		return err
	}
	if b.present == nil {
		for i, n := range b.index {
			if entries.Has(int(n)) {
				found.Add(i)
			}
		}
		return nil
	}
	value := 0
	for row := b.present.Next(0, b.rows); row < b.rows; row = b.present.Next(row+1, b.rows) {
		if entries.Has(int(b.index[value])) {
			found.Add(row)
		}
		value++
	}
	return nil
}

// findPlain is findIn of a page of texts as they are.
func (c *Column) findPlain(b *body, s *Search, found Rows) error {
	return s.each(b.plain, b.values, func() func(int) {
		o := ordinals{present: b.present}
		return func(value int) { found.Add(o.rowOf(value)) }
	})
}

// entries are the texts of the dictionary that a search finds.
func (c *Column) entries(s *Search) (Rows, error) {
	if known, ok := c.dict.found[s]; ok {
		return known, nil
	}
	if err := c.reachAll(); err != nil {
		return nil, err
	}
	found := NewRows(c.dict.values)
	if err := s.each(c.dict.raw, c.dict.values, func() func(int) { return found.Add }); err != nil {
		return nil, err
	}
	if c.dict.found == nil {
		c.dict.found = map[*Search]Rows{}
	}
	c.dict.found[s] = found
	return found, nil
}

// each tells of the texts in b, each behind its length, that are found: their
// numbers, in ascending order, more than once maybe. What takes them is made anew
// when they begin again.
func (s *Search) each(b []byte, values int, begin func() (found func(value int))) error {
	if len(s.parts) == 0 {
		found := begin()
		for value := range values {
			found(value)
		}
		return nil
	}
	if err := s.main(b, values, begin()); err != nil {
		return err
	}
	if s.escapes {
		if err := every(b, values, []byte{'\\'}, begin()); err != nil {
			return err
		}
	}
	if s.beyond {
		for _, c := range folding {
			if err := every(b, values, c, begin()); err != nil {
				return err
			}
		}
	}
	return nil
}

// every tells of the texts that have a sequence of bytes.
func every(b []byte, values int, of []byte, found func(value int)) error {
	w := walk{b: b, values: values, value: -1}
	for at := 0; ; {
		n := bytes.Index(b[at:], of)
		if n < 0 {
			return nil
		}
		if err := w.to(at + n); err != nil {
			return err
		}
		if at+n >= w.from {
			found(w.value)
			at = w.end
			continue
		}
		at += n + 1 // in a length
	}
}

// A walk goes from text to text.
type walk struct {
	b         []byte
	values    int // how many there are
	value     int // number of the current one; -1: before the first
	from, end int // of its text
}

// to goes to the text, or its length, in which there is a byte.
func (w *walk) to(at int) error {
	for w.end <= at {
		end, ok := textEnd(w.b, w.end)
		if !ok || w.value+1 >= w.values {
			return ErrDamaged
		}
		w.from, w.end, w.value = w.end+4, end, w.value+1
	}
	return nil
}

// main tells of the texts that have all parts, without regard to characters that
// may be written in another way. It looks for the byte of a part that the texts
// have least often; only there is the rest compared.
func (s *Search) main(b []byte, values int, found func(value int)) error {
	n := s.rarest(b)
	p, at := &s.parts[n], s.at[n]
	w := walk{b: b, values: values, value: -1}
	c := newCursor(b, p.Text[at])
	last := len(b) - len(p.Text) + at
	for i := c.next(at); i <= last; {
		from, end := i-at, i-at+len(p.Text)
		i++
		if !equalFold(b[from:end], p.Text) {
			i = c.next(i)
			continue
		}
		if err := w.to(from); err != nil {
			return err
		}
		// Else it is in a length, or reaches into one.
		if from >= w.from && end <= w.end && p.bounded(b[w.from:w.end], from-w.from) && s.rest(b[w.from:w.end], n) {
			found(w.value)
			i = w.end + 4 + at
		}
		i = c.next(i)
	}
	return nil
}

// rest reports whether a text has all parts but number n.
func (s *Search) rest(text []byte, n int) bool {
	for i := range s.parts {
		if i != n && !s.parts[i].in(text, s.at[i]) {
			return false
		}
	}
	return true
}

// in reports whether a text has the part, looked for by its byte at at.
func (p *Part) in(text []byte, at int) bool {
	c := newCursor(text, p.Text[at])
	last := len(text) - len(p.Text) + at
	for i := c.next(at); i <= last; i = c.next(i + 1) {
		if from := i - at; equalFold(text[from:from+len(p.Text)], p.Text) && p.bounded(text, from) {
			return true
		}
	}
	return false
}

// bounded reports whether the part, which a text has at from, may be there.
func (p *Part) bounded(text []byte, from int) bool {
	end := from + len(p.Text)
	return (p.Left == Open || from == 0 || p.Left == Word && !wordByte(text[from-1])) &&
		(p.Right == Open || end == len(text) || p.Right == Word && !wordByte(text[end]))
}

func wordByte(c byte) bool {
	return c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// What a piece of texts is looked through for, to see how to look through all.
const (
	probed  = 4 << 10 // bytes
	perPart = 16      // what a place costs that has a part, of what one costs that has its byte
)

// rarest is the part with which the least is to be done: a piece of b tells in how
// many places a byte of it stands, in either case, and in how many all of it.
func (s *Search) rarest(b []byte) (part int) {
	from := max(0, len(b)/2-probed/2)
	b = b[from:min(from+probed, len(b))]
	var counts [256]int
	for _, c := range b {
		counts[c]++
	}
	best := -1
	for n, p := range s.parts {
		least := -1
		for i := range len(p.Text) {
			c := p.Text[i]
			count := counts[c]
			if c >= 'a' && c <= 'z' {
				count += counts[c-0x20]
			}
			if least < 0 || count < least {
				s.at[n], least = i, count
			}
		}
		if len(s.parts) == 1 {
			return 0
		}
		cur, at := newCursor(b, p.Text[s.at[n]]), s.at[n]
		cost := least
		for i := cur.next(at); i <= len(b)-len(p.Text)+at; i = cur.next(i + 1) {
			if equalFold(b[i-at:i-at+len(p.Text)], p.Text) {
				cost += perPart
			}
		}
		if best < 0 || cost < best {
			part, best = n, cost
		}
	}
	return part
}

// A cursor finds a byte in either case.
type cursor struct {
	b            []byte
	lower, upper byte
	low, up      int // where they stand next
}

func newCursor(b []byte, c byte) cursor {
	cur := cursor{b: b, lower: c, upper: c, low: -1, up: len(b)}
	if c >= 'a' && c <= 'z' {
		cur.upper, cur.up = c-0x20, -1
	}
	return cur
}

// next is the first place at or behind from where the byte stands, or the end.
// Places do not go back.
func (c *cursor) next(from int) int {
	if c.low < from {
		c.low = place(c.b, c.lower, from)
	}
	if c.up < from {
		c.up = place(c.b, c.upper, from)
	}
	return min(c.low, c.up)
}

func place(b []byte, c byte, from int) int {
	if from >= len(b) {
		return len(b)
	}
	if n := bytes.IndexByte(b[from:], c); n >= 0 {
		return from + n
	}
	return len(b)
}

// equalFold reports whether a text is, case aside, one of the same length that
// is ASCII in lower case.
func equalFold(text []byte, lower string) bool {
	for i := range len(lower) {
		c := text[i]
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
