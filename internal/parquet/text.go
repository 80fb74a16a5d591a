package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/apache/arrow-go/v18/arrow/array"
	parquetgo "github.com/apache/arrow-go/v18/parquet"
)

// maxStat is the longest text that is told as a chunk's first or last one.
const maxStat = 4096

// texts writes a column of text: as a dictionary where a sample says that it
// repeats, else as it is.
func (p *Writer) texts(k *chunk, c *cells, column int) error {
	watch := func(size int) func([]byte) {
		if p.o.Texts == nil {
			return nil
		}
		return p.o.Texts(column, size)
	}
	from := make([]textArray, len(c.from))
	for i, a := range c.from {
		from[i] = newTextArray(a.(*array.String))
	}
	if p.o.Dictionary {
		seen, looked := make(map[string]struct{}, sampled), 0
		c.sample(func(record, row int32) { seen[string(from[record].at(row))] = struct{}{}; looked++ })
		if looked > 0 && len(seen)*2 <= looked+1 {
			if done, err := p.dictionaryTexts(k, c, from, watch); done || err != nil {
				return err
			}
		}
	}
	return p.plainTexts(k, c, from, watch)
}

// A textArray is the text of one record.
type textArray struct {
	ends []int32
	text []byte
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

// plainTexts writes each text with its length before it.
func (p *Writer) plainTexts(k *chunk, c *cells, from []textArray, watch func(int) func([]byte)) error {
	size := 0
	for i := range from {
		size += len(from[i].text)
	}
	tell := watch(size)
	var s bound
	rest := *c // what the next page begins with
	rest.rows = 0
	body := p.dictionary.plain[:0]
	values := 0
	flush := func(end []run) error {
		rest.runs = end
		p.page = append(p.levels(p.page[:0], &rest, values), body...)
		if err := p.dataPage(k, rest.rows, parquetgo.Encodings.Plain); err != nil {
			return err
		}
		k.stats.NullCount += int64(rest.rows - values)
		rest.rows, values, body = 0, 0, body[:0]
		return nil
	}
	var runs []run // of the page
	for _, r := range c.runs {
		a, t := c.from[r.record], &from[r.record]
		all := a.NullN() == 0
		begin := r.from
		for row := r.from; row < r.end; row++ {
			rest.rows++
			if all || a.IsValid(int(row)) {
				v := t.at(row)
				s.add(v)
				if tell != nil {
					tell(v)
				}
				body = append(put32(body, uint32(len(v))), v...)
				values++
			}
			if len(body) >= pageSize {
				if err := flush(append(runs, run{r.record, begin, row + 1})); err != nil {
					return err
				}
				runs, begin = runs[:0], row+1
			}
		}
		if c.nulls && begin < r.end {
			runs = append(runs, run{r.record, begin, r.end})
		}
	}
	p.dictionary.plain = body
	s.tell(k)
	if rest.rows == 0 && c.rows > 0 {
		return nil
	}
	return flush(runs)
}

// dictionaryTexts writes every text once and indexes of them, unless the
// dictionary would outgrow a page.
func (p *Writer) dictionaryTexts(k *chunk, c *cells, from []textArray, watch func(int) func([]byte)) (done bool, err error) {
	d := &p.dictionary
	d.reset()
	p.index = p.index[:0]
	c.each(func(record, row int32) bool {
		p.index = append(p.index, d.add(from[record].at(row)))
		return len(d.plain) <= pageSize
	})
	if len(d.plain) > pageSize {
		return false, nil
	}
	k.stats.NullCount = int64(c.rows - len(p.index))
	var s bound
	tell := watch(len(d.plain))
	for at := 0; at < len(d.plain); {
		n := int(binary.LittleEndian.Uint32(d.plain[at:]))
		s.add(d.plain[at+4 : at+4+n])
		if tell != nil {
			tell(d.plain[at+4 : at+4+n])
		}
		at += 4 + n
	}
	s.tell(k)
	return true, p.indexes(k, c, len(d.begin))
}

// A dictionary numbers texts. It keeps them as the dictionary's page has them.
type dictionary struct {
	plain []byte   // length(4) text …
	begin []uint32 // by number: where its length stands
	slots []slot   // open addressing; a power of two
	seed  maphash.Seed
}

// A slot is one text: its number plus one, and bits of its hash.
type slot struct{ number, hash uint32 }

func (d *dictionary) reset() {
	if d.slots == nil {
		d.slots, d.seed = make([]slot, 4096), maphash.MakeSeed()
	}
	clear(d.slots)
	d.plain, d.begin = d.plain[:0], d.begin[:0]
}

// add returns the text's number.
func (d *dictionary) add(text []byte) uint32 {
	hash := maphash.Bytes(d.seed, text)
	short, mask := uint32(hash>>32), uint64(len(d.slots)-1)
	for at := hash & mask; ; at = (at + 1) & mask {
		s := d.slots[at]
		if s.number == 0 {
			number := uint32(len(d.begin))
			d.slots[at] = slot{number + 1, short}
			d.begin = append(d.begin, uint32(len(d.plain)))
			d.plain = append(put32(d.plain, uint32(len(text))), text...)
			if len(d.begin)*2 > len(d.slots) {
				d.grow()
			}
			return number
		}
		if s.hash == short && bytes.Equal(d.text(s.number-1), text) {
			return s.number - 1
		}
	}
}

func (d *dictionary) text(number uint32) []byte {
	at := d.begin[number]
	return d.plain[at+4 : at+4+binary.LittleEndian.Uint32(d.plain[at:])]
}

func (d *dictionary) grow() {
	d.slots = make([]slot, 2*len(d.slots))
	mask := uint64(len(d.slots) - 1)
	for number := range d.begin {
		hash := maphash.Bytes(d.seed, d.text(uint32(number)))
		at := hash & mask
		for d.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = slot{uint32(number) + 1, uint32(hash >> 32)}
	}
}
