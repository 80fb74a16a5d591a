package plan

// A Rule is one rewrite of the whole tree.
type Rule struct {
	Name  string
	Doc   string
	Apply func(r Rel, answer []Column) Rel
}

// Rules returns the rewrites in the order in which they run.
func Rules() []Rule {
	return []Rule{
		{"fold-constants", "What does not depend on rows is computed; filters that keep all or nothing go.", foldConstants},
		{"sink-facts", "What filters say of times and texts goes down to the scans, which need not read what can't fit; the filters stay.", sinkFacts},
		{"paths-to-members", "A key that paths lead to is read as a column, which segments may have apart from the object.", pathsToMembers},
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
