package bind

import (
	"regexp"
	"slices"

	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/native"
	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

func (b *binder) isScalarFunction(name string) bool {
	return len(builtin.Functions().Forms(name)) > 0 || len(builtin.Aggregates().Forms(name)) > 0
}

// elsewhere are the functions of the language that have no meaning here: what
// they tell of are extents, cursors, nodes of a cluster, and graphs.
var elsewhere = []string{
	"extent_id", "extentid", "extent_tags", "row_id", "rowstore_ordinal_range", "current_node_id",
	"cursor_after", "cursor_before_or_at", "cursor_current", "current_cursor",
	"node_id", "node_degree_in", "node_degree_out", "labels", "inner_nodes", "all", "map", "external_table", "materialized_view", "stored_query_result",
}

func (b *binder) unknownFunction(x *syntax.Call) {
	if slices.Contains(elsewhere, x.Name.Name) {
		b.fail(x.Name.Span, syntax.CodeUnsupported, "The function %s() is not supported.", x.Name.Name)
		return
	}
	msg := "Unknown function: '" + x.Name.Name + "'."
	all := append(append([]string{}, builtin.Functions().Names()...), builtin.Aggregates().Names()...)
	if s := syntax.Suggest(x.Name.Name, all); s != "" {
		msg += " Did you mean '" + s + "'?"
	}
	b.fail(x.Name.Span, syntax.CodeFunction, "%s", msg)
}

// scalarCall binds a call that gives a value.
func (b *binder) scalarCall(x *syntax.Call, sc *scope) plan.Expr {
	name := x.Name.Name
	if f := b.function(name, sc.env); f != nil {
		return b.callScalar(f, x, x.Span, sc)
	}
	if sc.agg != nil && len(builtin.Aggregates().Forms(name)) > 0 && !sc.agg.closed {
		return b.aggregateCall(x, sc)
	}
	forms := builtin.Functions().Forms(name)
	if len(forms) == 0 {
		if len(builtin.Aggregates().Forms(name)) > 0 {
			b.fail(x.Span, syntax.CodeCall, "The aggregate %s() can be used only in summarize, make-series and the like, and not inside another aggregate.", name)
			return nil
		}
		b.unknownFunction(x)
		return nil
	}
	if rule := ruleOf(forms[0].Rule); rule != nil && len(forms) == 1 {
		return rule(b, x, sc)
	}
	args, ok := b.args(x, sc)
	if !ok {
		return nil
	}
	f, err := builtin.Functions().Resolve(name, types(args))
	if err != nil {
		b.fail(x.Span, syntax.CodeCall, "%s.", err)
		return nil
	}
	if rule := ruleOf(f.Rule); rule != nil {
		return rule(b, x, sc)
	}
	for i, a := range args {
		if i < len(f.Params) && f.Params[i].Name == "regex" {
			if c, isConst := a.(*plan.Const); isConst && c.T == schema.String && !b.checkRegex(c.Value.(string), x.Args[i].Where()) {
				return nil
			}
		}
	}
	return b.apply(f, args, x.Span)
}

func (b *binder) checkRegex(expr string, at syntax.Span) bool {
	if _, err := regexp.Compile(native.Pattern(expr)); err != nil {
		b.fail(at, syntax.CodeCall, "The regular expression can't be read: %s.", err)
		return false
	}
	return true
}

// args binds the arguments of a call in the order of the parameters.
func (b *binder) args(x *syntax.Call, sc *scope) ([]plan.Expr, bool) {
	out := make([]plan.Expr, 0, len(x.Args))
	ok := true
	for _, a := range x.Args {
		if _, star := a.(*syntax.Star); star {
			for _, c := range sc.cols {
				out = append(out, &plan.Col{Column: c})
			}
			continue
		}
		y := b.expr(a, sc)
		ok = ok && y != nil
		out = append(out, y)
	}
	return out, ok
}

// callName is how an unnamed column with a call is called.
func (b *binder) callName(x *syntax.Call) string {
	forms := builtin.Functions().Forms(x.Name.Name)
	if len(forms) == 0 {
		return ""
	}
	first := ""
	if len(x.Args) > 0 {
		first = b.nameOf(x.Args[0])
	}
	switch forms[0].Named {
	case builtin.ByArgument:
		return first
	case builtin.ByNameAnd:
		if forms[0].Prefix != "" {
			return forms[0].Prefix + "_" + first
		}
		return x.Name.Name + "_" + first
	case builtin.ByPrefix:
		return forms[0].Prefix
	case builtin.ByOnly:
		if len(x.Args) == 1 {
			return first
		}
	}
	if forms[0].Rule == "column_ifexists" && len(x.Args) > 0 {
		if l, ok := x.Args[0].(*syntax.Literal); ok {
			if s, ok := l.Value.(string); ok {
				return s
			}
		}
	}
	return ""
}

// A rule binds a function that is more than a row of the table.
type rule func(b *binder, x *syntax.Call, sc *scope) plan.Expr

// ruleOf finds the rule that a row names; nil if it names none.
func ruleOf(name string) rule {
	switch name {
	case "iff":
		return ruleIff
	case "case":
		return ruleCase
	case "coalesce":
		return ruleCoalesce
	case "not":
		return ruleNot
	case "now":
		return ruleNow
	case "ago":
		return ruleAgo
	case "toscalar":
		return ruleToScalar
	case "column_ifexists":
		return ruleColumnIfExists
	case "column_names_of":
		return ruleColumnNamesOf
	case "ingestion_time":
		return ruleIngestionTime
	case "iscolumnexists":
		return ruleIsColumnExists
	case "pack_all":
		return rulePackAll
	case "bag_pack_columns":
		return rulePackColumns
	case "strcat":
		return ruleStrcat
	case "gettype":
		return ruleGetType
	case "todynamic":
		return ruleToDynamic
	case "extract_typed":
		return ruleExtractTyped
	case "assert":
		return ruleAssert
	case "datetime_diff":
		return ruleDateTimeDiff
	case "data_size":
		return ruleDataSize
	case "typed":
		return ruleTyped
	case "tuple":
		return ruleTuple
	case "extreme_of":
		return ruleExtremeOf
	case "rand":
		return ruleRand
	case "bin_auto":
		return ruleBinAuto
	case "prev", "next", "row_number", "row_cumsum", "row_rank", "row_rank_dense", "row_rank_min", "row_window_session":
		return func(b *binder, x *syntax.Call, sc *scope) plan.Expr { return b.window(name, x, sc) }
	}
	return nil
}
