package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

func (b *binder) union(op *syntax.Union, t *table, e *env) *table {
	var in []*table
	var sources []string
	if t != nil {
		in, sources = append(in, t), append(sources, "union_arg0")
	}
	fuzzy, _ := b.param(op.Params, "isfuzzy", e)
	ok := true
	for _, x := range op.Tables {
		if n, isName := x.(*syntax.Name); isName && !n.Quoted && containsStar(n.Name) {
			for _, name := range b.cat.Tables() {
				if wild(n.Name, name) {
					tab, _ := b.cat.Table(name)
					in, sources = append(in, b.scan(tab)), append(sources, name)
				}
			}
			continue
		}
		if _, star := x.(*syntax.Star); star {
			for _, name := range b.cat.Tables() {
				tab, _ := b.cat.Table(name)
				in, sources = append(in, b.scan(tab)), append(sources, name)
			}
			continue
		}
		errs := len(b.errs)
		one := b.table(x, e)
		if one == nil {
			if fuzzy == "true" {
				b.errs = b.errs[:errs] // a table that is not there is left out
				continue
			}
			ok = false
			continue
		}
		name := "union_arg" + itoa(len(sources))
		if n, isName := x.(*syntax.Name); isName && e.find(n.Name) == nil {
			name = n.Name // only stored tables have names
		}
		in, sources = append(in, one), append(sources, name)
	}
	if !ok {
		return nil
	}
	if len(in) == 0 {
		b.fail(op.Span, syntax.CodeSemantic, "'union' operator: none of the tables is there.")
		return nil
	}
	kind, _ := b.param(op.Params, "kind", e)
	with, has := b.param(op.Params, "withsource", e)
	if !has {
		with, has = b.param(op.Params, "with_source", e)
	}
	if !has {
		sources = nil
	}
	return b.unite(in, sources, with, kind == "inner")
}

func containsStar(s string) bool { return slices.Contains([]byte(s), '*') }

// unite puts tables below each other by the names of their columns. Columns of
// one name and different types become name_type each; if the first two tables
// that have it agree, the name alone still means the value that there is.
// Unless inner, columns that a table lacks are null.
func (b *binder) unite(in []*table, sources []string, with string, inner bool) *table {
	type key struct {
		name string
		t    schema.Type
	}
	var order []key
	var byName []string
	known := map[key]bool{}
	typesOf := map[string][]schema.Type{}
	agreed := map[string]bool{} // the first two tables that have the column agree on its type
	for _, t := range in {
		for _, c := range t.cols {
			k := key{c.Name, c.Type}
			if known[k] {
				agreed[c.Name] = agreed[c.Name] || len(typesOf[c.Name]) == 1
				continue
			}
			known[k] = true
			if len(typesOf[c.Name]) == 0 {
				byName = append(byName, c.Name)
			}
			typesOf[c.Name] = append(typesOf[c.Name], c.Type)
		}
	}
	for _, name := range byName {
		for _, t := range typesOf[name] {
			order = append(order, key{name, t})
		}
	}
	if inner {
		order = slices.DeleteFunc(order, func(k key) bool {
			for _, t := range in {
				if c, ok := find(t.cols, k.name); !ok || c.Type != k.t {
					return true
				}
			}
			return false
		})
	}
	u := &plan.Union{}
	if with != "" {
		u.Cols = append(u.Cols, b.column(with, schema.String))
	}
	taken := map[string]bool{with: with != ""}
	for _, k := range order {
		name := k.name
		if len(typesOf[k.name]) > 1 {
			name += "_" + k.t.String()
		}
		if taken[name] {
			name = unique(u.Cols, name)
		}
		taken[name] = true
		u.Cols = append(u.Cols, b.column(name, k.t))
		if len(typesOf[k.name]) > 1 && agreed[k.name] {
			if b.splits == nil {
				b.splits = map[plan.ID]string{}
			}
			b.splits[u.Cols[len(u.Cols)-1].ID] = k.name
		}
	}
	out := &table{rel: u, cols: u.Cols}
	if slices.ContainsFunc(in, func(t *table) bool { return t.bag != nil }) {
		bag := b.column("bag", schema.Dynamic)
		u.Cols, out.bag = append(slices.Clone(u.Cols), bag), &bag
	}
	at := make(map[key]plan.ID, len(order))
	for i, k := range order {
		if with != "" {
			i++
		}
		at[k] = u.Cols[i].ID
	}
	for i, t := range in {
		out.open, out.known = out.open || t.open, out.known || t.known
		p, from := &plan.Project{In: t.rel}, make(map[plan.ID]plan.ID, len(t.cols))
		add := func(to plan.ID, name string, typ schema.Type, x plan.Expr) {
			c := b.column(name, typ)
			p.Items = append(p.Items, plan.Item{Col: c, Value: x})
			from[to] = c.ID
		}
		if with != "" {
			add(u.Cols[0].ID, with, schema.String, &plan.Const{T: schema.String, Value: sources[i]})
		}
		seen := make(map[key]bool, len(t.cols))
		for _, c := range t.cols {
			k := key{c.Name, c.Type}
			if to, ok := at[k]; ok && !seen[k] {
				seen[k] = true
				add(to, c.Name, c.Type, &plan.Col{Column: c})
			}
		}
		if t.bag != nil {
			add(out.bag.ID, "bag", schema.Dynamic, &plan.Col{Column: *t.bag})
		}
		u.In, u.From = append(u.In, p), append(u.From, from)
	}
	return out
}

// null is the null of a type; strings have none and are empty.
func null(t schema.Type) *plan.Const {
	if t == schema.String {
		return &plan.Const{T: t, Value: ""}
	}
	return &plan.Const{T: t}
}
