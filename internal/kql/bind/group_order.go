package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// groups finds the aggregate whose groups are the rows of a table, as they came
// out of it or with further columns; nil if they are other rows or there is
// nothing to put them in order by.
func groups(rel plan.Rel) *plan.Aggregate {
	switch r := rel.(type) {
	case *plan.Project:
		return groups(r.In)
	case *plan.Filter:
		return groups(r.In)
	case *plan.Aggregate:
		for _, k := range r.Keys {
			if k.Col.Type == schema.Decimal || k.Col.Type == schema.Dynamic {
				return nil
			}
		}
		if len(r.Keys) > 0 && !plan.Written(r.In) { // those come in the order of their first rows
			return r
		}
	}
	return nil
}

// groupsInOrder puts groups in the order of their keys, for lists that are made
// of them: those would differ from run to run otherwise. It costs nothing that
// counts beside the list, which holds all of them.
func groupsInOrder(rel plan.Rel) plan.Rel {
	switch r := rel.(type) {
	case *plan.Project:
		r.In = groupsInOrder(r.In)
	case *plan.Filter:
		r.In = groupsInOrder(r.In)
	case *plan.Aggregate:
		s := &plan.Sort{In: r}
		for _, k := range r.Keys {
			s.By = append(s.By, plan.Order{Value: &plan.Col{Column: k.Col}, NullsFirst: true})
		}
		return s
	}
	return rel
}
