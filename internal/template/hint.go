package template

// A Hint is what must be in one hole of a text so that the text has a part.
type Hint struct {
	Hole   int    // of the kind Digits
	Prefix string // the digits that it begins with
}

// Hints tells more of a part that a template's texts perhaps have: no text has it of
// which no hole is as one of the hints says. If ok is false nothing more is known
// than what Has tells.
func (t *Template) Hints(part Part) (hints []Hint, ok bool) {
	for i, literal := range t.literals {
		// Where it may begin: in the literal, or where the hole behind it does.
		for from := range len(literal) + 1 {
			if from == len(literal) && i == len(t.kinds) || t.leftEdge(i, from, part.Left) == Never {
				continue
			}
			n := fold(literal[from:], part.Text)
			if n == len(part.Text) {
				return nil, false // all of it is in the literal
			}
			if from+n < len(literal) || i == len(t.kinds) {
				continue
			}
			kind := t.kinds[i]
			if kind != Any && !kind.can(part.Text[n]) {
				continue // no hole is empty
			}
			if kind != Digits {
				return nil, false
			}
			end := n
			for end < len(part.Text) && kind.can(part.Text[end]) {
				end++
			}
			hints = append(hints, Hint{i, part.Text[n:end]})
		}
		// Or within the hole.
		if i < len(t.kinds) && (t.kinds[i] == Any || part.Left == Inside && t.kinds[i].can(part.Text[0])) {
			return nil, false
		}
	}
	return hints, true
}

// Keep takes the values out of the set whose texts do not have the parts of which
// there are hints: hints has, for each present template, the hints of some parts. A
// text that stays has, of each of them, one hole as a hint says.
func (p *Page) Keep(of []uint64, hints [][][]Hint) error {
	p.begin()
	p.wanted = append(p.wanted[:0], make([]bool, len(p.present))...)
	for i := range p.present {
		if p.wanted[i] = len(hints[i]) > 0; p.wanted[i] {
			if err := p.need(i); err != nil {
				return err
			}
		}
	}
	for value, i := range p.index {
		if !p.wanted[i] {
			continue
		}
		bit := uint64(1) << (value & 63)
		if of[value>>6]&bit == 0 {
			if !p.skip(int(i)) {
				return ErrDamaged
			}
			continue
		}
		fits, ok := p.fits(int(i), hints[i])
		if !ok {
			return ErrDamaged
		}
		if !fits {
			of[value>>6] &^= bit
		}
	}
	return nil
}

// fits reads over the next value of the i-th present template and reports whether it
// is as the hints of each part say.
func (p *Page) fits(i int, parts [][]Hint) (fits, ok bool) {
	from := p.at[i]
	if !p.skip(i) {
		return false, false
	}
	for _, hints := range parts {
		fits = false
		for _, h := range hints {
			if fits = p.starts(i, from, h); fits {
				break
			}
		}
		if !fits {
			return false, true
		}
	}
	return true, true
}

// starts reports whether a hole begins with a hint's digits, in a value that begins
// at from and was skipped, so that it is there. What is no number is said to: it is
// found damaged when its text is made.
func (p *Page) starts(i int, from uint32, h Hint) bool {
	at := int(from)
	for _, kind := range p.template(i).kinds[:h.Hole] {
		switch {
		case kind == Digits:
			for p.body[at] >= 0x80 {
				at++
			}
			at++
		case kind > Hex:
			at += (int(kind-Hex) + 1) / 2
		default:
			size, behind := uvarint(p.body, at)
			if behind < 0 {
				return true
			}
			at = behind + int(size)
		}
	}
	var v uint64
	for shift := 0; ; shift += 7 {
		c := p.body[at]
		at++
		if v |= uint64(c&0x7f) << shift; c < 0x80 {
			break
		}
		if shift == 63 {
			return true
		}
	}
	var digits [mostDigits + 1]byte
	n := spell(digits[:], v)
	return n == 0 || n >= len(h.Prefix) && string(digits[:len(h.Prefix)]) == h.Prefix
}
