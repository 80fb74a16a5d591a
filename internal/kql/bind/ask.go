package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// An Ask is a query that has to be answered before the query around it can be
// bound: some plugins make columns of what the data hold.
type Ask struct {
	Rel     plan.Rel
	Columns []plan.Column
}

// mostColumns bounds how many columns data can make.
const mostColumns = 1000

// ask returns the rows of a table while the query is bound, each of strings. ok
// is false if they can't be known: the caller of Bind does not answer, or the
// table depends on rows around it. The first time the binding is given up and
// begins anew when the answer is there; nothing of it may be used then.
func (b *binder) ask(t *table) (rows [][]string, ok bool) {
	if !b.opt.Ask || b.inside > 0 || len(b.errs) > 0 || b.asking != nil {
		return nil, false
	}
	b.asked++
	if b.asked <= len(b.opt.Answers) {
		return b.opt.Answers[b.asked-1], true
	}
	t = b.exact(t)
	b.asking = &Ask{t.rel, t.cols}
	return nil, false
}

// apart binds what is run once for each row of a table around it.
func (b *binder) apart(f func() *table) *table {
	b.inside++
	defer func() { b.inside-- }()
	return f()
}

// property is a column that data have, with the types of its values.
type property struct {
	name string
	typ  schema.Type
}

// properties asks which properties the bags of a column have. They are in the
// order of their names.
func (b *binder) properties(t *table, bag plan.Expr) ([]property, bool) {
	pair := plan.Unnested{Col: b.column("pair", schema.Dynamic), Value: bag, Bags: true}
	u := &plan.Unnest{In: t.rel, Lists: []plan.Unnested{pair}}
	p := &plan.Project{In: u, Items: []plan.Item{
		{Col: b.column("name", schema.String), Value: b.convert(stepInto(&plan.Col{Column: pair.Col}, 0), schema.String, syntax.Span{})},
		{Col: b.column("type", schema.String), Value: b.builtin("gettype", stepInto(&plan.Col{Column: pair.Col}, 1))},
	}}
	cols := p.Columns()
	agg := &plan.Aggregate{In: &plan.Filter{In: p, Pred: &plan.Compare{Op: "!=", X: &plan.Col{Column: cols[1]}, Y: &plan.Const{T: schema.String, Value: "null"}}}}
	var by []plan.Order
	for _, c := range cols {
		k := b.column(c.Name, c.Type)
		agg.Keys = append(agg.Keys, plan.Item{Col: k, Value: &plan.Col{Column: c}})
		by = append(by, plan.Order{Value: &plan.Col{Column: k}})
	}
	limit := &plan.Limit{In: &plan.Sort{In: agg, By: by}, N: &plan.Const{T: schema.Long, Value: int64(8 * mostColumns)}}
	rows, ok := b.ask(&table{rel: limit, cols: agg.Columns()})
	if !ok {
		return nil, false
	}
	var out []property
	for _, r := range rows {
		typ, err := schema.ParseType(r[1])
		if err != nil || r[1] == "array" || r[1] == "dictionary" {
			typ = schema.Dynamic
		}
		if n := len(out); n > 0 && out[n-1].name == r[0] {
			out[n-1].typ = together(out[n-1].typ, typ)
			continue
		}
		out = append(out, property{r[0], typ})
	}
	return out, true
}

// together is the type of a column with values of two types.
func together(a, b schema.Type) schema.Type {
	switch {
	case a == b:
		return a
	case a == schema.Long && b == schema.Real, a == schema.Real && b == schema.Long:
		return schema.Real
	}
	return schema.Dynamic
}
