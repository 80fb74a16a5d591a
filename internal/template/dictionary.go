package template

import "slices"

// A Dictionary has the templates of a column. Each is made when it is asked for, for a
// page has few of them. It is not safe for concurrent use.
type Dictionary struct {
	text []byte // as it is stored, with slack behind it
	at   []int  // where templates begin, and the last one ends
	most []int  // bytes of a text at most; of Any and Word, their bytes come in addition
	made []*Template
}

// Len counts the templates.
func (d *Dictionary) Len() int { return len(d.made) }

// Raw is a template as it is stored, by its number. The caller must not change it.
func (d *Dictionary) Raw(number int) []byte { return d.text[d.at[number]:d.at[number+1]] }

// Template is one of the templates, by its number. The caller must not change it.
func (d *Dictionary) Template(number int) *Template {
	if t := d.made[number]; t != nil {
		return t
	}
	raw := d.Raw(number)
	at := d.at[number]
	next := func() (v int) { // of what Parse has looked at
		n, end := uvarint(d.text, at)
		at = end
		return int(n)
	}
	holes := next()
	literals, kinds := make([][]byte, 0, holes+1), make([]Kind, 0, holes)
	for {
		size := next()
		literals = append(literals, d.text[at:at+size])
		if at += size; len(kinds) == holes {
			break
		}
		kinds = append(kinds, Kind(next()))
	}
	d.made[number] = &Template{raw, literals, kinds, d.most[number]}
	return d.made[number]
}

// Parse reads a dictionary. It keeps nothing of b.
func Parse(b []byte) (*Dictionary, error) {
	d := &Dictionary{}
	if err := d.Parse(b); err != nil {
		return nil, err
	}
	return d, nil
}

// Parse makes of a dictionary, which nobody uses any more, nor its templates, the one
// that b has, in the room that it has. It keeps nothing of b.
func (d *Dictionary) Parse(b []byte) error {
	n, at := uvarint(b, 0)
	// A template takes two bytes at least, a hole two more.
	if at < 0 || n == 0 || n > MostTemplates || n > uint64(len(b)) {
		return ErrDamaged
	}
	d.text = append(slices.Grow(d.text[:0], len(b)+slack), b...)
	d.at, d.most = slices.Grow(d.at[:0], int(n)+1), slices.Grow(d.most[:0], int(n))
	d.made = slices.Grow(d.made[:0], int(n))[:n]
	clear(d.made)
	for range n {
		d.at = append(d.at, at)
		var holes, size, kind uint64
		most := 0
		if holes, at = uvarint(b, at); at < 0 || holes > mostHoles || holes > uint64(len(b)-at)/2 {
			return ErrDamaged
		}
		for i := range holes + 1 {
			if i > 0 {
				if kind, at = uvarint(b, at); at < 0 || kind > uint64(mostKind) {
					return ErrDamaged
				}
				most += Kind(kind).most()
			}
			if size, at = uvarint(b, at); at < 0 || size > uint64(len(b)-at) {
				return ErrDamaged
			}
			at, most = at+int(size), most+int(size)
		}
		d.most = append(d.most, most)
	}
	if d.at = append(d.at, at); at != len(b) {
		return ErrDamaged
	}
	return nil
}
