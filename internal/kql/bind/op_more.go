package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
)

// operatorMore binds the operators that are used more rarely.
func (b *binder) operatorMore(op syntax.Operator, t *table, e *env) *table {
	b.fail(op.Where(), syntax.CodeUnsupported, "This operator is not supported yet.")
	return nil
}

// tuple binds scalar functions that give several columns.
func (b *binder) tuple(x *syntax.Call, given []*syntax.Name, sc *scope) ([]named, bool) {
	return nil, false
}

var _ plan.Rel
