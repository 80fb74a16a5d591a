package parquet

import (
	"encoding/binary"
	"errors"
	"slices"

	"logkeep/internal/template"
)

// Of a text that is stored by a template much is known before it is made: a search
// asks the template first, whether all its texts have what is looked for, or none.
// Only texts of which it can't tell are made and looked through.

// expandFrom is from which part on, three in so many, of a page's texts it is
// quicker to make all.
const expandFrom = 4

// odd tells of a template whether its texts have what may stand for a character that
// is looked for: then the search finds them without looking further.
func (s *Search) odd(t *template.Template) (answer template.Answer) {
	if s.escapes {
		answer = t.Has(template.Part{Text: `\`})
	}
	if s.beyond {
		for _, c := range folding {
			answer = max(answer, t.Has(template.Part{Text: string(c)}))
		}
	}
	return answer
}

// hints tells of a template that perhaps has texts that the search finds, and nothing
// odd, what must be in their holes, for each part of which that is known.
func (s *Search) hints(t *template.Template) (of [][]template.Hint) {
	for _, p := range s.parts {
		if hints, ok := t.Hints(p.forTemplates()); ok {
			of = append(of, hints)
		}
	}
	return of
}

// forTemplates is the part in their words.
func (p Part) forTemplates() template.Part {
	return template.Part{Text: p.Text, Left: template.Edge(p.Left), Right: template.Edge(p.Right)}
}

// Pattern is the part as templates follow it.
func (p Part) Pattern() *template.Pattern { return template.Having(p.forTemplates()) }

// answers are what the templates of the page tell, by their place in Present.
func (c *Column) answers(b *body, s *Search) (of []*told) {
	for _, n := range b.page.Present() {
		of = append(of, c.told(s, n))
	}
	return of
}

// told is what a template has told, if it was asked.
type told struct {
	asked  bool
	sure   bool // what it tells is so: not only may a text have what is looked for
	answer template.Answer
	by     []*template.Trail // of patterns that tell texts apart, if all that is looked for is told by patterns
	hints  [][]template.Hint
}

// told asks a template, unless it was asked.
func (c *Column) told(s *Search, number int) *told {
	d := &c.dict
	if d.answers == nil {
		d.answers = map[*Search][]told{}
	}
	known := d.answers[s]
	if known == nil {
		known = make([]told, d.templates.Len())
		d.answers[s] = known
	}
	k := &known[number]
	if k.asked {
		return k
	}
	k.asked = true
	if k.answer, k.sure = s.settles(d.templates.Raw(number)); k.sure {
		return k
	}
	t := d.templates.Template(number)
	odd := s.odd(t)
	answer, by, follows := s.follows(t, odd)
	if follows && answer != template.Perhaps {
		k.answer, k.sure = answer, true
		return k
	}
	has := s.has(t)
	if k.answer = max(has, odd); k.answer == template.Never || has == template.Always && len(s.parts) > 0 && !s.strict() {
		k.sure = true
		return k
	}
	if follows {
		k.by, k.sure = by, true
		k.answer = template.Perhaps
		return k
	}
	if k.answer == template.Perhaps && odd == template.Never {
		k.hints = s.hints(t)
	}
	return k
}

// settles is what patterns tell of all texts of a template, if they know it from another
// dictionary and tell none of its texts apart; then it need not be made.
func (s *Search) settles(raw []byte) (answer template.Answer, ok bool) {
	if s.escapes || s.beyond || len(s.by) == 0 {
		return 0, false
	}
	for _, p := range s.by {
		if trail := p.Known(raw); trail == nil || trail.Tells() == template.Perhaps {
			return 0, false
		} else if trail.Tells() == template.Never {
			return template.Never, true
		}
	}
	return template.Always, true
}

// strict reports whether a text that has all parts need not be one that is wanted.
func (s *Search) strict() bool {
	return slices.ContainsFunc(s.by, func(p *template.Pattern) bool { return p.ASCII() })
}

// follows tells what patterns tell of a template, and which of them tell its texts
// apart; ok is false if one of them knows nothing of it. What may be written in
// another way no pattern knows that stands for a part.
func (s *Search) follows(t *template.Template, odd template.Answer) (answer template.Answer, by []*template.Trail, ok bool) {
	answer = template.Always
	for _, p := range s.by {
		if odd != template.Never && !p.ASCII() {
			return 0, nil, false
		}
		trail := p.Trail(t)
		if trail == nil {
			return 0, nil, false
		}
		of := trail.Tells()
		if answer = min(answer, of); of == template.Perhaps {
			by = append(by, trail)
		}
	}
	return answer, by, len(s.by) > 0
}

// findWoven is findIn of a page of templates. It reports whether all rows that are
// found are such as are wanted.
func (c *Column) findWoven(b *body, s *Search, found Rows) (sure bool, err error) {
	told := c.answers(b, s)
	always, perhaps := make([]bool, len(told)), make([]bool, len(told))
	by, hints := make([][]*template.Trail, len(told)), make([][][]template.Hint, len(told))
	followed, hinted := false, false
	sure = true
	for i, k := range told {
		always[i], perhaps[i] = k.answer == template.Always, k.answer == template.Perhaps
		sure = sure && (k.sure || !always[i])
		if perhaps[i] {
			by[i], hints[i] = k.by, k.hints
			followed, hinted = followed || len(k.by) > 0, hinted || len(k.hints) > 0
		}
	}
	all, ask := NewRows(b.values), NewRows(b.values)
	b.page.Those(always, all)
	b.page.Those(perhaps, ask)
	if ask.Count() > 0 {
		if err := c.openAsked(b, perhaps); err != nil {
			return false, err
		}
	}
	if followed {
		if ask, err = c.follow(b, by, ask, all); err != nil {
			return false, err
		}
	}
	asked := ask.Count()
	if hinted && asked > 0 {
		if err := b.page.Keep(ask, hints); err != nil {
			return false, ofPage(err)
		}
		asked = ask.Count()
	}
	if asked > 0 {
		before := all.Count()
		if asked*expandFrom > b.values*3 && len(s.parts) > 0 {
			if err := c.expand(b); err != nil {
				return false, err
			}
			err := c.findPlain(b, s, found)
			return sure && found.Count() == before, err
		}
		if err := c.findAmong(b, s, ask, asked, all); err != nil {
			return false, err
		}
		sure = sure && all.Count() == before
	}
	if b.present == nil {
		found.Union(all)
		return sure, nil
	}
	o := ordinals{present: b.present}
	for value := all.Next(0, b.values); value < b.values; value = all.Next(value+1, b.values) {
		found.Add(o.rowOf(value))
	}
	return sure, nil
}

// openAsked opens a page of which texts are needed of some of the present templates: if
// it is alone, and they are not most of it, as much as has them.
func (c *Column) openAsked(b *body, of []bool) error {
	asked := 0
	for i, is := range of {
		if is {
			asked += b.page.Payload(i)
		}
	}
	if b.some {
		return nil
	}
	if b.begun && b.alone && asked <= int(c.pages[b.number].Size)/mostAsked {
		return c.openSome()
	}
	c.whole = true
	return c.openPage(b.number)
}

// mostAsked is the part of a page, one in so many, up to which it is read in parts.
const mostAsked = 2

// ofPage is an error of a page of templates in the words of this package.
func ofPage(err error) error {
	if errors.Is(err, template.ErrDamaged) {
		return ErrDamaged
	}
	return err
}

// follow adds those values among ask to all that patterns find, by template, and
// returns those of which they can't tell.
func (c *Column) follow(b *body, by [][]*template.Trail, ask, all Rows) (left Rows, err error) {
	followed := make([]bool, len(by))
	for i := range by {
		followed[i] = len(by[i]) > 0
	}
	left = NewRows(b.values)
	b.page.Those(followed, left)
	of := slices.Clone(left)
	for i := range left { // those that are followed, and the others
		left[i] = ask[i] &^ left[i]
	}
	unsure := NewRows(b.values)
	if err := b.page.Follow(of, by, unsure); err != nil {
		return nil, ofPage(err)
	}
	of.Without(unsure)
	all.Union(of)
	left.Union(unsure)
	return left, nil
}

// findAmong makes the texts of some values and adds those to all that are found.
func (c *Column) findAmong(b *body, s *Search, ask Rows, asked int, all Rows) error {
	if len(s.parts) == 0 {
		all.Union(ask)
		return nil
	}
	texts, err := c.d.take(b.page.Room())
	if err != nil {
		return err
	}
	defer c.d.give(texts)
	made, err := c.d.take(b.page.Room())
	if err != nil {
		return err
	}
	defer c.d.give(made)
	room := len(texts)
	texts = texts[:0]
	err = b.page.Pick(ask, made, func(_ int, text []byte) {
		if len(texts)+4+len(text) <= room { // else the page is damaged: there is more than it says
			texts = append(binary.LittleEndian.AppendUint32(texts, uint32(len(text))), text...)
		}
	})
	if err != nil {
		return ofPage(err)
	}
	return s.each(texts, asked, func() func(int) {
		of := ordinals{present: ask}
		return func(n int) { all.Add(of.rowOf(n)) }
	})
}

// pickWoven is Pick of a page of templates, of which few texts are wanted: the rows
// of from row up to end. It reports false if they are not few.
func (c *Column) pickWoven(b *body, base int, of Rows, end int, p *Cells) (done bool, err error) {
	first := max(b.first-base, 0)
	wanted := of.CountRange(first, end)
	if wanted*expandFrom > b.rows*3 {
		return false, nil
	}
	values := NewRows(b.values)
	o := ordinals{present: b.present}
	for row := of.Next(first, end); row < end; row = of.Next(row+1, end) {
		if value, ok := o.valueOf(base + row - b.first); ok {
			values.Add(value)
		}
	}
	row := of.Next(first, end)
	nulls := func() { // the wanted rows without a value before the next that has one
		for row < end && b.present != nil && !b.present.Has(base+row-b.first) {
			p.Put("", false)
			row = of.Next(row+1, end)
		}
	}
	made, err := c.d.take(b.page.Room())
	if err != nil {
		return false, err
	}
	defer c.d.give(made)
	err = b.page.Pick(values, made, func(_ int, text []byte) {
		nulls()
		p.putText(text)
		row = of.Next(row+1, end)
	})
	if err != nil {
		return false, ofPage(err)
	}
	if nulls(); row < end {
		return false, ErrDamaged
	}
	if len(p.data) > mostText {
		return false, ErrForm
	}
	return true, nil
}

// putText appends a text.
func (p *Cells) putText(text []byte) {
	if p.valid != nil {
		if p.rows&7 == 0 {
			p.valid = append(p.valid, 0)
		}
		p.valid[p.rows>>3] |= 1 << (p.rows & 7)
	}
	p.data = append(p.data, text...)
	p.rows++
	p.ends = append(p.ends, int32(len(p.data)))
}
