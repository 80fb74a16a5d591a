package plan

import (
	"cmp"
	"strings"

	"logkeep/internal/schema"
)

// foldConstants computes what does not depend on rows: the parameters of saved
// functions make many conditions that are always true. A filter that keeps all
// goes, and below one that keeps nothing nothing is read.
func foldConstants(r Rel, _ []Column) Rel {
	return rewrite(r, func(r Rel) Rel {
		for _, e := range exprs(r) {
			foldExpr(e)
		}
		f, ok := r.(*Filter)
		if !ok {
			return r
		}
		switch c, isConst := f.Pred.(*Const); {
		case !isConst:
			return r
		case c.Value == true:
			return f.In
		}
		return &Values{Cols: f.In.Columns()}
	}, map[*Shared]bool{})
}

// Fold computes of a value what does not depend on rows.
func Fold(x Expr) Expr {
	foldExpr(&x)
	return x
}

// foldExpr simplifies a value from the inside.
func foldExpr(e *Expr) {
	for _, a := range (*e).args() {
		foldExpr(a)
	}
	*e = simplify(*e)
}

func truth(v bool) Expr { return &Const{T: schema.Bool, Value: v} }

// constant is the value of a constant that is not null.
func constant(e Expr) (any, bool) {
	c, ok := e.(*Const)
	if !ok || c.Value == nil {
		return nil, false
	}
	return c.Value, true
}

func simplify(e Expr) Expr {
	switch e := e.(type) {
	case *Logic:
		stop := e.Op == "or"
		for _, pair := range [2][2]Expr{{e.X, e.Y}, {e.Y, e.X}} {
			switch v, ok := constant(pair[0]); {
			case ok && v == stop:
				return truth(stop)
			case ok:
				return pair[1]
			}
		}
	case *Not:
		if v, ok := constant(e.X); ok {
			return truth(v != true)
		}
	case *Compare:
		x, ok := constant(e.X)
		y, ok2 := constant(e.Y)
		if n, known := order(x, y); ok && ok2 && known {
			return truth(e.holds(n))
		}
	case *Case:
		return e.simplify()
	case *Call:
		return e.simplify()
	case *In:
		return e.simplify()
	case *Match:
		return e.simplify()
	}
	return e
}

// order compares two constants of one type; real numbers are left to the engine.
func order(x, y any) (int, bool) {
	switch a := x.(type) {
	case int64:
		if b, ok := y.(int64); ok {
			return cmp.Compare(a, b), true
		}
	case schema.Ticks:
		if b, ok := y.(schema.Ticks); ok {
			return cmp.Compare(a, b), true
		}
	case schema.Span:
		if b, ok := y.(schema.Span); ok {
			return cmp.Compare(a, b), true
		}
	case string:
		if b, ok := y.(string); ok {
			return strings.Compare(a, b), true
		}
	case bool:
		if b, ok := y.(bool); ok && a == b {
			return 0, true
		} else if ok && a {
			return 1, true
		} else if ok {
			return -1, true
		}
	}
	return 0, false
}

func (e *Compare) holds(n int) bool {
	switch e.Op {
	case "==", "is":
		return n == 0
	case "!=":
		return n != 0
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

// simplify drops branches that are never taken and all behind one that always is.
func (e *Case) simplify() Expr {
	var whens []When
	for _, w := range e.Whens {
		c, isConst := w.If.(*Const)
		if isConst && c.Value != true {
			continue
		}
		if isConst {
			if len(whens) == 0 {
				return w.Then
			}
			return &Case{Whens: whens, Else: w.Then, T: e.T}
		}
		whens = append(whens, w)
	}
	if len(whens) == 0 && e.Else != nil {
		return e.Else
	}
	if len(whens) == len(e.Whens) {
		return e
	}
	return &Case{Whens: whens, Else: e.Else, T: e.T}
}

// simplify knows the functions about nulls and the empty list, which are how
// functions ask whether a parameter was given.
func (e *Call) simplify() Expr {
	if len(e.Args) != 1 {
		return e
	}
	c, ok := e.Args[0].(*Const)
	if !ok {
		return e
	}
	text := c.T == schema.String
	switch e.F.Names[0] {
	case "isnull":
		return truth(c.Value == nil && !text)
	case "isnotnull":
		return truth(c.Value != nil || text)
	case "isempty":
		if c.T != schema.Dynamic {
			return truth(c.Value == nil || c.Value == "")
		}
	case "isnotempty":
		if c.T != schema.Dynamic {
			return truth(c.Value != nil && c.Value != "")
		}
	case "array_length":
		if c.Value == "[]" {
			return &Const{T: schema.Long, Value: int64(0)}
		}
	}
	return e
}

// simplify looks a constant up in a list of constants.
func (e *In) simplify() Expr {
	x, ok := constant(e.X)
	if !ok || e.Rel != nil || e.Fold {
		return e
	}
	for _, it := range e.Items {
		y, ok := constant(it)
		n, known := order(x, y)
		if !ok || !known {
			return e
		}
		if n == 0 {
			return truth(true)
		}
	}
	return truth(false)
}
