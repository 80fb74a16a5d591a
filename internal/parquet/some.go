package parquet

import "logkeep/internal/template"

// Where few rows of a page of templates are wanted, what is read of it are its
// beginning, which tells which templates its rows have, and of their payloads as much as
// has these rows: whole sealed chunks, each once. That pays for a page alone: of pages
// one after another a chunk has the end of one and the beginning of the next.

// fewRows is how many rows of a page are few: of more nearly each has a chunk of its own.
const fewRows = 2

// someOf is what is read of a page of templates, chunk by chunk.
type someOf struct {
	off   int64  // in the file, of what body has
	size  int    // of the body
	body  []byte // and room behind it
	there []bool // by chunk of the file, from the one that has off on
}

// openFor is openPage for who wants some rows of it, numbered from base.
func (c *Column) openFor(number, base int, of Rows) error {
	p, b := c.pages[number], &c.body
	if !c.Woven || of.CountRange(max(p.First-base, 0), min(p.First+p.Rows-base, len(of)*64)) > fewRows {
		return c.openPage(number)
	}
	if b.number != number && number != c.last+1 {
		if _, err := c.begin(number); err != nil {
			return err
		}
	}
	switch {
	case b.number != number || b.begun && !b.alone:
		return c.openPage(number)
	case b.begun:
		return c.openSome()
	}
	return nil
}

// openSome makes a page good of which the beginning was read: what else is looked at
// is read then.
func (c *Column) openSome() error {
	b, p := &c.body, c.pages[c.body.number]
	if _, err := c.bytes(p.Offset, beginning, 0); err != nil { // is there
		return err
	}
	n := int(p.Size) - b.levels
	room, err := c.d.take(n + template.Slack)
	if err != nil {
		return err
	}
	s := &someOf{off: p.Offset + int64(b.levels), size: n, body: room}
	s.there = make([]bool, s.chunk(n-1)+1)
	have := copy(room[:n], c.window[s.off-c.at:]) // may be more than the beginning
	for i := range s.there {
		_, end := s.span(i)
		s.there[i] = end <= have
	}
	b.raw, b.lent, b.begun, b.some = room, false, false, true
	b.page.Rest(room, func(from, end int) error { return c.readSome(s, from, end) })
	return nil
}

// chunk is which chunk has a byte of the body.
func (s *someOf) chunk(at int) int { return int((s.off+int64(at))/together - s.off/together) }

// span is which bytes of the body a chunk has.
func (s *someOf) span(chunk int) (from, end int) {
	begin := (s.off/together+int64(chunk))*together - s.off
	return int(max(begin, 0)), int(min(begin+together, int64(s.size)))
}

// readSome reads the chunks that have some bytes of the body, as far as they are not
// there.
func (c *Column) readSome(s *someOf, from, end int) error {
	if from >= end {
		return nil
	}
	last := s.chunk(end - 1)
	for i := s.chunk(from); i <= last; i++ {
		if s.there[i] {
			continue
		}
		begin, end := s.span(i)
		for s.there[i] = true; i < last && !s.there[i+1]; i++ {
			s.there[i+1] = true
			_, end = s.span(i + 1)
		}
		if err := readFull(c.From, s.body[begin:end], s.off+int64(begin)); err != nil {
			return err
		}
		c.d.Read += int64(end - begin)
	}
	return nil
}
