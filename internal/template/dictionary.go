package template

// A Dictionary has the templates of a column.
type Dictionary struct{ templates []Template }

// Templates returns the templates by their numbers. The caller must not change them.
func (d *Dictionary) Templates() []Template { return d.templates }

// Parse reads a dictionary. It keeps nothing of b.
func Parse(b []byte) (*Dictionary, error) {
	n, at := uvarint(b, 0)
	// A template takes two bytes at least, a hole two more.
	if at < 0 || n == 0 || n > MostTemplates || n > uint64(len(b)) {
		return nil, ErrDamaged
	}
	d := &Dictionary{templates: make([]Template, 0, n)}
	// All literals in one piece, with slack behind the last.
	text := append(make([]byte, 0, len(b)+slack), b...)
	for range n {
		var holes uint64
		if holes, at = uvarint(b, at); at < 0 || holes > mostHoles || holes > uint64(len(b)-at)/2 {
			return nil, ErrDamaged
		}
		literals, kinds := make([][]byte, 0, holes+1), make([]Kind, 0, holes)
		for {
			var size, kind uint64
			if size, at = uvarint(b, at); at < 0 || size > uint64(len(b)-at) {
				return nil, ErrDamaged
			}
			literals = append(literals, text[at:at+int(size)])
			if at += int(size); uint64(len(kinds)) == holes {
				break
			}
			if kind, at = uvarint(b, at); at < 0 || kind > uint64(mostKind) {
				return nil, ErrDamaged
			}
			kinds = append(kinds, Kind(kind))
		}
		d.templates = append(d.templates, newTemplate(literals, kinds))
	}
	if at != len(b) {
		return nil, ErrDamaged
	}
	return d, nil
}
