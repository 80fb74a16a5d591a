package machine

import (
	"math"
	"strconv"
	"strings"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// A matcher runs a Scan. Each step has a state: what a sequence that has come
// as far as this step left behind, part by part for each step up to it.
type matcher struct {
	scan   *Scan
	empty  []any // the part of a step that has not matched
	states []state
	next   int64 // match id
	out    []string
}

type state struct {
	active bool
	id     int64
	parts  [][]any // by step
	last   string  // the row that a step with output=last has ready
}

func newMatcher(s *Scan) *matcher {
	m := &matcher{scan: s, states: make([]state, len(s.Steps))}
	for _, c := range s.Kept {
		m.empty = append(m.empty, (&Node{T: s.Cells[c]}).none())
	}
	for _, d := range s.Defaults {
		m.empty = append(m.empty, d.Value)
	}
	for i := range m.states {
		m.clear(i)
	}
	return m
}

// clear forgets the state of a step.
func (m *matcher) clear(k int) {
	m.flush(k)
	m.states[k] = state{parts: make([][]any, len(m.states))}
	for i := range m.states {
		m.states[k].parts[i] = m.empty
	}
}

// flush answers what output=last held back.
func (m *matcher) flush(k int) {
	if s := m.states[k].last; s != "" {
		m.out = append(m.out, s)
		m.states[k].last = ""
	}
}

// before is the step whose state a record has to follow to reach step k: the
// nearest one with a state, over optional steps; -1 if k can begin a sequence.
func (m *matcher) before(k int) (from int, first bool) {
	for from = k - 1; from >= 0; from-- {
		if m.states[from].active {
			return from, false
		}
		if !m.scan.Steps[from].Optional {
			return -1, false
		}
	}
	return -1, true
}

// row tries a record against the steps, the last one first. A step takes it
// either behind the step before, whose state moves on, or again.
func (m *matcher) row(number int64, cells []any) error {
	for k := len(m.states) - 1; k >= 0; k-- {
		from, first := m.before(k)
		if from >= 0 {
			ok, err := m.meets(k, m.states[from], cells)
			if err != nil {
				return err
			}
			if ok {
				m.flush(from)
				m.clear(k)
				m.states[k] = m.states[from]
				m.states[from] = state{}
				m.clear(from)
				if err := m.take(k, number, cells); err != nil {
					return err
				}
				continue
			}
		}
		if !m.states[k].active && !first {
			continue
		}
		ok, err := m.meets(k, m.states[k], cells)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if !m.states[k].active {
			m.states[k].active, m.states[k].id = true, m.next
			m.next++
		}
		if err := m.take(k, number, cells); err != nil {
			return err
		}
	}
	return nil
}

func (m *matcher) meets(k int, s state, cells []any) (bool, error) {
	v, err := m.scan.Steps[k].Cond.eval(&frame{cells: cells, own: m.empty[len(m.scan.Kept):], state: s.parts})
	return v == true, err
}

// take makes a record the part of step k in its state, and answers it.
func (m *matcher) take(k int, number int64, cells []any) error {
	s := &m.states[k]
	own := make([]any, len(m.scan.Declared))
	copy(own, m.empty[len(m.scan.Kept):])
	f := &frame{cells: cells, own: own, state: s.parts}
	for _, a := range m.scan.Steps[k].Assign {
		v, err := a.Value.eval(f)
		if err != nil {
			return err
		}
		own[a.Slot] = v
	}
	part := make([]any, 0, len(m.empty))
	for _, c := range m.scan.Kept {
		part = append(part, cells[c])
	}
	parts := make([][]any, len(s.parts))
	copy(parts, s.parts)
	parts[k] = append(part, own...)
	s.parts = parts
	if m.scan.Steps[k].Output == "none" {
		return nil
	}
	var b strings.Builder
	b.WriteString("[" + strconv.FormatInt(number, 10) + "," + strconv.FormatInt(s.id, 10))
	for i, v := range own {
		b.WriteByte(',')
		b.WriteString(jsonOf(m.scan.Declared[i], v))
	}
	b.WriteByte(']')
	if m.scan.Steps[k].Output == "last" {
		s.last = b.String()
		return nil
	}
	m.out = append(m.out, b.String())
	return nil
}

func (m *matcher) end() {
	for k := range m.states {
		m.flush(k)
	}
}

// jsonOf writes a value for the way back.
func jsonOf(t schema.Type, v any) string {
	switch x := v.(type) {
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return `"` + syntax.FormatReal(x) + `"`
		}
		return syntax.FormatReal(x)
	case string:
		if t == schema.Dynamic && x != "" {
			return x
		}
		return syntax.JSONQuote(x)
	}
	return "null"
}
