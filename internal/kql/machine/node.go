package machine

import (
	"fmt"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// A Node is an expression of a scan.
type Node struct {
	Op    string      `json:"o"` // const, cell, state, own, call, arithmetic, compare, and, or, not, case
	T     schema.Type `json:"t"`
	Value any         `json:"v,omitempty"` // of const, as the engine carries it; of call and arithmetic the name
	Form  int         `json:"f,omitempty"` // which of the function's forms
	Step  int         `json:"s,omitempty"` // of state
	Slot  int         `json:"i,omitempty"` // of cell, state and own
	Args  []*Node     `json:"a,omitempty"`

	form *builtin.Form
}

// A Place says where the machine finds the value of a column.
type Place struct {
	Step int // of the step whose state holds it; Own for the row's own declared value
	Slot int
}

// Own is the step of a Place that means the row at hand.
const Own = -1

// An Unsupported is a function that can't look at the state of steps.
type Unsupported string

func (u Unsupported) Error() string { return string(u) }

// Encode makes a Node of a value. Columns in places are the machine's own; all
// that does not depend on them becomes a cell by way of cell, which returns the
// number of the cell. The error is an Unsupported.
func Encode(x plan.Expr, places map[plan.ID]Place, cell func(plan.Expr) int) (*Node, error) {
	e := &encoder{places, cell}
	return e.node(x)
}

type encoder struct {
	places map[plan.ID]Place
	cell   func(plan.Expr) int
}

// stateful reports whether a value depends on the state of steps.
func (e *encoder) stateful(x plan.Expr) bool {
	found := false
	plan.Walk(x, func(y plan.Expr) {
		if c, ok := y.(*plan.Col); ok {
			_, is := e.places[c.ID]
			found = found || is
		}
	})
	return found
}

func (e *encoder) node(x plan.Expr) (*Node, error) {
	if c, ok := x.(*plan.Const); ok {
		return &Node{Op: "const", T: c.T, Value: carried(c)}, nil
	}
	if !e.stateful(x) {
		return &Node{Op: "cell", T: x.Type(), Slot: e.cell(x)}, nil
	}
	switch x := x.(type) {
	case *plan.Col:
		p := e.places[x.ID]
		if p.Step == Own {
			return &Node{Op: "own", T: x.Type(), Slot: p.Slot}, nil
		}
		return &Node{Op: "state", T: x.Type(), Step: p.Step, Slot: p.Slot}, nil
	case *plan.Compare:
		return e.with(&Node{Op: "compare", Value: x.Op, T: schema.Bool}, x.X, x.Y)
	case *plan.Logic:
		return e.with(&Node{Op: x.Op, T: schema.Bool}, x.X, x.Y)
	case *plan.Not:
		return e.with(&Node{Op: "not", T: schema.Bool}, x.X)
	case *plan.Case:
		var args []plan.Expr
		for _, w := range x.Whens {
			args = append(args, w.If, w.Then)
		}
		return e.with(&Node{Op: "case", T: x.T}, append(args, x.Else)...)
	case *plan.Call:
		return e.call(x)
	case *plan.In:
		if x.Rel == nil && !x.Fold {
			return e.with(&Node{Op: "in", T: schema.Bool}, append([]plan.Expr{x.X}, x.Items...)...)
		}
	case *plan.Match:
		if n, ok, err := e.match(x); ok || err != nil {
			return n, err
		}
	}
	return nil, Unsupported("in this way")
}

// match is looking for text, which the machine does by the functions for
// patterns that are computed.
func (e *encoder) match(x *plan.Match) (*Node, bool, error) {
	if len(x.Y) != 1 {
		return nil, false, nil
	}
	n, err := e.with(&Node{Op: "match", Value: string(x.Op), T: schema.Bool}, x.X, x.Y[0])
	if x.Fold && n != nil {
		n.Form = 1
	}
	return n, true, err
}

func (e *encoder) with(n *Node, args ...plan.Expr) (*Node, error) {
	for _, a := range args {
		y, err := e.node(a)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, y)
	}
	return n, nil
}

func (e *encoder) call(x *plan.Call) (*Node, error) {
	name := x.F.Names[0]
	if computes(name, x) {
		return e.with(&Node{Op: "arithmetic", Value: name, T: x.T}, x.Args...)
	}
	if x.F.Go != nil {
		for op, table := range map[string]*builtin.Table{"call": builtin.Functions(), "operator": builtin.Operators()} {
			for i, f := range table.Forms(name) {
				if f == x.F {
					return e.with(&Node{Op: op, Value: name, Form: i, T: x.T}, x.Args...)
				}
			}
		}
	}
	return nil, Unsupported("in " + name + "()")
}

// carried is a constant as the engine carries it.
func carried(c *plan.Const) any {
	switch v := c.Value.(type) {
	case schema.Ticks:
		return fmt.Sprint(int64(v))
	case schema.Span:
		return fmt.Sprint(int64(v))
	case int64:
		return fmt.Sprint(v)
	case float64:
		return fmt.Sprint(v)
	case nil:
		if c.T == schema.String {
			return ""
		}
	}
	return c.Value
}
