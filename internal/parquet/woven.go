package parquet

import (
	"encoding/binary"

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

// answers are what the templates of the page tell, by their place in Present, and
// the hints of those that can't tell.
func (c *Column) answers(b *body, s *Search) (out []template.Answer, hints [][][]template.Hint, hinted bool) {
	for _, n := range b.page.Present() {
		k := c.told(s, n)
		out, hints = append(out, k.answer), append(hints, k.hints)
		hinted = hinted || len(k.hints) > 0
	}
	return out, hints, hinted
}

// told is what a template has told, if it was asked.
type told struct {
	asked  bool
	sure   bool // all texts have all that is looked for, whatever else they have
	answer template.Answer
	hints  [][]template.Hint
}

// told asks a template, unless it was asked.
func (c *Column) told(s *Search, number int) *told {
	d := &c.dict
	if d.answers == nil {
		d.answers = map[*Search][]told{}
	}
	all := d.templates.Templates()
	known := d.answers[s]
	if known == nil {
		known = make([]told, len(all))
		d.answers[s] = known
	}
	k, t := &known[number], &all[number]
	if k.asked {
		return k
	}
	has, odd := s.has(t), s.odd(t)
	k.asked, k.sure, k.answer = true, has == template.Always, max(has, odd)
	if k.answer == template.Perhaps && odd == template.Never {
		k.hints = s.hints(t)
	}
	return k
}

// findWoven is findIn of a page of templates.
func (c *Column) findWoven(b *body, s *Search, found Rows) error {
	answers, hints, hinted := c.answers(b, s)
	ask := NewRows(b.values)
	o := ordinals{present: b.present}
	for value := range b.values {
		switch answers[b.page.At(value)] {
		case template.Always:
			found.Add(o.rowOf(value))
		case template.Perhaps:
			ask.Add(value)
		}
	}
	asked := ask.Count()
	if hinted && asked > 0 {
		if b.page.Keep(ask, hints) != nil {
			return ErrDamaged
		}
		asked = ask.Count()
	}
	if asked == 0 {
		return nil
	}
	if asked*expandFrom > b.values*3 {
		if err := c.expand(b); err != nil {
			return err
		}
		return c.findPlain(b, s, found)
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
		return ErrDamaged
	}
	return s.each(texts, asked, func() func(int) {
		of, o := ordinals{present: ask}, ordinals{present: b.present}
		return func(n int) { found.Add(o.rowOf(of.rowOf(n))) }
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
		return false, ErrDamaged
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
