package template

import (
	"slices"

	"logkeep/internal/automaton"
)

// Follow takes the values out of the set whose texts do not have all of some patterns:
// by present template their trails, none for templates whose values stay. It adds those
// to unsure of which it can't be told; they stay too. No text is made: only what is in
// the holes at which it is decided is looked at.
func (p *Page) Follow(of []uint64, trails [][]*Trail, unsure []uint64) error {
	p.begin()
	p.sort(trails)
	for i, all := range trails {
		if len(all) > 0 {
			if err := p.need(i); err != nil {
				return err
			}
		}
		for k, t := range all {
			if k > 0 {
				p.at[i] = p.payloads[i].From
			}
			if !p.follow(i, t, of, unsure) {
				return ErrDamaged
			}
		}
	}
	return nil
}

// sort lists the values of each present template that has trails, in their order: what
// they have in their holes lies in a row, and branches that depend on the template alone
// go the same way again and again.
func (p *Page) sort(trails [][]*Trail) {
	p.begins = append(p.begins[:0], make([]uint32, len(p.present)+1)...)
	for _, i := range p.index {
		p.begins[i+1]++
	}
	sum := uint32(0)
	for i := range trails {
		n := p.begins[i+1]
		if len(trails[i]) == 0 {
			n = 0
		}
		p.begins[i+1], sum = sum, sum+n // where the template's next value goes
	}
	p.values = slices.Grow(p.values[:0], int(sum))[:sum]
	for value, i := range p.index {
		if len(trails[i]) > 0 {
			p.values[p.begins[i+1]] = uint32(value)
			p.begins[i+1]++
		}
	}
}

// follow follows the values of the i-th present template.
func (p *Page) follow(i int, t *Trail, of, unsure []uint64) (ok bool) {
	kinds, body := p.template(i).kinds, p.body
	at, behind := int(p.at[i]), int(p.payloads[i].End)
	room := p.room[:]
	for _, value := range p.values[p.begins[i]:p.begins[i+1]] {
		word, bit := &of[value>>6], uint64(1)<<(value&63)
		end := without
		if *word&bit != 0 {
			end = t.root
		}
		for _, kind := range kinds {
			var n *node
			if end >= firstNode {
				n = &t.nodes[end]
				if n.same >= 0 {
					end, n = n.same, nil
				}
			}
			switch {
			case kind == Digits && n == nil:
				for at < behind && body[at] >= 0x80 {
					at++
				}
				at++
			case kind == Digits:
				v := uint64(body[at]) // there is slack
				if at++; v >= 0x80 {
					v &= 0x7f
					for shift := 7; ; shift += 7 {
						if at >= behind || shift > 63 {
							return false
						}
						c := body[at]
						at++
						if v |= uint64(c&0x7f) << shift; c < 0x80 {
							break
						}
					}
				}
				if v < few {
					end = n.behind(short(t.run, n.state, spelled[v]))
					break
				}
				size := spell(room, v)
				if size == 0 {
					return false
				}
				end = n.behind(t.run.Run(n.state, room[:size]))
			case kind > Hex:
				size := int(kind - Hex)
				if (size+1)/2 > behind-at {
					return false
				}
				if n != nil {
					getHex(room, body[at:], size)
					end = n.behind(t.run.Run(n.state, room[:size]))
				}
				at += (size + 1) / 2
			default:
				size, from := uvarint(body[:behind], at)
				if from < 0 || size > uint64(behind-from) {
					return false
				}
				if at = from + int(size); n != nil {
					end = n.behind(t.run.Run(n.state, body[from:at]))
				}
			}
			if at > behind {
				return false
			}
		}
		switch end {
		case without:
			*word &^= bit
			unsure[value>>6] &^= bit
		case lost:
			unsure[value>>6] |= bit
		}
	}
	p.at[i] = uint32(at)
	return true
}

// short is the state behind the digits of a short number.
func short(run *automaton.Automaton, s automaton.State, digits uint32) automaton.State {
	for n := digits >> 24; n > 0; n-- {
		s = run.Next(s, byte(digits))
		digits >>= 8
	}
	return s
}
