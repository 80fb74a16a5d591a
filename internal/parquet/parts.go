package parquet

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/DataDog/zstd"
	"github.com/apache/arrow-go/v18/arrow"
)

// A large dictionary of texts is packed in parts, each a frame of zstd by itself, so
// that for one text one of them is opened and unpacked. Before them stands a frame
// that every reader of zstd passes over (RFC 8878, 3.1.2) and that tells ours where the
// parts are; to all others the page is one of several frames.
//
//	body  = index part…
//	index = magic(4) size(4) {packed unpacked values}…    of each part; varints
//
// A part has whole texts.
const (
	partsMagic  = 0x184d2a5c
	partsHead   = 8
	textsOfPart = 16 << 10 // of the texts of a part with their lengths, about: a few times less is what it takes packed
	leastParts  = 64 << 10 // of a dictionary that is packed in parts
	mostParted  = 64 << 10 // bytes of an index that is read
)

// A part is where a part of a dictionary is.
type part struct {
	at, packed int // in the page's body
	from, size int // in the texts
	first, end int // numbers of its texts
	known      bool
}

// packParts appends a dictionary of texts, packed in parts.
func packParts(b, plain []byte) ([]byte, error) {
	z := zstd.NewCtx()
	var index, packed, all []byte
	for at := 0; at < len(plain); {
		end, values := at, 0
		for end < len(plain) && end-at < textsOfPart {
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
	b = put32(put32(b, partsMagic), uint32(len(index)))
	return append(append(b, index...), all...), nil
}

// inParts reports whether the dictionary is packed in parts, and finds them.
func (c *Column) inParts() (bool, error) {
	d := &c.dict
	if d.looked || !c.Packed || c.Type != arrow.STRING || d.body <= partsHead {
		return d.parts != nil, nil
	}
	at := d.page.Offset + int64(d.packed)
	b, err := c.bytes(at, partsHead, 0)
	if err != nil {
		return false, err
	}
	d.looked = true
	if binary.LittleEndian.Uint32(b) != partsMagic {
		return false, nil
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > mostParted || int(n) > d.body-partsHead {
		return false, ErrDamaged
	}
	if b, err = c.bytes(at, partsHead+int(n), 0); err != nil {
		return false, err
	}
	parts, ok := readParts(b[partsHead:], d.body, d.size, d.values)
	if !ok {
		return false, ErrDamaged
	}
	if d.begin, err = room(c.d, d.begin, d.values); err != nil {
		return false, err
	}
	d.parts, d.begin, d.raw = parts, d.begin[:d.values], d.raw[:d.size]
	return true, nil
}

// readParts reads the index of a dictionary of so many bytes, packed and unpacked, and
// values: all of them are in parts.
func readParts(b []byte, body, size, values int) (parts []part, ok bool) {
	next := part{at: partsHead + len(b)}
	parts = make([]part, 0, len(b)/3)
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
		parts = append(parts, next)
		next = part{at: next.at + next.packed, from: next.from + next.size, first: next.end}
	}
	return parts, next.at == body && next.from == size && next.first == values
}

// reachPart makes the values of the part known that has a number.
func (c *Column) reachPart(number int) error {
	d := &c.dict
	i := sort.Search(len(d.parts), func(i int) bool { return d.parts[i].end > number })
	if i == len(d.parts) {
		return ErrDamaged
	}
	p := &d.parts[i]
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

// reachParts makes all values known of a dictionary in parts: it is unpacked at once,
// and goes on as one that is not in parts.
func (c *Column) reachParts() error {
	d := &c.dict
	d.parts, d.raw, d.begin, d.end = nil, d.raw[:0], d.begin[:0], 0
	return c.unpackDictionary(d.size)
}
