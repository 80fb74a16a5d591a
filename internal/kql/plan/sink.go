package plan

import (
	"slices"

	"logkeep/internal/schema"
)

// sinkFacts carries what filters say down to the scans below them: to every
// place that a row comes from without regard to other rows.
func sinkFacts(r Rel, _ []Column) Rel {
	uses := map[*Shared]int{}
	count := func(r Rel) {
		if ref, ok := r.(*Ref); ok {
			uses[ref.To]++
		}
	}
	var inside func(Expr)
	inside = func(x Expr) {
		switch x := x.(type) {
		case *Scalar:
			WalkRel(x.Rel, count, inside)
		case *In:
			if x.Rel != nil {
				WalkRel(x.Rel, count, inside)
			}
		}
	}
	WalkRel(r, count, inside)
	return rewrite(r, func(r Rel) Rel {
		if f, ok := r.(*Filter); ok {
			for _, x := range facts(f.Pred) {
				sink(f.In, x, uses)
			}
		}
		return r
	}, map[*Shared]bool{})
}

// sink takes a fact about the columns of r further down. A scan that it can't
// reach just reads more.
func sink(r Rel, f fact, uses map[*Shared]int) {
	switch r := r.(type) {
	case *Scan:
		r.learn(f)
	case *Filter:
		sink(r.In, f, uses)
	case *Sort:
		sink(r.In, f, uses)
	case *Unnest:
		sink(r.In, f, uses)
	case *Apply:
		sink(r.In, f, uses)
	case *Project:
		if f, ok := f.through(r.Items); ok {
			sink(r.In, f, uses)
		}
	case *Aggregate: // a group that is not wanted needs none of its rows
		if f, ok := f.through(r.Keys); ok {
			sink(r.In, f, uses)
		}
	case *Join:
		if r.Kind != RightOuter && r.Kind != RightSemi && r.Kind != RightAnti && r.Kind != FullOuter {
			sink(r.Left, f, uses)
		}
		if r.Kind != LeftOuter && r.Kind != LeftSemi && r.Kind != LeftAnti && r.Kind != FullOuter {
			sink(r.Right, f, uses)
		}
	case *Union:
		for i, in := range r.In {
			if f, ok := f.through(r.Items(i)); ok {
				sink(in, f, uses)
			}
		}
	case *Ref:
		// What one use does not need another may.
		if uses[r.To] != 1 {
			return
		}
		var items []Item
		for i, c := range r.Cols {
			for _, have := range r.To.In.Columns() {
				if have.ID == r.From[i] {
					items = append(items, Item{Col: c, Value: &Col{have}})
				}
			}
		}
		if f, ok := f.through(items); ok {
			sink(r.To.In, f, uses)
		}
	}
}

// through says a fact of a projection's columns in terms of its input. Hints
// that can't be said are left out; an alternative without any is no evidence.
func (f fact) through(items []Item) (fact, bool) {
	if f.Time != nil {
		x, ok := substitute(f.Time, items)
		return fact{Time: x, Op: f.Op, At: f.At}, ok
	}
	out := fact{}
	for _, all := range f.Any {
		var hints []hint
		for _, h := range all {
			if x, ok := substitute(h.text, items); ok {
				hints = append(hints, hint{x, h.terms, h.parts, h.pattern})
			}
		}
		if len(hints) == 0 {
			return fact{}, false
		}
		out.Any = append(out.Any, hints)
	}
	return out, true
}

// learn makes a fact a bound of the scan's time, or one of its needs.
func (r *Scan) learn(f fact) {
	if f.Time != nil {
		c, ok := f.Time.(*Col)
		if ok && c.Name == schema.TimeGenerated && slices.ContainsFunc(r.Cols, func(x Column) bool { return x.ID == c.ID }) {
			r.bound(f.Op, f.At)
		}
		return
	}
	var need Need
	for _, all := range f.Any {
		var clues []Clue
		for _, h := range all {
			if c, ok := h.clue(r); ok {
				clues = append(clues, c)
			}
		}
		if len(clues) == 0 {
			return
		}
		need = append(need, clues)
	}
	r.Needs = append(r.Needs, need)
}

func (r *Scan) bound(op string, t schema.Ticks) {
	raise := func(v schema.Ticks) { r.From = max(r.From, v) }
	lower := func(v schema.Ticks) {
		if r.To == 0 || v < r.To {
			r.To = max(v, 1)
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
