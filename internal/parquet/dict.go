package parquet

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	parquetgo "github.com/apache/arrow-go/v18/parquet"

	"logkeep/internal/template"
)

// A dict is a chunk's dictionary. Its texts stand in the order in which they came,
// so that those which come often are among the first: no more is opened and unpacked
// than the last one that is asked for needs.
type dict struct {
	page   Page             // of size 0: there is none
	values int              // as its header says
	raw    []byte           // values as they are, as far as they are unpacked
	begin  []uint32         // of texts: where each's length stands, as far as they are known
	end    int              // behind the last known one
	found  map[*Search]Rows // of its texts, by what looked for them

	known    bool // the header was read
	packed   int  // bytes before the body
	body     int  // bytes of the body, packed
	size     int  // and unpacked
	frame    frame
	looked   bool      // for sections
	sections []section // nil: it is not in sections, or all of it is known; else raw and begin have what the known ones have

	templates *template.Dictionary // instead of values
	answers   map[*Search][]told   // of all templates, by what looks for texts
}

// hasDictionary reports whether the chunk has one, with which it begins.
func (c *Column) hasDictionary() (bool, error) {
	for c.dict.page.Size == 0 && c.rows == 0 && c.Rows > 0 {
		if err := c.nextPage(); err != nil {
			return false, err
		}
	}
	return c.dict.page.Size > 0, nil
}

// openDictionary reads the header of the chunk's dictionary, unless it was read.
func (c *Column) openDictionary() error {
	d := &c.dict
	if d.known {
		return nil
	}
	if d.page.Size == 0 {
		return ErrDamaged
	}
	var h header
	length, ok := 0, false
	for size := int64(64); !ok; size *= 4 {
		b, err := c.bytes(d.page.Offset, int(min(size, d.page.Size)), 0)
		if err != nil {
			return err
		}
		if h, length, ok = readHeader(b); !ok && (size >= d.page.Size || size > longHeader) {
			return ErrDamaged
		}
	}
	if h.kind != typeDictionary || int64(length)+h.packed != d.page.Size || !c.Packed && h.packed != h.size {
		return ErrDamaged
	}
	if encoding := parquetgo.Encoding(h.encoding); encoding != parquetgo.Encodings.Plain && encoding != parquetgo.Encodings.PlainDict || c.Type == arrow.BOOL || h.size > mostRead {
		return ErrForm
	}
	if width := c.width(); width == 0 && h.values > h.size/4 || width > 0 && h.values > h.size*8/int64(width) {
		return ErrDamaged
	}
	d.values, d.packed, d.body, d.size = int(h.values), length, int(h.packed), int(h.size)
	raw, err := c.d.take(d.size)
	if err != nil {
		return err
	}
	d.raw, d.known = raw[:0], true
	return nil
}

// reach makes values known up to that of a number, which is one of the dictionary.
func (c *Column) reach(number int) error {
	d := &c.dict
	if err := c.openDictionary(); err != nil {
		return err
	}
	if cut, err := c.inSections(); cut || err != nil {
		if err != nil {
			return err
		}
		return c.reachSection(number)
	}
	for {
		if width := c.width() / 8; width > 0 && (number+1)*width <= len(d.raw) {
			return nil
		} else if width == 0 {
			if err := d.walk(c.d, number); err != nil || number < len(d.begin) {
				return err
			}
		}
		if len(d.raw) == d.size {
			return ErrDamaged
		}
		// As much as the values take that are long as others are, and twice as much
		// as before if that is not enough.
		want := int(int64(d.size) * int64(number+1) / int64(d.values))
		if err := c.unpackDictionary(max(want+want/8, 2*len(d.raw))); err != nil {
			return err
		}
	}
}

// reachAll makes all values known.
func (c *Column) reachAll() error {
	if err := c.openDictionary(); err != nil || c.dict.values == 0 {
		return err
	}
	if cut, err := c.inSections(); err != nil {
		return err
	} else if cut {
		if err := c.reachSections(); err != nil {
			return err
		}
	}
	if err := c.reach(c.dict.values - 1); err != nil {
		return err
	}
	if c.Type == arrow.STRING && (len(c.dict.raw) != c.dict.size || c.dict.end != c.dict.size) {
		return ErrDamaged
	}
	return nil
}

// walk learns where texts begin, up to a number, as far as they are unpacked.
func (d *dict) walk(desk *Desk, number int) (err error) {
	if d.begin, err = room(desk, d.begin, number+1); err != nil {
		return err
	}
	for len(d.begin) <= number {
		end, ok := textEnd(d.raw, d.end)
		if !ok {
			return nil // not there yet, or damaged: reach knows
		}
		d.begin = append(d.begin, uint32(d.end))
		d.end = end
	}
	return nil
}

// text is a text that is known.
func (d *dict) text(number uint32) []byte {
	from := d.begin[number]
	return d.raw[from+4:][:binary.LittleEndian.Uint32(d.raw[from:])]
}

// unpackDictionary unpacks at least so many bytes of the dictionary, or all.
func (c *Column) unpackDictionary(want int) error {
	d := &c.dict
	at, to := d.page.Offset+int64(d.packed), d.raw[:d.size]
	blocks := max(want/zstdBlock, len(d.frame.ends)) + 1
	if c.Packed && d.frame.first == 0 && d.size > zstdBlock {
		b, err := c.bytes(at, min(d.body, longest), 0)
		if err != nil {
			return err
		}
		d.frame = openFrame(b)
	}
	if d.frame.first == 0 || blocks*zstdBlock >= d.size {
		b, err := c.bytes(at, d.body, 0)
		if err != nil {
			return err
		}
		if !c.Packed {
			copy(to, b)
		} else if err := c.d.unzstd(to, b); err != nil {
			return err
		}
		d.raw = to
		return nil
	}
	b, err := c.bytes(at, min(d.body, max(d.frame.end, together)), 0)
	for err == nil && len(d.frame.ends) < blocks && !d.frame.whole {
		var need int
		if need, err = d.frame.next(b); need == 0 {
			continue
		}
		if need > d.body {
			return ErrDamaged
		}
		b, err = c.bytes(at, min(d.body, max(need, 2*len(b))), 0)
	}
	if err != nil {
		return err
	}
	if d.frame.end > d.body {
		return ErrDamaged
	}
	if b, err = c.bytes(at, d.frame.end, 0); err != nil {
		return err
	}
	n, err := d.frame.unpack(c.d, to, b)
	if err != nil {
		return err
	}
	if d.frame.whole && n != d.size {
		return ErrDamaged
	}
	d.raw = to[:n]
	return nil
}
