package plan

import (
	"slices"

	"logkeep/internal/schema"
)

// pruneColumns drops columns that nobody above uses, from the top down, so
// that scans read only what the answer needs. It also counts the uses of
// shared tables, whose needs are those of all their uses together.
func pruneColumns(r Rel, answer []Column) Rel {
	p := &pruner{shared: map[*Shared]needs{}}
	need := needs{}
	for _, c := range answer {
		need[c.ID] = true
	}
	p.rel(r, need)
	for len(p.queue) > 0 { // a shared table is looked at when all its uses are known
		i := slices.IndexFunc(p.queue, func(s *Shared) bool { return !p.waitedFor(s) })
		if i < 0 {
			i = 0
		}
		s := p.queue[i]
		p.queue = slices.Delete(p.queue, i, i+1)
		p.rel(s.In, p.shared[s])
	}
	return r
}

type needs map[ID]bool

func (n needs) plus(list []*Expr) needs {
	out := make(needs, len(n)+len(list))
	for id := range n {
		out[id] = true
	}
	out.exprs(list)
	return out
}

// exprs adds the columns that values read, outer columns of subtables included.
func (n needs) exprs(list []*Expr) {
	for _, e := range list {
		Walk(*e, func(x Expr) {
			switch x := x.(type) {
			case *Col:
				n[x.ID] = true
			case *WindowCall:
				n[x.By] = true
			}
		})
	}
}

type pruner struct {
	shared map[*Shared]needs
	queue  []*Shared
}

// waitedFor reports whether another table in the queue uses s.
func (p *pruner) waitedFor(s *Shared) bool {
	for _, q := range p.queue {
		if q == s {
			continue
		}
		uses := false
		WalkRel(q.In, func(r Rel) {
			if ref, ok := r.(*Ref); ok && ref.To == s {
				uses = true
			}
		}, func(Expr) {})
		if uses {
			return true
		}
	}
	return false
}

func (p *pruner) rel(r Rel, need needs) {
	keep := func(it Item) bool { return need[it.Col.ID] }
	filter := func(items []Item) []Item {
		return slices.DeleteFunc(slices.Clone(items), func(it Item) bool { return !keep(it) })
	}
	switch r := r.(type) {
	case *Scan:
		all := r.Cols
		r.Cols = slices.DeleteFunc(slices.Clone(r.Cols), func(c Column) bool { return !need[c.ID] })
		if len(r.Cols) == 0 { // rows are counted, and counted by the column that every file has
			i := slices.IndexFunc(all, func(c Column) bool { return c.Name == schema.TimeGenerated })
			r.Cols = all[max(i, 0) : max(i, 0)+1]
		}
		return
	case *Project:
		r.Items = filter(r.Items)
		p.values(r)
		p.rel(r.In, needs{}.plus(exprs(r)))
		return
	case *Aggregate:
		r.Aggs = filter(r.Aggs)
		p.values(r)
		p.rel(r.In, needs{}.plus(exprs(r)))
		return
	case *Window:
		r.Items = filter(r.Items)
	case *Union:
		p.union(r, need)
		return
	case *Ref:
		n := p.shared[r.To]
		if n == nil {
			n = needs{}
			p.shared[r.To] = n
			p.queue = append(p.queue, r.To)
			r.To.Uses = 0
		}
		r.To.Uses++
		var cols []Column
		var from []ID
		for i, c := range r.Cols {
			if need[c.ID] {
				cols, from = append(cols, c), append(from, r.From[i])
				n[r.From[i]] = true
			}
		}
		r.Cols, r.From = cols, from
		return
	case *Apply:
		inner := needs{}
		for _, c := range r.Sub.Columns() {
			inner[c.ID] = true
		}
		p.rel(r.Sub, inner)
		need = need.plus(nil)
		WalkRel(r.Sub, func(Rel) {}, func(e Expr) { need.exprs([]*Expr{&e}) })
	}
	p.values(r)
	below := need.plus(exprs(r))
	for _, in := range r.inputs() {
		if a, ok := r.(*Apply); ok && *in == a.Sub {
			continue
		}
		p.rel(*in, below)
	}
}

// values looks into the tables inside of a table's values.
func (p *pruner) values(r Rel) {
	for _, e := range exprs(r) {
		Walk(*e, func(x Expr) {
			var sub Rel
			switch x := x.(type) {
			case *Scalar:
				sub = x.Rel
			case *In:
				sub = x.Rel
			}
			if sub != nil {
				p.rel(sub, needs{sub.Columns()[0].ID: true})
			}
		})
	}
}

// union drops a column from all inputs where they are projections that name it.
func (p *pruner) union(r *Union, need needs) {
	if r.From != nil {
		r.Cols = slices.DeleteFunc(slices.Clone(r.Cols), func(c Column) bool { return !need[c.ID] })
		for i, in := range r.In {
			n := needs{}
			for to, from := range r.From[i] {
				if need[to] {
					n[from] = true
				}
			}
			p.rel(in, n)
		}
		return
	}
	all := true
	for _, in := range r.In {
		_, ok := in.(*Project)
		all = all && ok
	}
	if all {
		var cols []Column
		items := make([][]Item, len(r.In))
		for i, c := range r.Cols {
			if !need[c.ID] {
				continue
			}
			cols = append(cols, c)
			for k, in := range r.In {
				items[k] = append(items[k], in.(*Project).Items[i])
			}
		}
		r.Cols = cols
		for k, in := range r.In {
			in.(*Project).Items = items[k]
		}
	}
	for _, in := range r.In {
		n := needs{}
		for _, c := range in.Columns() {
			n[c.ID] = true
		}
		p.rel(in, n)
	}
}
