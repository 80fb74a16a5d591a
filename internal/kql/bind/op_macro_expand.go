package bind

import (
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// macroExpand runs a query for each place of a group and puts the answers below
// each other. The place has a name in the query: X.Table is a table of it.
func (b *binder) macroExpand(op *syntax.MacroExpand, e *env) *table {
	places := b.group(op.Group, e)
	if places == nil {
		return nil
	}
	kind, _ := b.param(op.Params, "kind", e)
	fuzzy, _ := b.param(op.Params, "isfuzzy", e)
	var in []*table
	for _, p := range places {
		inner := e.child()
		inner.names[op.As.Name] = &binding{place: p}
		errs := len(b.errs)
		t, x := b.query(op.Body, inner, nil)
		if t == nil && fuzzy == "true" {
			b.errs = b.errs[:errs] // a place that lacks a table is left out
			continue
		}
		if t == nil {
			if x != nil || len(b.errs) == errs {
				b.fail(op.Span, syntax.CodeTabular, "'macro-expand' operator: the query gives no table.")
			}
			return nil
		}
		in = append(in, t)
	}
	if len(in) == 0 {
		b.fail(op.Span, syntax.CodeSemantic, "'macro-expand' operator: no place of the group has these tables.")
		return nil
	}
	return b.unite(in, nil, "", kind == "inner")
}

// group is the places of an entity group; nil after a mistake.
func (b *binder) group(x syntax.Expr, e *env) []syntax.Expr {
	switch x := x.(type) {
	case *syntax.EntityGroup:
		if len(x.Places) == 0 {
			b.fail(x.Span, syntax.CodeSemantic, "The entity group is empty.")
			return nil
		}
		return x.Places
	case *syntax.Name:
		if f := e.find(x.Name); f != nil && len(f.group) > 0 {
			return f.group
		}
		b.fail(x.Span, syntax.CodeSemantic, "There is no entity group named '%s'; define it, as in let %s = entity_group [workspace('a'), workspace('b')].", x.Name, x.Name)
		return nil
	}
	b.fail(x.Where(), syntax.CodeSemantic, "'macro-expand' operator: an entity group is expected here.")
	return nil
}

// isAboutPlace reports whether x is X.$current_database or the like: a value.
func isAboutPlace(x syntax.Expr) bool {
	m, ok := x.(*syntax.Member)
	return ok && strings.HasPrefix(m.Name.Name, "$current_")
}

// aboutPlace is what a place of macro-expand is called.
func (b *binder) aboutPlace(x *syntax.Member, e *env) plan.Expr {
	at := x.X
	if n, ok := at.(*syntax.Name); ok {
		at = e.find(n.Name).place
	}
	call, ok := at.(*syntax.Call)
	if !ok || len(call.Args) != 1 {
		b.fail(x.Span, syntax.CodeUnsupported, "What the place is called can't be told.")
		return nil
	}
	switch x.Name.Name {
	case "$current_database":
		c := b.constant(call.Args[0], e, "The argument of "+call.Name.Name+"()")
		if c == nil {
			return nil
		}
		return &plan.Const{T: schema.String, Value: asText(c)}
	case "$current_cluster_endpoint":
		return &plan.Const{T: schema.String, Value: ""} // as current_cluster_endpoint() has it
	}
	b.fail(x.Name.Span, syntax.CodeSemantic, "A place has $current_database and $current_cluster_endpoint, not %s.", x.Name.Name)
	return nil
}

// assertSchema passes its rows if their columns are the given ones.
func (b *binder) assertSchema(op *syntax.AssertSchema, t *table) *table {
	var want, got []string
	for _, c := range op.Schema.Columns {
		want = append(want, c.Name.Name+":"+c.Type.String())
	}
	for _, c := range t.cols {
		got = append(got, c.Name+":"+c.Type.String())
	}
	same := len(want) == len(got) || op.Schema.Star && len(want) <= len(got)
	for i := 0; same && i < len(want); i++ {
		same = want[i] == got[i]
	}
	if !same {
		b.fail(op.Span, syntax.CodeSemantic, "'assert-schema' operator: the columns are (%s).", strings.Join(got, ", "))
		return nil
	}
	return t
}
