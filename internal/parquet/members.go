package parquet

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// Objects that are stored by templates need not be read as JSON. Holes are letters and
// digits, so all that makes the structure is in the template, and so are the keys and
// the values that are the same in all of its texts. Where the other values lie is known
// by the holes. So the first text of a template is read, and of all others the holes.

// A memberReader reads members of a column while the column is stored.
type memberReader struct {
	coder   *template.Coder
	cells   []*Made
	byKey   map[string]int // in cells
	plans   []plan         // by template
	oddKeys bool           // a key is spelt in an odd way
}

// A plan is how the members of a template's texts are found.
type plan struct {
	state byte
	steps []step
}

// States of a plan.
const (
	unknown = iota
	bySteps
	byReading // every text is read as JSON
)

// A step finds one member. Members without a step have no value.
type step struct {
	cell int
	does byte

	number        uint32 // of the text, or 1 for true
	from, end     int    // the holes with which the value begins and ends
	before, after uint32 // bytes of the value before the first and behind the last
}

// What a step does.
const (
	sameText = iota
	sameBool
	ownText
	ownWhole
	unfit
)

// Members stores a column of text by templates, ahead of its turn, and returns the
// cells of members of the objects in it. It returns nil if the column is not to be
// stored so, as far as is known without writing the columns before it, or if there is
// a key that is spelt in an odd way; of a column that is not stored
// Options.Texts is told again in its turn. All texts are known to be JSON without blanks.
func (g *Group) Members(column int, members []batch.Member) (made []*Made, stored bool, err error) {
	p := g.p
	if !p.o.Templates || !p.o.Compress {
		return nil, false, nil
	}
	p.order = &g.order
	records := make([]arrow.Array, len(g.recs))
	for i, rec := range g.recs {
		records[i] = rec.Column(column)
	}
	c := newCells(g.order.runs, g.order.rows, records, batch.Nullable(p.columns[column]))
	from := textArrays(records)
	if p.o.Dictionary && p.repeating(&c, from) {
		return nil, false, nil
	}
	r := memberReader{coder: &p.weave.coder, byKey: map[string]int{}}
	for i, m := range members {
		r.cells = append(r.cells, newMade(m, g.order.rows))
		r.byKey[m.Key] = i
	}
	var tell func(text []byte, stripe int)
	if p.o.Texts != nil {
		tell = p.o.Texts(column)
	}
	if stored, _, err = p.templateTexts(&c, from, tell, r.take); !stored || err != nil {
		return nil, false, err
	}
	// What is kept until its turn is no longer the writer's to write to.
	w := p.weave.fabric
	w.stored, w.dictionary = bytes.Clone(w.stored), bytes.Clone(w.dictionary)
	p.weave.sizes, p.weave.rows = nil, nil
	w.nulls = int64(c.rows - c.values())
	if g.ahead == nil {
		g.ahead = map[int]*fabric{}
	}
	g.ahead[column] = &w
	if r.oddKeys {
		return nil, true, nil
	}
	return r.cells, true, nil
}

// readyTexts writes a column that is stored.
func (p *Writer) readyTexts(k *chunk, column int, w *fabric) error {
	if p.o.Texts != nil {
		p.o.Texts(column)
	}
	k.stats.NullCount = w.nulls
	return p.weft(k, w)
}

// take reads the text of a row, which the coder has just got.
func (r *memberReader) take(row int, text []byte) {
	holes, number := r.coder.Holes()
	if number == 0 {
		r.read(row, text)
		return
	}
	if number >= len(r.plans) {
		r.plans = append(r.plans, make([]plan, number+1-len(r.plans))...)
	}
	p := &r.plans[number]
	if p.state == unknown {
		r.learn(p, text, holes)
	}
	if p.state == byReading {
		r.read(row, text)
		return
	}
	for i := range p.steps {
		s := &p.steps[i]
		c := r.cells[s.cell]
		switch s.does {
		case sameText:
			c.putText(row, s.number)
		case sameBool:
			c.putBool(row, s.number == 1)
		case ownText:
			c.putText(row, c.texts.add(text[holes[s.from].From-s.before:holes[s.end].End+s.after]))
		case ownWhole:
			v, ok := batch.WholeNumber(text[holes[s.from].From-s.before : holes[s.end].End])
			if !ok {
				c.Fits = false
				continue
			}
			c.putWhole(row, v)
		default:
			c.Fits = false
		}
	}
}

