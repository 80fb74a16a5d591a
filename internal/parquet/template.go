package parquet

import (
	"slices"

	"github.com/DataDog/zstd"
	parquetgo "github.com/apache/arrow-go/v18/parquet"

	"logkeep/internal/template"
)

// Texts that are not numbered may be stored by templates (package template), if
// Options.Templates allows: a form of our own, that no other reader of Parquet knows.
// The dictionary page has the templates; a data page has levels and a template page,
// and is packed with zstd if its header tells of two sizes. The number of the form is
// on disk.
const templates = parquetgo.Encoding(64)

// What a column is like that may be stored by templates.
const (
	leastRows = Stripe
	leastText = 8  // bytes of a text, on average: of shorter ones little can be in common
	gain      = 16 // what is stored is smaller than packed texts by one part of so many
	packGain  = 8  // and so is what is packed once more
)

// A weave is a column while it is stored by templates.
type weave struct {
	coder template.Coder
	tried bool
	packs bool // pages are packed
	ratio float64
	fabric
}

// A fabric is a column that is stored by templates, before it is written.
type fabric struct {
	plain      int64  // bytes of the texts' pages as they would be unpacked and plain
	stored     []byte // pages as they will lie in the file, one after another
	sizes      []int  // of them
	rows       []int
	dictionary []byte
	templates  int
	bound      bound
	nulls      int64
}

// templateTexts stores the column by templates in p.weave; nothing is written. It
// reports false if packing the texts is better, as far as samples and the first page
// tell; then the texts of the first rows, so many, are told. take, if it is not nil, is
// given each row's text when the coder has it.
func (p *Writer) templateTexts(c *cells, from []textArray, tell func(text []byte, stripe int), take func(row int, text []byte)) (done bool, told int, err error) {
	if !p.promising(c, from) {
		return false, 0, nil
	}
	w := &p.weave
	w.coder.Reset()
	w.tried, w.packs, w.plain = false, false, 0
	w.stored, w.sizes, w.rows = w.stored[:0], w.sizes[:0], w.rows[:0]
	var s bound
	page := cells{holes: c.holes, nullable: c.nullable, nulls: c.nulls}
	rows := 0
	for left, skip := c.runs, int32(0); ; {
		_, left, skip = p.pageOf(&page, rows, left, skip, from)
		n := page.values()
		p.page = p.levels(p.page[:0], &page, n)
		levels, size, row := len(p.page), 0, rows
		for _, r := range page.runs {
			t, h := &from[r.record], &c.holes[r.record]
			for i := range r.end - r.from {
				if !h.has(r.from + i) {
					continue
				}
				v := t.at(r.from + i)
				s.add(v)
				size += 4 + len(v)
				w.coder.Add(v)
				if take != nil {
					take(row+int(i), v)
				}
				if stripe := (row + int(i)) / Stripe; tell != nil && p.o.Words != nil {
					words, number := w.coder.Words()
					p.o.Words(v, words, number, stripe)
				} else if tell != nil {
					tell(v, stripe)
				}
			}
			row += int(r.end - r.from)
		}
		rows += page.rows
		p.page = w.coder.Page(p.page)
		if !w.tried {
			if better, err := p.try(&page, from, levels+size); !better || err != nil {
				return false, rows, err
			}
		}
		if err := p.weavePage(page.rows, levels+size); err != nil {
			return false, rows, err
		}
		if len(left) == 0 {
			break
		}
	}
	w.dictionary, w.templates, w.bound = w.coder.Dictionary(w.dictionary[:0]), w.coder.Templates(), s
	packed, err := zstd.CompressLevel(nil, w.dictionary, level)
	if err != nil {
		return false, rows, err
	}
	if float64(len(w.stored)+len(packed)) > w.ratio*float64(w.plain) {
		return false, rows, nil
	}
	return true, rows, nil
}

// promising looks at some texts: whether they are long enough, and few templates are
// among them.
func (p *Writer) promising(c *cells, from []textArray) bool {
	if c.rows < leastRows {
		return false
	}
	coder := &p.weave.coder
	coder.Reset()
	looked, size := 0, 0
	c.sample(p.order, func(record, row int32) {
		v := from[record].at(row)
		coder.Add(v)
		looked, size = looked+1, size+len(v)
	})
	return looked >= sampled/4 && size >= leastText*looked && repeats(coder.Templates(), looked) && coder.Odd() <= looked/8
}

// try packs the first page of texts as it would be without templates, of so many
// bytes, and compares. p.page has the page with templates.
func (p *Writer) try(page *cells, from []textArray, size int) (better bool, err error) {
	w := &p.weave
	w.tried = true
	plain := make([]byte, 0, size)
	for _, r := range page.runs {
		t, h := &from[r.record], &page.holes[r.record]
		for row := r.from; row < r.end; row++ {
			if h.has(row) {
				v := t.at(row)
				plain = append(put32(plain, uint32(len(v))), v...)
			}
		}
	}
	if p.packed, err = zstd.CompressLevel(p.packed[:cap(p.packed)], plain, level); err != nil {
		return false, err
	}
	before := len(p.packed) * (gain - 1) / gain
	w.ratio = float64(len(p.packed)) / float64(size)
	if p.packed, err = zstd.CompressLevel(p.packed[:cap(p.packed)], p.page, level); err != nil {
		return false, err
	}
	w.packs = len(p.packed) < len(p.page)*(packGain-1)/packGain
	if w.packs {
		return len(p.packed) < before, nil
	}
	return len(p.page) < before, nil
}

// weavePage keeps p.page, a page of so many rows whose texts, plain, are so many bytes.
func (p *Writer) weavePage(rows, plain int) (err error) {
	w, body := &p.weave, p.page
	if w.packs {
		if p.packed, err = zstd.CompressLevel(p.packed[:cap(p.packed)], body, level); err != nil {
			return err
		}
		if len(p.packed) < len(body) {
			body = p.packed
		}
	}
	p.header = appendHeader(p.header[:0], typeData, plain, plain, rows, parquetgo.Encodings.Plain)
	w.plain += int64(len(p.header) + plain)
	p.header = appendHeader(p.header[:0], typeData, len(p.page), len(body), rows, templates)
	if len(w.stored) == 0 { // room for all pages, as if they were like the first
		w.stored = slices.Grow(w.stored, (len(p.header)+len(body))*(p.order.rows/rows+1))
	}
	w.stored = append(append(w.stored, p.header...), body...)
	w.sizes, w.rows = append(w.sizes, len(p.header)+len(body)), append(w.rows, rows)
	return nil
}

// weft writes the column that is stored.
func (p *Writer) weft(k *chunk, w *fabric) error {
	w.bound.tell(k)
	if err := p.dictionaryPage(k, w.dictionary, w.templates, templates); err != nil {
		return err
	}
	k.info.DataPageOffset = p.at
	at := p.at
	for i, size := range w.sizes {
		k.pages = append(k.pages, Page{at, int64(size), k.rows, w.rows[i]})
		at, k.rows = at+int64(size), k.rows+w.rows[i]
	}
	k.counts.DataEncodingStats[templates] += int32(len(w.sizes))
	// What is unpacked of it is what Desk.Plain makes of it.
	k.info.CompressedSize += int64(len(w.stored))
	k.info.UncompressedSize = w.plain
	p.woven = true
	return p.write(w.stored)
}
