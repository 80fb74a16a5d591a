package builtin

// Wrapped is a sum of integers as an integer of 64 or 32 bits: what does not
// fit wraps around. Only sums that overflow pay for it.
func Wrapped(sum string, bits int) string {
	half, all, to := "9223372036854775808::HUGEINT", "18446744073709551616::HUGEINT", "BIGINT"
	if bits == 32 {
		half, all, to = "2147483648::HUGEINT", "4294967296::HUGEINT", "INTEGER"
	}
	return "coalesce(TRY_CAST(" + sum + " AS " + to + "), CAST((((" + sum + " + " + half + ") % " + all + ") + " + all + ") % " + all + " - " + half + " AS " + to + "))"
}

func wrapped(sum string) string { return Wrapped(sum, 64) }

// aggregateRows are the aggregates. Their SQL may use {f} for a condition on
// rows, which is empty or FILTER (…). Name is what a column without a name is
// called, before _ and the first argument.
func aggregateRows() []Function {
	row := func(name, sig, sql, doc string) Function {
		return Function{Names: []string{name}, Sig: sig, SQL: sql, Named: ByNameAnd, Doc: doc}
	}
	sum := func(name, sig string) []Function {
		return []Function{
			{Names: []string{name}, Sig: "(integer" + sig + ") long", SQL: wrapped("coalesce(sum({0}) {f}, 0)"), Named: ByNameAnd, Doc: "The sum."},
			{Names: []string{name}, Sig: "(timespan" + sig + ") timespan", SQL: wrapped("coalesce(sum({0}) {f}, 0)"), Named: ByNameAnd, Doc: "The sum."},
			{Names: []string{name}, Sig: "(real" + sig + ") real", SQL: "coalesce(sum({0}) {f}, 0.0)", Named: ByNameAnd, Doc: "The sum."},
			{Names: []string{name}, Sig: "(decimal" + sig + ") decimal", SQL: "kql___decimal_sum_0('[' || coalesce(string_agg({0}, ',') {f}, '') || ']')", Named: ByNameAnd, Doc: "The sum."},
			{Names: []string{name}, Sig: "(dynamic" + sig + ") real", Rule: "viareal", Named: ByNameAnd, Doc: "The sum."},
		}
	}
	avg := func(name, sig string) []Function {
		return []Function{
			{Names: []string{name}, Sig: "(integer" + sig + ") real", SQL: "coalesce(CAST(" + wrapped("sum({0}) {f}") + " AS DOUBLE) / count({0}) {f}, CAST('nan' AS DOUBLE))", Named: ByNameAnd, Doc: "The mean."},
			{Names: []string{name}, Sig: "(decimal" + sig + ") decimal", SQL: "kql___decimal_mean_0('[' || coalesce(string_agg({0}, ',') {f}, '') || ']')", Named: ByNameAnd, Doc: "The mean."},
			{Names: []string{name}, Sig: "(number" + sig + ") real", SQL: "coalesce(avg(CAST({0} AS DOUBLE)) {f}, CAST('nan' AS DOUBLE))", Named: ByNameAnd, Doc: "The mean."},
			{Names: []string{name}, Sig: "(timespan" + sig + ") timespan", SQL: "TRY_CAST(trunc(avg({0}) {f}) AS BIGINT)", Named: ByNameAnd, Doc: "The mean."},
			{Names: []string{name}, Sig: "(datetime" + sig + ") datetime", SQL: "CAST(trunc(avg({0} - 600000000000000000) {f}) AS BIGINT) + 600000000000000000", Named: ByNameAnd, Doc: "The mean."},
			{Names: []string{name}, Sig: "(dynamic" + sig + ") real", Rule: "viareal", Named: ByNameAnd, Doc: "The mean."},
		}
	}
	extreme := func(name, sig, sql string) Function {
		return Function{Names: []string{name}, Sig: "(scalar" + sig + ") same", SQL: sql + "({0}) {f}", Named: ByNameAnd, Rule: "extreme", Doc: "The " + map[string]string{"min": "least", "max": "greatest"}[sql] + " value."}
	}
	rows := []Function{
		row("count", "(value:scalar?) long", "count(*) {f}", "The number of rows."),
		row("countif", "(condition:bool) long", "count(*) {f}", "The number of rows for which a condition is true."),
		row("dcount", "(value:scalar, accuracy:integer?) long", "count(DISTINCT {0}) {f}", "The number of different values, exact."),
		row("dcountif", "(value:scalar, condition:bool, accuracy:integer?) long", "count(DISTINCT {0}) {f}", "The number of different values of some rows, exact."),
		row("count_distinct", "(value:scalar) long", "count(DISTINCT {0}) {f}", "The number of different values."),
		row("count_distinctif", "(value:scalar, condition:bool) long", "count(DISTINCT {0}) {f}", "The number of different values of some rows."),
		extreme("min", "", "min"), extreme("max", "", "max"),
		extreme("minif", ", condition:bool", "min"), extreme("maxif", ", condition:bool", "max"),
		{Names: []string{"make_list", "makelist"}, Sig: "(value:scalar, max:integer?) dynamic", SQL: "list", Rule: "list", Named: ByNameAnd, Doc: "All values as an array."},
		{Names: []string{"make_list_if"}, Sig: "(value:scalar, condition:bool, max:integer?) dynamic", SQL: "list", Rule: "list", Named: ByNameAnd, Doc: "The values of some rows as an array."},
		{Names: []string{"make_list_with_nulls"}, Sig: "(value:scalar) dynamic", SQL: "list", Rule: "list_nulls", Named: ByNameAnd, Doc: "All values as an array, nulls included."},
		{Names: []string{"make_set", "makeset"}, Sig: "(value:scalar, max:integer?) dynamic", SQL: "set", Rule: "set", Named: ByNameAnd, Doc: "The different values as an array."},
		{Names: []string{"make_set_if"}, Sig: "(value:scalar, condition:bool, max:integer?) dynamic", SQL: "set", Rule: "set", Named: ByNameAnd, Doc: "The different values of some rows as an array."},
		{Names: []string{"make_bag", "make_dictionary"}, Sig: "(value:dynamic, max:integer?) dynamic", SQL: "bag", Rule: "bag", Named: ByNameAnd, Doc: "All bags merged into one."},
		{Names: []string{"make_bag_if"}, Sig: "(value:dynamic, condition:bool, max:integer?) dynamic", SQL: "bag", Rule: "bag", Named: ByNameAnd, Doc: "The bags of some rows merged into one."},
		{Names: []string{"buildschema"}, Sig: "(value:dynamic) dynamic", SQL: "schema", Rule: "buildschema", Named: ByNameAnd, Doc: "A schema that all values have."},
		{Names: []string{"take_any"}, Sig: "(values:scalar...) scalar", SQL: "any_value({0}) {f}", Rule: "take_any", Doc: "The value of some row."},
		{Names: []string{"any"}, Sig: "(values:scalar...) scalar", SQL: "any_value({0}) {f}", Rule: "take_any", Doc: "Old name of take_any."},
		{Names: []string{"take_anyif"}, Sig: "(value:scalar, condition:bool) same", SQL: "any_value({0}) {f}", Named: ByArgument, Doc: "The value of some row for which a condition is true."},
		{Names: []string{"anyif"}, Sig: "(value:scalar, condition:bool) same", SQL: "any_value({0}) {f}", Named: ByNameAnd, Doc: "Old name of take_anyif."},
		{Names: []string{"arg_max", "argmax"}, Sig: "(by:scalar, values:scalar...) scalar", Rule: "arg_max", Doc: "Values of the row where another is greatest."},
		{Names: []string{"arg_min", "argmin"}, Sig: "(by:scalar, values:scalar...) scalar", Rule: "arg_min", Doc: "Values of the row where another is least."},
		{Names: []string{"percentile"}, Sig: "(value:summable, percentile:number) same", Rule: "percentile", Doc: "The value below which a percentage of values lies."},
		{Names: []string{"percentiles"}, Sig: "(value:summable, percentiles:number...) same", Rule: "percentiles", Doc: "Several percentiles."},
		{Names: []string{"percentiles_array"}, Sig: "(value:summable, percentiles:scalar...) dynamic", Rule: "percentiles_array", Doc: "Several percentiles as an array."},
		{Names: []string{"percentilew"}, Sig: "(value:summable, weight:integer, percentile:number) same", Rule: "percentilew", Doc: "A percentile of weighted values."},
		{Names: []string{"percentilesw"}, Sig: "(value:summable, weight:integer, percentiles:number...) same", Rule: "percentilesw", Doc: "Several percentiles of weighted values."},
		{Names: []string{"percentilesw_array"}, Sig: "(value:summable, weight:integer, percentiles:scalar...) dynamic", Rule: "percentilesw_array", Doc: "Several percentiles of weighted values as an array."},
		{Names: []string{"binary_all_and"}, Sig: "(value:integer) same", SQL: "bit_and({0}) {f}", Named: ByArgument, Doc: "Bitwise and of all values."},
		{Names: []string{"binary_all_or"}, Sig: "(value:integer) same", SQL: "bit_or({0}) {f}", Named: ByArgument, Doc: "Bitwise or of all values."},
		{Names: []string{"binary_all_xor"}, Sig: "(value:integer) same", SQL: "bit_xor({0}) {f}", Named: ByArgument, Doc: "Bitwise exclusive or of all values."},
	}
	for _, n := range []string{"sum", "sumif"} {
		rows = append(rows, sum(n, map[bool]string{true: ", condition:bool"}[n == "sumif"])...)
	}
	for _, n := range []string{"avg", "avgif"} {
		rows = append(rows, avg(n, map[bool]string{true: ", condition:bool"}[n == "avgif"])...)
	}
	const square = "1e150" // the engine ends the query where the square of a number is none
	for name, sql := range map[string]string{"stdev": "stddev_samp", "stdevp": "stddev_pop", "variance": "var_samp", "variancep": "var_pop"} {
		doc := map[string]string{"stdev": "Standard deviation of a sample.", "stdevp": "Standard deviation of all.", "variance": "Variance of a sample.", "variancep": "Variance of all."}[name]
		for _, cond := range []bool{false, true} {
			sig := ""
			n := name
			if cond {
				sig, n = ", condition:bool", name+"if"
			}
			if n == "stdevpif" {
				continue
			}
			rows = append(rows, row(n, "(summable"+sig+") real", "(CASE WHEN coalesce(bool_or(NOT abs(CAST({0} AS DOUBLE)) < "+square+") {f}, false) THEN 'nan'::DOUBLE ELSE coalesce("+sql+"(CASE WHEN abs(CAST({0} AS DOUBLE)) < "+square+" THEN CAST({0} AS DOUBLE) END) {f}, 0.0) END)", doc))
			rows = append(rows, Function{Names: []string{n}, Sig: "(dynamic" + sig + ") real", Rule: "viareal", Named: ByNameAnd, Doc: doc})
		}
	}
	for name, sql := range map[string]string{"covariance": "covar_samp", "covariancep": "covar_pop"} {
		rows = append(rows,
			row(name, "(summable, summable) real", sql+"(CAST({1} AS DOUBLE), CAST({0} AS DOUBLE)) {f}", "Covariance."),
			row(name+"if", "(summable, summable, condition:bool) real", sql+"(CAST({1} AS DOUBLE), CAST({0} AS DOUBLE)) {f}", "Covariance of some rows."))
	}
	return append(rows, sketchAggregates()...)
}
