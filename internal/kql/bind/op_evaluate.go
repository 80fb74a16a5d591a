package bind

import (
	"logkeep/internal/kql/syntax"
)

// evaluate calls a plugin.
func (b *binder) evaluate(op *syntax.Evaluate, t *table, e *env) *table {
	b.fail(op.Span, syntax.CodeUnsupported, "The plugin '%s' is not supported.", op.Call.Name.Name)
	return nil
}

func (b *binder) topNested(op *syntax.TopNested, t *table, e *env) *table {
	b.fail(op.Span, syntax.CodeUnsupported, "The operator 'top-nested' is not supported.")
	return nil
}
