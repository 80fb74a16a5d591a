package template

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Of few values of a page their texts are made template by template: where in its
// payload a value begins is known by how many of the same template are before it, and
// these are read over in steps that are the same for all of them.

// A picked is a value whose text is wanted.
type picked struct {
	value  int
	before uint32 // values of the same template before it
	next   int32  // of the same template; -1: none
	text   Span   // where it was made
}

// A chain is the picked values of a template.
type chain struct {
	values      uint32 // of the template, picked or not, up to where the page was looked through
	first, last int32  // -1: none
}

// Pick calls take with the text of each value of which the bit is set in of, in
// order. A text is valid until take returns. They are made in room, of Room bytes.
func (p *Page) Pick(of []uint64, room []byte, take func(value int, text []byte)) error {
	p.begin()
	p.chain(of)
	n := 0
	for i := range p.chains {
		if p.chains[i].first < 0 {
			continue
		}
		end, err := p.pickChain(i, room, n)
		if err != nil {
			return err
		}
		n = end
	}
	for _, one := range p.picks {
		take(one.value, room[one.text.From:one.text.End])
	}
	return nil
}

// pickChain makes the picked texts of the i-th present template in room, from n on.
func (p *Page) pickChain(i int, room []byte, n int) (end int, err error) {
	all := p.payloads[i]
	defer func() { p.payloads[i] = all }()
	for _, there := range [...]uint32{p.reaches(i), all.End} {
		if p.more != nil {
			if err := p.more(int(all.From), int(there)); err != nil {
				return 0, err
			}
		}
		p.payloads[i].End, p.at[i] = there, all.From
		if end, ok := p.makeChain(i, room, n); ok {
			return end, nil
		}
	}
	return 0, ErrDamaged
}

// spread is by how much more than on average is read of values: one in so many.
const spread = 32

// reaches is where the last picked value of the i-th present template ends in its
// payload, as far as it is known: values are taken to be as long as they are on average.
func (p *Page) reaches(i int) uint32 {
	c, all := &p.chains[i], p.payloads[i]
	if p.more == nil {
		return all.End
	}
	size := uint64(all.End-all.From) * uint64(p.picks[c.last].before+1) / uint64(c.values)
	return uint32(min(uint64(all.End), uint64(all.From)+size+size/spread+slack))
}

// makeChain makes the picked texts of the i-th present template.
func (p *Page) makeChain(i int, room []byte, n int) (end int, ok bool) {
	passed := uint32(0)
	for k := p.chains[i].first; k >= 0; {
		one := &p.picks[k]
		if !p.pass(i, int(one.before-passed)) {
			return 0, false
		}
		if end, ok = p.text(room, n, i); !ok {
			return 0, false
		}
		one.text = Span{uint32(n), uint32(end)}
		n, passed, k = end, one.before+1, one.next
	}
	return n, true
}

// chain makes the picks, and the chains of them.
func (p *Page) chain(of []uint64) {
	p.picks, p.chains = p.picks[:0], slices.Grow(p.chains[:0], len(p.present))[:len(p.present)]
	for i := range p.chains {
		p.chains[i] = chain{first: -1, last: -1}
	}
	chains := p.chains
	for at, w := range of {
		from := at * 64
		if from >= len(p.index) {
			return
		}
		index := p.index[from:min(from+64, len(p.index))]
		if w == 0 {
			for _, i := range index {
				chains[i].values++
			}
			continue
		}
		for k, i := range index {
			c := &chains[i]
			if w>>k&1 != 0 {
				n := int32(len(p.picks))
				if p.picks = append(p.picks, picked{value: from + k, before: c.values, next: -1}); c.first < 0 {
					c.first = n
				} else {
					p.picks[c.last].next = n
				}
				c.last = n
			}
			c.values++
		}
	}
}

// A step is what is read over at once: so many bytes, and behind them so many
// numbers, or a text with its length before it.
type step struct {
	bytes, numbers int
	text           bool
}

// appendSteps tells how values with holes of these kinds are read over.
func appendSteps(steps []step, kinds []Kind) []step {
	from := len(steps)
	for _, kind := range kinds {
		last := len(steps) - 1
		open := last >= from && !steps[last].text
		switch {
		case kind > Hex && open && steps[last].numbers == 0:
			steps[last].bytes += (kind.digits() + 1) / 2
		case kind > Hex:
			steps = append(steps, step{bytes: (kind.digits() + 1) / 2})
		case kind == Digits && open:
			steps[last].numbers++
		case kind == Digits:
			steps = append(steps, step{numbers: 1})
		default:
			steps = append(steps, step{text: true})
		}
	}
	return steps
}

// stepsOf are those of the values of the i-th present template.
func (p *Page) stepsOf(i int) []step {
	if p.begun[i] == (Span{}) {
		from := len(p.steps)
		p.steps = appendSteps(p.steps, p.template(i).kinds)
		p.begun[i] = Span{uint32(from), uint32(len(p.steps))}
	}
	return p.steps[p.begun[i].From:p.begun[i].End]
}

// pass reads over the next n values of the i-th present template.
func (p *Page) pass(i, n int) bool {
	at, ok := over(p.body, int(p.at[i]), int(p.payloads[i].End), p.stepsOf(i), n)
	p.at[i] = uint32(at)
	return ok
}

// skip reads over the next value of the i-th present template.
func (p *Page) skip(i int) bool { return p.pass(i, 1) }

// over reads over n values of a payload that ends at behind, from at on, and tells
// where they end. There is slack behind the payload.
func over(body []byte, at, behind int, steps []step, n int) (end int, ok bool) {
	if len(steps) == 1 && !steps[0].text {
		if one := steps[0]; one.numbers == 0 || one.bytes == 0 { // all values are as one
			steps, n = []step{{bytes: n * one.bytes, numbers: n * one.numbers}}, min(n, 1)
		}
	}
	for range n {
		for _, s := range steps {
			if at += s.bytes; at > behind {
				return behind, false
			}
			if s.numbers > 0 {
				at = overNumbers(body, at, behind, s.numbers)
			}
			if s.text {
				size, from := uvarint(body[:behind], at)
				if from < 0 {
					return behind, false
				}
				at = from + int(size)
			}
			if at > behind {
				return behind, false
			}
		}
	}
	return at, true
}

// overNumbers reads over numbers, each of which ends with a byte below 0x80: eight
// bytes at a time. It ends behind behind if they do not end before.
func overNumbers(body []byte, at, behind, numbers int) int {
	const high = 0x80 * each
	for at < behind {
		ends := ^binary.LittleEndian.Uint64(body[at:]) & high
		n := bits.OnesCount64(ends)
		if n < numbers {
			numbers -= n
			at += 8
			continue
		}
		for range numbers - 1 {
			ends &= ends - 1
		}
		return at + bits.TrailingZeros64(ends)/8 + 1
	}
	return behind + 1
}
