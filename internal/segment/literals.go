package segment

import (
	"bytes"
	"unicode/utf8"

	"logkeep/internal/template"
)

// Literals are the terms of a column's templates that are the same in all of their
// texts: those without a digit. They are read once for a row group.
type literals struct {
	templates []literalsOf
	terms     []literal         // each once
	index     map[uint32]uint32 // in terms, by key
	of        []uint32          // in terms, of one template after another
}

// LiteralsOf is what is known of a template.
type literalsOf struct {
	state    int32 // one of those below, or the stripe that a text of it was in last
	from, to uint32
}

// States of a template.
const (
	newTemplate = 0
	mustRead    = -1 // all texts are to be read: they have more terms than words
	stripeOne   = 1  // is added to stripes
)

// A literal is a term, and in how many stripes it was until now. More than a few are
// all the same: the table tells of it as being everywhere.
type literal struct {
	item   uint32 // without the stripe
	last   int32
	places int32
}

func (l *literals) reset() {
	clear(l.templates)
	clear(l.index)
	l.terms, l.of = l.terms[:0], l.of[:0]
}

// learn reads the literals of a template from one of its texts, of which the words with
// a digit are known. Behind the text is a word more.
func (l *literals) learn(of *literalsOf, text []byte, words []template.Span) {
	if l.index == nil {
		l.index = map[uint32]uint32{}
	}
	of.from = uint32(len(l.of))
	for i := 0; i < len(text); {
		if termClass[text[i]] == outsideTerm {
			i++
			continue
		}
		from := i
		for i < len(text) && termClass[text[i]] != outsideTerm {
			i++
		}
		if len(words) > 0 && int(words[0].From) == from {
			words = words[1:]
			continue
		}
		key := keyOf(hashOf(text[:len(text)+wordSize], from, i))
		at, ok := l.index[key]
		if !ok {
			at = uint32(len(l.terms))
			l.terms = append(l.terms, literal{item: key << placeBits, last: -1})
			l.index[key] = at
		}
		l.of = append(l.of, at)
	}
	of.to = uint32(len(l.of))
}

// words is text of one that is stored by a template, with the words that have a digit.
// All other terms are those of any text with the template. Not so if there are bytes
// beyond ASCII, which may go on with a word, or JSON with escapes, where terms are less
// than words.
func (w *termWriter) words(text []byte, words []template.Span, number, stripe int) {
	l := &w.literals
	if l.templates == nil {
		l.templates = make([]literalsOf, template.MostTemplates)
	}
	t := &l.templates[number]
	if w.odd || number == 0 || t.state == mustRead || cap(text)-len(text) < wordSize {
		w.text(text, stripe)
		return
	}
	if t.state == newTemplate {
		if w.dynamic && bytes.IndexByte(text, '\\') >= 0 || bytes.ContainsFunc(text, beyond) {
			t.state = mustRead
			w.text(text, stripe)
			return
		}
		l.learn(t, text[:len(text):len(text)+wordSize], words)
	}
	if stripe != w.stripe {
		w.next(stripe)
	}
	if t.state != int32(stripe+stripeOne) {
		t.state = int32(stripe + stripeOne)
		for _, at := range l.of[t.from:t.to] {
			if term := &l.terms[at]; term.last != int32(stripe) && term.places <= mostPlaces {
				term.last = int32(stripe)
				term.places++
				w.items = append(w.items, term.item|w.low)
			}
		}
	}
	padded := text[:len(text)+wordSize]
	for _, s := range words {
		w.add(hashOf(padded, int(s.From), int(s.End)))
	}
	w.bound()
}

func beyond(c rune) bool { return c >= utf8.RuneSelf }
