package template

import (
	"slices"
	"strings"
	"sync"

	"logkeep/internal/automaton"
)

// A Pattern is what texts are searched for, as an automaton that follows templates
// through their texts: of a literal it is known beforehand from which state it leads
// to which, and of many holes too, whatever is in them. What a template tells of it
// (a trail) is kept for other dictionaries that have the template. It is safe for
// concurrent use.
type Pattern struct {
	expr   string
	beyond automaton.Beyond

	once sync.Once
	run  *automaton.Automaton

	mu     sync.Mutex
	kept   int // nodes of trails
	trails map[string]*Trail
	images map[image][]automaton.State
}

// Bounds of trails.
const (
	mostJoints = 256     // of one; a template that needs more is not followed
	mostKept   = 1 << 14 // nodes of all that are kept
)

// Matching is a regular expression, of RE2's syntax, that texts match somewhere.
func Matching(expr string) *Pattern { return &Pattern{expr: expr, beyond: automaton.Unknown} }

// Having is a part that texts have.
func Having(p Part) *Pattern {
	const outside = `[\x00-/:-@\[-` + "`" + `{-\x7f]` // of words, of ASCII
	left := [...]string{Inside: "", Boundary: "(?:^|" + outside + ")", Bound: "^"}[p.Left]
	right := [...]string{Inside: "", Boundary: "(?:$|" + outside + ")", Bound: "$"}[p.Right]
	return &Pattern{expr: left + "(?i:" + quote(p.Text) + ")" + right, beyond: automaton.Other}
}

// quote writes ASCII as an expression that matches nothing else.
func quote(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		const hex = "0123456789abcdef"
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString(`\x`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// A Trail is where the texts of a template may lead a pattern. Nodes are where holes begin, by
// states; the first ones are where nothing is to be looked at any more.
type Trail struct {
	run   *automaton.Automaton
	nodes []node
	root  int32
}

// Tells is what the template tells of its texts: Perhaps is that some may have the
// pattern, and that Page.Follow tells which.
func (t *Trail) Tells() Answer {
	switch t.root {
	case without:
		return Never
	case with:
		return Always
	}
	return Perhaps
}

// The nodes at which a trail ends.
const (
	without int32 = iota // the text does not have the pattern
	with                 // it has
	lost                 // it can't be told
	firstNode
)

// A node is a state in which a hole begins.
type node struct {
	state automaton.State
	same  int32             // the node behind the hole, if it is the same whatever is in the hole; else -1
	from  []automaton.State // ascending: in which the hole may end
	to    []int32           // and the nodes behind
}

// behind is the node behind the hole, if it ends in a state.
func (n *node) behind(s automaton.State) int32 {
	for i, from := range n.from {
		if from == s {
			return n.to[i]
		}
	}
	return lost
}

// ASCII reports whether the pattern tells nothing of texts with characters beyond ASCII.
func (p *Pattern) ASCII() bool { return p.beyond == automaton.Unknown }

// Trail is nil if the pattern tells nothing of a template. Texts as they are, which a
// hole of the kind Any has, are searched for parts in quicker ways.
func (p *Pattern) Trail(t *Template) *Trail {
	if p.beyond == automaton.Other && slices.Contains(t.kinds, Any) {
		return nil
	}
	p.once.Do(func() { p.run = automaton.New(p.expr, p.beyond) })
	if p.run == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if tr, ok := p.trails[string(t.raw)]; ok {
		return tr
	}
	if p.trails == nil || p.kept > mostKept {
		p.trails, p.images, p.kept = map[string]*Trail{}, map[image][]automaton.State{}, 0
	}
	b := blazer{p: p, t: t, tr: &Trail{run: p.run, nodes: make([]node, firstNode)}, at: map[joint]int32{}}
	tr := b.tr
	if tr.root = b.literal(0, p.run.Start()); tr.root == lost || len(b.at) > mostJoints {
		tr = nil
	}
	p.trails[string(t.raw)] = tr
	p.kept += 1 + len(b.at)
	return tr
}

// Known is the trail of a template as it is stored (Dictionary.Raw), nil if it was not
// asked for yet or there is none.
func (p *Pattern) Known(raw []byte) *Trail {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trails[string(raw)]
}

// A blazer makes a trail.
type blazer struct {
	p  *Pattern
	t  *Template
	tr *Trail
	at map[joint]int32
}

// A joint is a hole and the state in which it begins.
type joint struct {
	hole  int
	state automaton.State
}

// literal is the node behind a literal that begins in a state.
func (b *blazer) literal(i int, s automaton.State) int32 {
	switch s = b.p.run.Run(s, b.t.literals[i]); {
	case s == automaton.Dead:
		return without
	case s == automaton.Found:
		return with
	case s == automaton.Lost || len(b.at) > mostJoints:
		return lost
	case i == len(b.t.kinds) && b.p.run.Ends(s):
		return with
	case i == len(b.t.kinds):
		return without
	}
	if n, ok := b.at[joint{i, s}]; ok {
		return n
	}
	n := node{state: s, same: -1, from: b.p.image(b.t.kinds[i], s)}
	for _, behind := range n.from {
		n.to = append(n.to, b.literal(i+1, behind))
	}
	same := n.to[0]
	for _, to := range n.to {
		if to != same {
			same = -1
		}
	}
	if n.same = same; same == without || same == with {
		b.at[joint{i, s}] = same // whatever the hole has
		return same
	}
	number := int32(len(b.tr.nodes))
	b.tr.nodes = append(b.tr.nodes, n)
	b.at[joint{i, s}] = number
	return number
}

// An image is a kind of hole that begins in a state.
type image struct {
	kind  Kind
	state automaton.State
}

const (
	decimal = "0123456789"
	hexes16 = decimal + "abcdef"
	words62 = hexes16 + "ghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// image is in which states a hole may end, of which there is one at least. There may
// be more of them than there are, not fewer.
func (p *Pattern) image(kind Kind, s automaton.State) []automaton.State {
	key := image{kind, s}
	if known, ok := p.images[key]; ok {
		return known
	}
	var all []automaton.State
	step := func(from []automaton.State, bytes string) (to []automaton.State) {
		is := make([]bool, p.run.States())
		for _, s := range from {
			for i := range len(bytes) {
				if next := p.run.Next(s, bytes[i]); !is[next] {
					is[next] = true
					to = append(to, next)
				}
			}
		}
		slices.Sort(to)
		return to
	}
	if n := kind.digits(); n > 0 {
		all = []automaton.State{s}
		for range n {
			before := all
			if all = step(all, hexes16); slices.Equal(before, all) {
				break
			}
		}
	} else {
		bytes := map[Kind]string{Digits: decimal, Word: words62, Any: anyByte}[kind]
		if kind == Any {
			all = []automaton.State{s} // it may be empty
		}
		for more := step([]automaton.State{s}, bytes); len(more) > 0; {
			before := len(all)
			all = append(all, more...)
			slices.Sort(all)
			if all = slices.Compact(all); len(all) == before {
				break
			}
			more = step(more, bytes)
		}
	}
	p.images[key] = all
	return all
}

// anyByte is all bytes.
var anyByte = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()
