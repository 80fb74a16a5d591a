package parquet

import "logkeep/internal/template"

// Of texts that are stored by templates it is known of most, without their being made,
// whether a search finds them. So rows may be counted by what searches find: a row's
// code has a bit for each search, and rows without a value have the code above all.

// mostSearches are what rows may be told apart by at once.
const mostSearches = 8

// Looks is how many codes there are for what searches find, each of which looks for one
// part. A column that is not stored by templates, or has no template of which all texts
// have the part, is ErrForm: others than the last would have to be made.
func (c *Column) Looks(of []*Search) (codes int, err error) {
	if has, err := c.hasDictionary(); err != nil {
		return 0, err
	} else if !has || len(of) > mostSearches {
		return 0, ErrForm
	}
	if err := c.readTemplates(); err != nil {
		return 0, err
	}
	for _, s := range of {
		if !c.tells(s) {
			return 0, ErrForm
		}
	}
	codes = 1 << len(of)
	if c.Nullable {
		codes++
	}
	return codes, nil
}

// tells reports whether some template knows of its texts, or by patterns of each of them,
// whether the search is to find them, and may be to find some.
func (c *Column) tells(s *Search) bool {
	for i := range c.dict.templates.Len() {
		if k := c.told(s, i); k.sure && k.answer != template.Never {
			return true
		}
	}
	return false
}

// Looked are the codes of the rows of the page that has a row, of which first is the
// number of the first: what Looks counts. They are right, not only likely: a page with a
// text of which that can't be said is ErrForm. They are valid until another page is opened.
func (c *Column) Looked(row int, of []*Search) (first int, codes []uint32, err error) {
	number, err := c.know(row)
	if err != nil {
		return 0, nil, err
	}
	if err := c.beginPage(number); err != nil {
		return 0, nil, err
	}
	b := &c.body
	if len(b.codes) == b.rows {
		return b.first, b.codes, nil
	}
	if b.codes, err = room(c.d, b.codes, b.rows); err != nil {
		return 0, nil, err
	}
	codes = b.codes[:b.rows]
	clear(codes)
	for i, s := range of {
		if err := c.look(b, s, codes, 1<<i); err != nil {
			return 0, nil, err
		}
	}
	if b.present != nil {
		for at := range codes {
			if !b.present.Has(at) {
				codes[at] = 1 << len(of)
			}
		}
	}
	b.codes = codes
	return b.first, codes, nil
}

// look adds a bit to the codes of the rows that a search finds.
func (c *Column) look(b *body, s *Search, codes []uint32, bit uint32) error {
	if b.form != isTemplates {
		return ErrForm
	}
	found := NewRows(b.rows)
	sure, err := c.findWoven(b, s, found)
	if err != nil {
		return err
	}
	if !sure && found.Count() > 0 {
		return ErrForm // a search finds all that there is, and may find more
	}
	for row := found.Next(0, b.rows); row < b.rows; row = found.Next(row+1, b.rows) {
		codes[row] |= bit
	}
	return nil
}

// Text is that of a row; nil if it has none.
func (c *Column) Text(row int) ([]byte, error) {
	one, cells := NewRows(1), c.NewCells(1)
	one.Add(0)
	if err := c.Pick(row, one, cells); err != nil || cells.nulls > 0 {
		return nil, err
	}
	return cells.data, nil
}

// has tells of a template whether its texts have all of a search's parts.
func (s *Search) has(t *template.Template) template.Answer {
	answer := template.Always
	for _, p := range s.parts {
		answer = min(answer, t.Has(p.forTemplates()))
	}
	return answer
}
