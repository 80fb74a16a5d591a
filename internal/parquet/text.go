package parquet

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// maxStat is the longest text that is told as a chunk's first or last one.
const maxStat = 4096

// texts writes a column of text: as a dictionary where a sample says that it
// repeats, by templates where that is smaller, else as it is.
func (p *Writer) texts(k *chunk, c *cells, records []arrow.Array, column int) error {
	var tell func(text []byte, stripe int)
	if p.o.Texts != nil {
		tell = p.o.Texts(column)
	}
	from := textArrays(records)
	k.stats.NullCount = int64(c.rows - c.values())
	if p.o.Dictionary && p.repeating(c, from) {
		if done, err := p.dictionaryTexts(k, c, from, tell); done || err != nil {
			return err
		}
	}
	told := 0
	if p.o.Templates && p.o.Compress {
		done, rows, err := p.templateTexts(c, from, tell, nil)
		if err != nil {
			return err
		}
		if done {
			return p.weft(k, &p.weave.fabric)
		}
		told = rows
	}
	return p.plainTexts(k, c, from, told, tell)
}

// repeating reports whether texts repeat, as far as a sample tells.
func (p *Writer) repeating(c *cells, from []textArray) bool {
	d, looked := &p.dictionary, 0
	d.reset()
	c.sample(p.order, func(record, row int32) { d.add(from[record].at(row)); looked++ })
	return repeats(len(d.begin), looked)
}

// A textArray is the text of one record.
type textArray struct {
	ends []int32
	text []byte
}

func textArrays(records []arrow.Array) []textArray {
	from := make([]textArray, len(records))
	for i, a := range records {
		from[i] = newTextArray(a.(*array.String))
	}
	return from
}

func newTextArray(a *array.String) textArray {
	t := textArray{ends: a.ValueOffsets()}
	if b := a.Data().Buffers()[2]; b != nil {
		t.text = b.Bytes()
	}
	return t
}

func (t *textArray) at(row int32) []byte { return t.text[t.ends[row]:t.ends[row+1]] }

// A bound keeps the first and the last text in order.
type bound struct {
	any          bool
	lo, hi       []byte
	loKey, hiKey uint64 // their first eight bytes, which tell most texts apart
}

// prefix is the first eight bytes as a number that is in order as they are.
func prefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var short [8]byte
	copy(short[:], b)
	return binary.BigEndian.Uint64(short[:])
}

func (s *bound) add(b []byte) {
	key := prefix(b)
	if !s.any {
		s.any, s.lo, s.hi, s.loKey, s.hiKey = true, b, b, key, key
		return
	}
	if key <= s.loKey && bytes.Compare(b, s.lo) < 0 {
		s.lo, s.loKey = b, key
	}
	if key >= s.hiKey && bytes.Compare(b, s.hi) > 0 {
		s.hi, s.hiKey = b, key
	}
}

// tell sets the statistics. Texts too long for them are left out.
func (s *bound) tell(k *chunk) {
	if s.any && len(s.lo) <= maxStat && len(s.hi) <= maxStat {
		k.stats.HasMin, k.stats.HasMax = true, true
		k.stats.Min, k.stats.Max = bytes.Clone(s.lo), bytes.Clone(s.hi)
	}
}

// plainTexts writes each text with its length before it. Those of the first rows, so
// many, are told already.
func (p *Writer) plainTexts(k *chunk, c *cells, from []textArray, told int, tell func(text []byte, stripe int)) error {
	var s bound
	page := cells{holes: c.holes, nullable: c.nullable, nulls: c.nulls}
	for left, skip := c.runs, int32(0); ; {
		size := 0
		size, left, skip = p.pageOf(&page, k.rows, left, skip, from)
		n := page.values()
		b := slices.Grow(p.levels(p.page[:0], &page, n), size)
		row := k.rows
		for _, r := range page.runs {
			t, h := &from[r.record], &c.holes[r.record]
			ends := t.ends[r.from : r.end+1]
			for i, at := range ends[:len(ends)-1] {
				if !h.has(r.from + int32(i)) {
					continue
				}
				v := t.text[at:ends[i+1]]
				s.add(v)
				if tell != nil && row+i >= told {
					tell(v, (row+i)/Stripe)
				}
				b = append(put32(b, uint32(len(v))), v...)
			}
			row += int(r.end - r.from)
		}
		p.page = b
		if err := p.dataPage(k, page.rows, parquetgo.Encodings.Plain); err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
	}
	s.tell(k)
	return nil
}

// pageOf fills a page, that begins with the group's row of this number, with the
// runs of left, of the first of which skip rows are in pages already: until a stripe
// ends and it has leastPage, or it has mostPage. size is how many bytes the texts
// take at most.
func (p *Writer) pageOf(page *cells, first int, left []run, skip int32, from []textArray) (size int, rest []run, skipped int32) {
	rows := 0
	if skip == 0 { // mostly whole runs fill it
		n := 0
		for n < len(left) && size < mostPage {
			r := &left[n]
			ends := from[r.record].ends
			size += int(ends[r.end]-ends[r.from]) + 4*int(r.end-r.from)
			rows += int(r.end - r.from)
			if n++; (first+rows)%Stripe == 0 && size >= leastPage {
				break
			}
		}
		if size < mostPage {
			page.runs, page.rows = left[:n], rows
			return size, left[n:], 0
		}
		size, rows = 0, 0
	}
	cut := p.cut[:0]
	for len(left) > 0 {
		r := left[0]
		r.from += skip
		r.end = min(r.end, r.from+int32(Stripe-(first+rows)%Stripe))
		ends := from[r.record].ends
		if all := int(ends[r.end]-ends[r.from]) + 4*int(r.end-r.from); size+all <= mostPage {
			size += all
		} else {
			for row := r.from; row < r.end; row++ {
				if size += int(ends[row+1]-ends[row]) + 4; size >= mostPage {
					r.end = row + 1
				}
			}
		}
		cut = append(cut, r)
		rows += int(r.end - r.from)
		if skip = 0; r.end < left[0].end {
			skip = r.end - left[0].from
		} else {
			left = left[1:]
		}
		if size >= mostPage || (first+rows)%Stripe == 0 && size >= leastPage {
			break
		}
	}
	p.cut, page.runs, page.rows = cut, cut, rows
	return size, left, skip
}

// dictionaryTexts writes every text once and indexes of them, unless the
// dictionary would outgrow a page.
func (p *Writer) dictionaryTexts(k *chunk, c *cells, from []textArray, tell func(text []byte, stripe int)) (done bool, err error) {
	d := &p.dictionary
	d.reset()
	p.index = slices.Grow(p.index[:0], c.rows)
	for _, r := range c.runs {
		t, h := &from[r.record], &c.holes[r.record]
		for row := r.from; row < r.end; row++ {
			if !h.has(row) {
				continue
			}
			p.index = append(p.index, d.add(t.at(row)))
			if len(d.plain) > mostPage {
				return false, nil
			}
		}
	}
	var s bound
	for at := 0; at < len(d.plain); {
		n := int(binary.LittleEndian.Uint32(d.plain[at:]))
		s.add(d.plain[at+4 : at+4+n])
		if tell != nil {
			tell(d.plain[at+4:at+4+n], AnyStripe)
		}
		at += 4 + n
	}
	s.tell(k)
	k.texts = true
	return true, p.indexes(k, c, len(d.begin))
}
