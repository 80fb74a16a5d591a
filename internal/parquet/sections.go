package parquet

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/DataDog/zstd"
	"github.com/apache/arrow-go/v18/arrow"
)

// A large dictionary of texts is packed in sections, each a frame of zstd by itself, so
// that for one text one of them is opened and unpacked. Before them stands a frame
// that every reader of zstd passes over (RFC 8878, 3.1.2) and that tells ours where the
// sections are; to all others the page is one of several frames.
//
//	body  = index section…
//	index = magic(4) size(4) {packed unpacked values}…    of each section; varints
//
// A section has whole texts.
const (
	sectionsMagic  = 0x184d2a5c
	sectionsHead   = 8
	textsOfSection = 16 << 10 // of the texts of a section with their lengths, about: packed it is a fifth to a third
	leastSections  = 64 << 10 // of a dictionary that is packed in sections
	mostIndex      = 64 << 10 // bytes of an index that is read
)

// A section is where one is.
type section struct {
	at, packed int // in the page's body
	from, size int // in the texts
	first, end int // numbers of its texts
	known      bool
}

// packSections appends a dictionary of texts, packed in sections.
func packSections(b, plain []byte) ([]byte, error) {
	z := zstd.NewCtx()
	var index, packed, all []byte
	for at := 0; at < len(plain); {
		end, values := at, 0
		for end < len(plain) && end-at < textsOfSection {
			end += 4 + int(binary.LittleEndian.Uint32(plain[end:]))
			values++
		}
		var err error
		if packed, err = z.CompressLevel(packed[:cap(packed)], plain[at:end], level); err != nil {
			return nil, fmt.Errorf("compress a dictionary: %w", err)
		}
		for _, n := range [...]int{len(packed), end - at, values} {
			index = binary.AppendUvarint(index, uint64(n))
		}
		all, at = append(all, packed...), end
	}
	b = put32(put32(b, sectionsMagic), uint32(len(index)))
	return append(append(b, index...), all...), nil
}

// inSections reports whether the dictionary is packed in sections, and finds them.
func (c *Column) inSections() (bool, error) {
	d := &c.dict
	if d.looked || !c.Packed || c.Type != arrow.STRING || d.body <= sectionsHead {
		return d.sections != nil, nil
	}
	at := d.page.Offset + int64(d.packed)
	b, err := c.bytes(at, sectionsHead, 0)
	if err != nil {
		return false, err
	}
	d.looked = true
	if binary.LittleEndian.Uint32(b) != sectionsMagic {
		return false, nil
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > mostIndex || int(n) > d.body-sectionsHead {
		return false, ErrDamaged
	}
	if b, err = c.bytes(at, sectionsHead+int(n), 0); err != nil {
		return false, err
	}
	sections, ok := readSections(b[sectionsHead:], d.body, d.size, d.values)
	if !ok {
		return false, ErrDamaged
	}
	if d.begin, err = room(c.d, d.begin, d.values); err != nil {
		return false, err
	}
	d.sections, d.begin, d.raw = sections, d.begin[:d.values], d.raw[:d.size]
	return true, nil
}

// readSections reads the index of a dictionary of so many bytes, packed and unpacked, and
// values: all of them are in sections.
func readSections(b []byte, body, size, values int) (sections []section, ok bool) {
	next := section{at: sectionsHead + len(b)}
	sections = make([]section, 0, len(b)/3)
	for len(b) > 0 {
		var of [3]uint64
		for i := range of {
			n := 0
			if of[i], n = binary.Uvarint(b); n <= 0 {
				return nil, false
			}
			b = b[n:]
		}
		if of[0] > uint64(body-next.at) || of[1] > uint64(size-next.from) || of[2] > uint64(values-next.first) || of[2] == 0 || of[2] > of[1]/4 {
			return nil, false
		}
		next.packed, next.size, next.end = int(of[0]), int(of[1]), next.first+int(of[2])
		sections = append(sections, next)
		next = section{at: next.at + next.packed, from: next.from + next.size, first: next.end}
	}
	return sections, next.at == body && next.from == size && next.first == values
}

// reachSection makes the values of the section known that has a number.
func (c *Column) reachSection(number int) error {
	d := &c.dict
	i := sort.Search(len(d.sections), func(i int) bool { return d.sections[i].end > number })
	if i == len(d.sections) {
		return ErrDamaged
	}
	p := &d.sections[i]
	if p.known {
		return nil
	}
	b, err := c.bytes(d.page.Offset+int64(d.packed+p.at), p.packed, 0)
	if err != nil {
		return err
	}
	texts := d.raw[:p.from+p.size]
	if err := c.d.unzstd(texts[p.from:], b); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	at := p.from
	for number := p.first; number < p.end; number++ {
		end, ok := textEnd(texts, at)
		if !ok {
			return ErrDamaged
		}
		d.begin[number], at = uint32(at), end
	}
	if at != len(texts) {
		return ErrDamaged
	}
	p.known = true
	return nil
}

// reachSections makes all values known of a dictionary in sections: it is unpacked at once,
// and goes on as one that is not in sections.
func (c *Column) reachSections() error {
	d := &c.dict
	d.sections, d.raw, d.begin, d.end = nil, d.raw[:0], d.begin[:0], 0
	return c.unpackDictionary(d.size)
}
