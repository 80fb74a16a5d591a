package machine

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// ready looks up what a Node of a read program calls.
func (n *Node) ready() {
	switch n.Op {
	case "const":
		if s, ok := n.Value.(string); ok {
			n.Value = fromText(n.T, s)
		}
	case "call":
		n.form = builtin.Functions().Forms(n.Value.(string))[n.Form]
	case "operator":
		n.form = builtin.Operators().Forms(n.Value.(string))[n.Form]
	}
	for _, a := range n.Args {
		a.ready()
	}
}

// fromText reads a value of a type as the engine carries it.
func fromText(t schema.Type, s string) any {
	switch t {
	case schema.Int, schema.Long, schema.DateTime, schema.TimeSpan:
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v
		}
		return nil
	case schema.Real:
		if v, err := strconv.ParseFloat(s, 64); err == nil || math.IsInf(v, 0) {
			return v
		}
		return nil
	case schema.Bool:
		if s != "true" && s != "false" {
			return nil
		}
		return s == "true"
	}
	return s
}

// A frame is what a Node sees.
type frame struct {
	cells []any   // of the row
	own   []any   // declared values of the row
	state [][]any // by step
}

func (n *Node) eval(f *frame) (any, error) {
	switch n.Op {
	case "const":
		return n.Value, nil
	case "cell":
		return f.cells[n.Slot], nil
	case "own":
		return f.own[n.Slot], nil
	case "state":
		return f.state[n.Step][n.Slot], nil
	case "and", "or":
		return n.logic(f)
	case "case":
		for i := 0; i+1 < len(n.Args); i += 2 {
			c, err := n.Args[i].eval(f)
			if err != nil {
				return nil, err
			}
			if c == true {
				return n.Args[i+1].eval(f)
			}
		}
		return n.Args[len(n.Args)-1].eval(f)
	}
	args := make([]any, len(n.Args))
	for i, a := range n.Args {
		var err error
		if args[i], err = a.eval(f); err != nil {
			return nil, err
		}
	}
	switch n.Op {
	case "not":
		if args[0] == nil {
			return nil, nil
		}
		return args[0] != true, nil
	case "compare":
		return compare(n.Value.(string), args[0], args[1]), nil
	case "in":
		return slices.ContainsFunc(args[1:], func(x any) bool { return x != nil && x == args[0] }), nil
	case "match":
		return match(plan.MatchOp(n.Value.(string)), n.Form == 1, args)
	case "arithmetic":
		return compute(n.Value.(string), n.T, n.argType(), args), nil
	}
	return n.call(args)
}

// argType is the type of the first argument.
func (n *Node) argType() schema.Type {
	if len(n.Args) == 0 {
		return schema.Invalid
	}
	return n.Args[0].T
}

// call runs a function in Go as the engine would.
func (n *Node) call(args []any) (any, error) {
	if n.form.Note&builtin.NullSafe == 0 {
		for i, a := range args {
			if a == nil && !n.form.Params[min(i, len(n.form.Params)-1)].Optional {
				return n.none(), nil
			}
		}
	}
	v, err := n.form.Go(args)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case int32:
		return int64(x), nil
	case nil:
		return n.none(), nil
	}
	return v, nil
}

// none is the null of the node's type.
func (n *Node) none() any {
	if n.T == schema.String {
		return ""
	}
	return nil
}

func (n *Node) logic(f *frame) (any, error) {
	stop := n.Op == "or"
	x, err := n.Args[0].eval(f)
	if err != nil || x == stop {
		return x, err
	}
	y, err := n.Args[1].eval(f)
	if err != nil || y == stop {
		return y, err
	}
	if x == nil || y == nil {
		return nil, nil
	}
	return !stop, nil
}

// compare follows the language: == and != are never null.
func compare(op string, x, y any) any {
	if op == "is" {
		return x == y
	}
	if x == nil || y == nil {
		switch op {
		case "==":
			return false
		case "!=":
			return true
		}
		return nil
	}
	c := 0
	switch a := x.(type) {
	case int64:
		c = order(a, y.(int64))
	case float64:
		b := y.(float64)
		if math.IsNaN(a) || math.IsNaN(b) {
			return op == "!="
		}
		c = order(a, b)
	case string:
		c = strings.Compare(a, y.(string))
	case bool:
		c = order(ordinal(a), ordinal(y == true))
	}
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func order[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ordinal(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func match(op plan.MatchOp, fold bool, args []any) (any, error) {
	x, _ := args[0].(string)
	y, _ := args[1].(string)
	if fold && op != plan.Has && op != plan.HasPrefix && op != plan.HasSuffix && op != plan.Regex {
		x, y = strings.ToLower(x), strings.ToLower(y)
	}
	switch op {
	case plan.Equals:
		return x == y, nil
	case plan.Contains:
		return strings.Contains(x, y), nil
	case plan.StartsWith:
		return strings.HasPrefix(x, y), nil
	case plan.EndsWith:
		return strings.HasSuffix(x, y), nil
	case plan.Regex:
		return native.Matches([]any{x, y})
	}
	return native.HasTerm(x, y, op != plan.HasSuffix, op != plan.HasPrefix, fold), nil
}
