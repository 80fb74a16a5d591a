// Package automaton runs regular expressions over texts that come in pieces.
//
// Whether a text is matched by an expression somewhere is told by a state, which is
// what must be known of the bytes until now to go on with those that follow. So a
// piece that many texts have in common, or one of which only the kind is known, need
// be looked at once:
//
//	s := a.Start()
//	s = a.Run(s, "GET /orders/") // once for all texts that begin so
//	s = a.Run(s, number)
//	matched := a.Ends(s)
//
// All states are made at the beginning, so an Automaton never changes and is safe for
// concurrent use; an expression that needs too many has none. Expressions are RE2's,
// as the engine and Go have them. The texts are ASCII: what a character beyond it is
// to an expression depends on whose tables of Unicode are asked, so states are lost
// at the first.
package automaton

import (
	"regexp/syntax"
	"slices"
)

// A State is what is known of a text's bytes until now.
type State uint16

// States that stay what they are, whatever comes.
const (
	Dead  State = iota // no text that begins so is matched
	Found              // all texts that begin so are
	Lost               // it can't be told: there was a character beyond ASCII
	First              // of all other states
)

// Bounds of what an automaton is made for.
const (
	mostStates = 512
	mostSteps  = 1000    // of the expression's program
	mostWork   = 1 << 20 // steps followed while it is made
)

// An Automaton is a regular expression, ready to run.
type Automaton struct {
	class   [256]uint8 // of bytes that no state tells apart
	classes int
	next    []State // by state, then by class
	ends    []bool  // by state: a text is matched that ends there
	start   State
}

// A Beyond says what bytes beyond ASCII are to an expression.
type Beyond bool

// Whether they are lost, or some byte that the expression does not name.
const (
	Unknown Beyond = false
	Other   Beyond = true
)

// New makes an automaton of an expression. It is nil if the expression can't be read,
// or needs too much.
func New(expr string, beyond Beyond) *Automaton {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || len(prog.Inst) > mostSteps {
		return nil
	}
	m := maker{prog: prog, known: map[string]State{}, seen: make([]uint32, len(prog.Inst)), a: &Automaton{}}
	m.classify(beyond)
	return m.make()
}

// Start is the state before the first byte.
func (a *Automaton) Start() State { return a.start }

// States is how many there are: all are below.
func (a *Automaton) States() int { return len(a.ends) }

// Next is the state after one byte more.
func (a *Automaton) Next(s State, c byte) State {
	return a.next[int(s)*a.classes+int(a.class[c])]
}

// Run is the state after some bytes more.
func (a *Automaton) Run(s State, text []byte) State {
	for _, c := range text {
		if s < First {
			break
		}
		s = a.next[int(s)*a.classes+int(a.class[c])]
	}
	return s
}

// Ends reports whether a text is matched that ends in a state; of Lost it can't be
// told.
func (a *Automaton) Ends(s State) bool { return a.ends[s] }

// A maker makes an automaton: each state is a set of places in the program, and what
// came last as far as the program asks for it.
type maker struct {
	a       *Automaton
	prog    *syntax.Prog
	asks    syntax.EmptyOp // of what is around a place
	samples []byte         // a byte of each class
	beyond  int            // the class of bytes beyond ASCII that are lost; -1: none is

	known map[string]State
	sets  [][]uint32
	last  []rune // what came last
	work  int

	seen  []uint32 // by place: the round in which it was met
	round uint32
	stack []uint32
	runes []uint32 // places that take a character
}

// Characters that stand for all that are as they are to what surrounds them.
const (
	nothing = -1
	line    = '\n'
	inWord  = 'a'
	outside = ' '
)

