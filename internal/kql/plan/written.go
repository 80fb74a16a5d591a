package plan

import "logkeep/internal/schema"

// Written reports whether all rows of a table come from the query's text, and
// are few.
func Written(r Rel) bool { return written(r, map[*Shared]bool{}) }

// written does not look twice at a table that is used twice.
func written(r Rel, seen map[*Shared]bool) bool {
	const few = 10_000
	switch r := r.(type) {
	case *Scan, *Apply:
		return false
	case *Values:
		return len(r.Rows) <= few
	case *Sequence:
		from, ok1 := magnitude(r.From)
		to, ok2 := magnitude(r.To)
		step, ok3 := magnitude(r.Step)
		return ok1 && ok2 && ok3 && (to-from)/step <= few
	case *Ref:
		if !seen[r.To] {
			seen[r.To] = true
			return written(r.To.In, seen)
		}
	}
	for _, in := range r.inputs() {
		if !written(*in, seen) {
			return false
		}
	}
	return true
}

// magnitude is the number that a constant is.
func magnitude(x Expr) (float64, bool) {
	c, ok := x.(*Const)
	if !ok {
		return 0, false
	}
	switch v := c.Value.(type) {
	case int64:
		return float64(v), true
	case schema.Ticks:
		return float64(v), true
	case schema.Span:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
