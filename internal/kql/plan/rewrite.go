package plan

// Rewrite is a copy of a value in which f has changed every part, the inner
// ones first. Tables inside of values are not copied.
func Rewrite(e Expr, f func(Expr) Expr) Expr {
	return f(copyExpr(e, func(x Expr) Expr { return Rewrite(x, f) }))
}

// copyExpr is a copy of one node with f applied to its arguments.
func copyExpr(e Expr, f func(Expr) Expr) Expr {
	list := func(in []Expr) []Expr {
		if in == nil {
			return nil
		}
		out := make([]Expr, len(in))
		for i, x := range in {
			out[i] = f(x)
		}
		return out
	}
	maybe := func(x Expr) Expr {
		if x == nil {
			return nil
		}
		return f(x)
	}
	switch e := e.(type) {
	case *Call:
		return &Call{e.F, list(e.Args), e.T}
	case *Compare:
		return &Compare{e.Op, f(e.X), f(e.Y)}
	case *Logic:
		return &Logic{e.Op, f(e.X), f(e.Y)}
	case *Not:
		return &Not{f(e.X)}
	case *Path:
		out := &Path{X: f(e.X), Steps: make([]Step, len(e.Steps))}
		for i, s := range e.Steps {
			if s.Kind == Computed {
				s.X = f(s.X)
			}
			out.Steps[i] = s
		}
		return out
	case *Case:
		out := &Case{Whens: make([]When, len(e.Whens)), Else: maybe(e.Else), T: e.T}
		for i, w := range e.Whens {
			out.Whens[i] = When{f(w.If), f(w.Then)}
		}
		return out
	case *In:
		return &In{f(e.X), list(e.Items), e.Rel, e.Fold}
	case *Match:
		return &Match{e.Op, f(e.X), list(e.Y), e.Fold}
	case *Agg:
		return &Agg{e.F, list(e.Args), e.T, maybe(e.Filter), maybe(e.Order), e.Flat}
	case *WindowCall:
		return &WindowCall{e.F, list(e.Args), e.T, maybe(e.Restart), e.By}
	}
	return e // Col, Const, Scalar
}
