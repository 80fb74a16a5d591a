package plan

import (
	"slices"

	"logkeep/internal/schema"
)

// A Rule is one rewrite of the whole tree.
type Rule struct {
	Name  string
	Doc   string
	Apply func(r Rel, answer []Column) Rel
}

// Rules returns the rewrites in the order in which they run.
func Rules() []Rule {
	return []Rule{
		{"bound-scan", "Comparisons of TimeGenerated with constants become bounds of the scan; the filter stays.", boundScans},
		{"prune-columns", "A scan reads only the columns that something above it uses.", pruneColumns},
	}
}

// Optimize applies all rules. answer are the columns that are wanted.
func Optimize(r Rel, answer []Column) Rel {
	for _, rule := range Rules() {
		r = rule.Apply(r, answer)
	}
	return r
}

// rewrite rebuilds the tree from the bottom with f. Tables inside of values
// and shared tables are rewritten too, those once.
func rewrite(r Rel, f func(Rel) Rel, seen map[*Shared]bool) Rel {
	for _, in := range r.inputs() {
		*in = rewrite(*in, f, seen)
	}
	for _, e := range exprs(r) {
		Walk(*e, func(x Expr) {
			switch x := x.(type) {
			case *Scalar:
				x.Rel = rewrite(x.Rel, f, seen)
			case *In:
				if x.Rel != nil {
					x.Rel = rewrite(x.Rel, f, seen)
				}
			}
		})
	}
	if ref, ok := r.(*Ref); ok && !seen[ref.To] {
		seen[ref.To] = true
		ref.To.In = rewrite(ref.To.In, f, seen)
	}
	return f(r)
}

// boundScans looks at filters that stand directly over a scan, or over other
// filters and projections that pass TimeGenerated on.
func boundScans(r Rel, _ []Column) Rel {
	return rewrite(r, func(r Rel) Rel {
		if f, ok := r.(*Filter); ok {
			bound(f.In, f.Pred)
		}
		return r
	}, map[*Shared]bool{})
}

func bound(in Rel, pred Expr) {
	if l, ok := pred.(*Logic); ok && l.Op == "and" {
		bound(in, l.X)
		bound(in, l.Y)
		return
	}
	c, ok := pred.(*Compare)
	if !ok {
		return
	}
	col, isCol := c.X.(*Col)
	val, isConst := c.Y.(*Const)
	op := c.Op
	if !isCol || !isConst {
		if val, isConst = c.X.(*Const); !isConst {
			return
		}
		if col, isCol = c.Y.(*Col); !isCol {
			return
		}
		op = map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "=="}[op]
	}
	t, isTime := val.Value.(schema.Ticks)
	scan, ok := scanOf(in, col.ID)
	if !isTime || !ok {
		return
	}
	raise := func(v schema.Ticks) { scan.From = max(scan.From, v) }
	lower := func(v schema.Ticks) {
		if scan.To == 0 || v < scan.To {
			scan.To = max(v, 1)
		}
	}
	switch op {
	case ">":
		raise(t + 1)
	case ">=":
		raise(t)
	case "<":
		lower(t)
	case "<=":
		lower(t + 1)
	case "==":
		raise(t)
		lower(t + 1)
	}
}

// scanOf finds the scan whose TimeGenerated is the column id of r.
func scanOf(r Rel, id ID) (*Scan, bool) {
	switch r := r.(type) {
	case *Scan:
		i := slices.IndexFunc(r.Cols, func(c Column) bool { return c.ID == id && c.Name == schema.TimeGenerated })
		return r, i >= 0
	case *Filter:
		return scanOf(r.In, id)
	case *Project:
		for _, it := range r.Items {
			if it.Col.ID == id {
				if c, ok := it.Value.(*Col); ok {
					return scanOf(r.In, c.ID)
				}
			}
		}
	}
	return nil, false
}
