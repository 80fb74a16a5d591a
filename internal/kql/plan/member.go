package plan

import "logkeep/internal/schema"

// A Member is a key of the objects in a dynamic column, which a scan reads as a
// column: its JSON, null where it is absent or null, or its text, empty there.
type Member struct {
	Column string
	Key    string
	Text   bool
}

// Name shows the member to people.
func (m Member) Name() string {
	if m.Text {
		return "tostring(" + m.Column + "." + m.Key + ")"
	}
	return m.Column + "." + m.Key
}

// pathsToMembers lets scans read the keys that paths begin with: a segment may
// have them in columns of their own, and then the objects need not be read. Where
// a column more would be seen, paths stay as they are.
func pathsToMembers(r Rel, _ []Column) Rel {
	m := &memberer{seen: map[*Shared]bool{}}
	WalkRel(r, func(r Rel) {
		for _, c := range r.Columns() {
			m.last = max(m.last, c.ID)
		}
	}, func(x Expr) {
		if c, ok := x.(*Col); ok {
			m.last = max(m.last, c.ID)
		}
	})
	m.rel(r, true) // the answer's columns are named
	return r
}

type memberer struct {
	last ID
	seen map[*Shared]bool
}

// rel looks for paths in r and below. Columns may be added to r if they are
// hidden from what stands above.
func (m *memberer) rel(r Rel, hidden bool) {
	below := false
	switch r := r.(type) {
	case *Project, *Aggregate:
		m.exprs(r)
		below = true
	case *Filter, *Sort, *Limit:
		if below = hidden; hidden {
			m.exprs(r)
		}
	case *Ref:
		if !m.seen[r.To] {
			m.seen[r.To] = true
			m.rel(r.To.In, false)
		}
	}
	for _, in := range r.inputs() {
		m.rel(*in, below)
	}
}

// exprs replaces the paths in what r computes of its only input.
func (m *memberer) exprs(r Rel) {
	in := *r.inputs()[0]
	for _, e := range exprs(r) {
		m.expr(e, in)
	}
}

func (m *memberer) expr(e *Expr, in Rel) {
	switch x := (*e).(type) {
	case *Call:
		if p, ok := x.TextOf(); ok && len(p.Steps) == 1 {
			if c := m.member(p, in, true); c != nil {
				*e = &Col{*c}
				return
			}
		}
	case *Path:
		if c := m.member(x, in, false); c != nil {
			if len(x.Steps) == 1 {
				*e = &Col{*c}
				return
			}
			x.X, x.Steps = &Col{*c}, x.Steps[1:]
		}
	}
	for _, a := range (*e).args() {
		m.expr(a, in)
	}
}

// TextOf returns the path whose text the call is.
func (e *Call) TextOf() (*Path, bool) {
	if e.F.Names[0] != "tostring" || e.F.Params[0].Word != "dynamic" {
		return nil, false
	}
	p, ok := e.Args[0].(*Path)
	return p, ok
}

// member returns the column that has what the path's first step leads to, or nil
// if there can be none.
func (m *memberer) member(p *Path, in Rel, text bool) *Column {
	of, ok := p.X.(*Col)
	if !ok || of.Column.Type != schema.Dynamic || p.Steps[0].Kind != Property || !schema.IsMemberKey(p.Steps[0].Name) {
		return nil
	}
	return m.provide(in, of.Column.ID, Member{Key: p.Steps[0].Name, Text: text})
}

// provide makes a relation that has a dynamic column have a member of it, too.
func (m *memberer) provide(r Rel, of ID, want Member) *Column {
	switch r := r.(type) {
	case *Scan:
		for _, c := range r.Cols {
			if c.ID != of || r.External != nil {
				continue
			}
			if _, is := r.Members[of]; is {
				return nil
			}
			want.Column = c.Name
			for id, have := range r.Members {
				if have == want {
					return &Column{ID: id, Name: want.Name(), Type: memberType(want)}
				}
			}
			m.last++
			col := Column{ID: m.last, Name: want.Name(), Type: memberType(want)}
			if r.Members == nil {
				r.Members = map[ID]Member{}
			}
			r.Members[col.ID] = want
			r.Cols = append(r.Cols[:len(r.Cols):len(r.Cols)], col)
			return &col
		}
	case *Filter:
		return m.provide(r.In, of, want)
	case *Sort:
		return m.provide(r.In, of, want)
	case *Limit:
		return m.provide(r.In, of, want)
	case *Project:
		for _, it := range r.Items {
			from, ok := it.Value.(*Col)
			if it.Col.ID != of || !ok {
				continue
			}
			c := m.provide(r.In, from.Column.ID, want)
			if c == nil {
				return nil
			}
			for _, it := range r.Items {
				if it.Col.ID == c.ID {
					return c
				}
			}
			r.Items = append(r.Items[:len(r.Items):len(r.Items)], Item{Col: *c, Value: &Col{*c}})
			return c
		}
	}
	return nil
}

func memberType(m Member) schema.Type {
	if m.Text {
		return schema.String
	}
	return schema.Dynamic
}