// classify finds the bytes that no place of the program tells apart.
func (m *maker) classify(beyond Beyond) {
	var class [129]int // the last one is of all beyond ASCII
	n := 1
	part := func(has func(r rune) bool) {
		to := map[[2]int]int{}
		for c := range class {
			key := [2]int{class[c], 0}
			if has(rune(c)) {
				key[1] = 1
			}
			if _, ok := to[key]; !ok {
				to[key] = len(to)
			}
			class[c] = to[key]
		}
		n = len(to)
	}
	part(func(r rune) bool { return r == 128 })
	part(func(r rune) bool { return r == '\n' })
	part(syntax.IsWordChar)
	for i := range m.prog.Inst {
		switch in := &m.prog.Inst[i]; in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			part(func(r rune) bool { return r < 128 && in.MatchRune(r) })
		case syntax.InstEmptyWidth:
			m.asks |= syntax.EmptyOp(in.Arg)
		}
	}
	m.samples, m.a.classes, m.beyond = make([]byte, n), n, -1
	for c := range 256 {
		of := class[min(c, 128)]
		m.a.class[c], m.samples[of] = uint8(of), byte(c)
	}
	if beyond == Unknown {
		m.beyond = class[128]
	}
}

func (m *maker) make() *Automaton {
	a := m.a
	for range First {
		m.sets, m.last = append(m.sets, nil), append(m.last, nothing)
	}
	a.start = m.state([]uint32{uint32(m.prog.Start)}, nothing)
	for s := 0; s < len(m.sets); s++ {
		if len(m.sets) > mostStates || m.work > mostWork {
			return nil
		}
		for class, c := range m.samples {
			to := State(s)
			if to >= First {
				if to = Lost; class != m.beyond {
					to = m.step(s, c)
				}
			}
			a.next = append(a.next, to)
		}
		a.ends = append(a.ends, State(s) == Found || State(s) >= First && m.close(m.sets[s], syntax.EmptyOpContext(m.last[s], nothing)))
	}
	return a
}

// step is the state behind another and a byte.
func (m *maker) step(s int, c byte) State {
	r := rune(c)
	if c >= 0x80 {
		r = 0x80 // which no part names
	}
	if m.close(m.sets[s], syntax.EmptyOpContext(m.last[s], r)) {
		return Found
	}
	to := []uint32{uint32(m.prog.Start)} // it may begin anywhere
	for _, at := range m.runes {
		if in := &m.prog.Inst[at]; r < 0x80 && in.MatchRune(r) {
			to = append(to, in.Out)
		}
	}
	return m.state(to, r)
}

// state numbers a set of places behind a character.
func (m *maker) state(set []uint32, last rune) State {
	if m.close(set, 0) {
		return Found
	}
	if last != nothing && !m.close(set, ^syntax.EmptyBeginText) && len(m.runes) == 0 {
		return Dead
	}
	switch {
	case last == nothing && m.asks&(syntax.EmptyBeginText|syntax.EmptyBeginLine) != 0:
	case last == line && m.asks&syntax.EmptyBeginLine != 0:
	case last != nothing && syntax.IsWordChar(last) && m.asks&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0:
		last = inWord
	default:
		last = outside
	}
	slices.Sort(set)
	set = slices.Compact(set)
	key := make([]byte, 0, 2*len(set)+1)
	key = append(key, byte(last))
	for _, at := range set {
		key = append(key, byte(at), byte(at>>8))
	}
	n, ok := m.known[string(key)]
	if !ok {
		n = State(len(m.sets))
		m.known[string(key)] = n
		m.sets, m.last = append(m.sets, set), append(m.last, last)
	}
	return n
}

// close follows all ways from places that take no character, where so much of what is
// around is true, to those that take one: runes. It reports whether the end is met.
func (m *maker) close(set []uint32, around syntax.EmptyOp) (matched bool) {
	m.round++
	m.stack, m.runes = append(m.stack[:0], set...), m.runes[:0]
	for len(m.stack) > 0 {
		at := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if m.seen[at] == m.round {
			continue
		}
		m.seen[at] = m.round
		m.work++
		switch in := &m.prog.Inst[at]; in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			m.stack = append(m.stack, in.Arg, in.Out)
		case syntax.InstCapture, syntax.InstNop:
			m.stack = append(m.stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^around == 0 {
				m.stack = append(m.stack, in.Out)
			}
		case syntax.InstFail:
		default:
			m.runes = append(m.runes, at)
		}
	}
	return false
}