// learn makes a plan of a template's first text.
func (r *memberReader) learn(p *plan, text []byte, holes []template.Hole) {
	p.state = bySteps
	had := make([]bool, len(r.cells))
	if !batch.Object(text, func(f batch.Field) {
		if a, b := within(holes, f.Key, f.KeyEnd); a < b { // another text has another key
			p.state = byReading
		}
		i, ok := r.byKey[string(text[f.Key:f.KeyEnd])]
		if !ok || had[i] || p.state == byReading {
			return // the first of a name counts
		}
		had[i] = true
		if text[f.Value] == 'n' {
			return
		}
		s, ok := r.step(r.cells[i], text, f, holes)
		if !ok {
			p.state = byReading
			return
		}
		s.cell = i
		p.steps = append(p.steps, s)
	}) {
		r.oddKeys = true // so it is in all texts of the template
	}
}

// within are the holes that have bytes from from up to end.
func within(holes []template.Hole, from, end int) (first, behind int) {
	for first < len(holes) && int(holes[first].End) <= from {
		first++
	}
	for behind = first; behind < len(holes) && int(holes[behind].From) < end; behind++ {
	}
	return first, behind
}

// step is how the value of a field is found in all texts of a template. ok is false if
// that can't be said.
func (r *memberReader) step(c *Made, text []byte, f batch.Field, holes []template.Hole) (s step, ok bool) {
	value := text[f.Value:f.End]
	first, behind := within(holes, f.Value, f.End)
	same := first == behind
	switch kind := value[0]; {
	case c.Type == schema.String && (kind != '"' || bytes.IndexByte(value, '\\') >= 0):
		return step{does: unfit}, true
	case c.Type == schema.String && same:
		return step{does: sameText, number: c.texts.add(value[1 : len(value)-1])}, true
	case c.Type == schema.String:
		s = step{does: ownText, from: first, end: behind - 1}
		s.before, s.after = holes[s.from].From-uint32(f.Value+1), uint32(f.End-1)-holes[s.end].End
		return s, true
	case c.Type == schema.Bool && same && (kind == 't' || kind == 'f'):
		if kind == 't' {
			s.number = 1
		}
		s.does = sameBool
		return s, true
	case kind == '"', kind == '{', kind == '[', kind == 't', kind == 'f', c.Type == schema.Bool:
		return step{does: unfit}, true
	case behind-first == 1 && holes[first].Kind == template.Digits && int(holes[first].End) == f.End:
		s = step{does: ownWhole, from: first, end: first, before: holes[first].From - uint32(f.Value)}
		return s, s.before == 0 || s.before == 1 && kind == '-'
	}
	return step{}, false
}

// read reads a text as JSON.
func (r *memberReader) read(row int, text []byte) {
	if !batch.Object(text, func(f batch.Field) {
		i, ok := r.byKey[string(text[f.Key:f.KeyEnd])]
		if !ok || r.cells[i].last > row {
			return
		}
		c, value := r.cells[i], text[f.Value:f.End]
		c.last = row + 1
		switch kind := value[0]; {
		case kind == 'n':
		case c.Type == schema.String && kind == '"' && bytes.IndexByte(value, '\\') < 0:
			c.putText(row, c.texts.add(value[1:len(value)-1]))
		case c.Type == schema.Bool && (kind == 't' || kind == 'f'):
			c.putBool(row, kind == 't')
		case c.Type == schema.Long:
			if v, ok := batch.WholeNumber(value); ok {
				c.putWhole(row, v)
				return
			}
			fallthrough
		default:
			c.Fits = false
		}
	}) {
		r.oddKeys = true
	}
}
