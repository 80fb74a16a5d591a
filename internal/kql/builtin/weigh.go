package builtin

import "logkeep/internal/schema"

// Weigh says how an aggregate is computed of rows each of which stands for as many
// equal ones as its weight says: by another form, which takes the weight behind the
// first args arguments, or by itself, which other is nil for. It is not ok if the
// answer would be another one, if only by how numbers are rounded.
func (f *Form) Weigh() (other *Form, args int, ok bool) {
	switch f.Names[0] {
	case "count", "countif":
		return weighedCount, 0, true
	case "dcount", "dcountif", "count_distinct", "count_distinctif", "hll", "hll_if", "make_set", "make_set_if",
		"min", "max", "minif", "maxif", "take_any", "any", "take_anyif", "anyif", "binary_all_and", "binary_all_or":
		return nil, 0, true // a row is as good as two
	case "sum", "sumif":
		if p := f.Params[0].Class; p == classes["integer"] || p == classOf(schema.TimeSpan) {
			return weighedSum, 1, true
		}
	case "avg", "avgif":
		if f.Params[0].Class == classes["integer"] {
			return weighedMean, 1, true
		}
	}
	return nil, 0, false
}

// The forms that take weights. What is multiplied fits 128 bits, in which the engine
// adds whole numbers.
var (
	weighedCount = weighed("count", "CAST(coalesce(sum({0}) {f}, 0) AS BIGINT)")
	weighedSum   = weighed("sum", wrapped("coalesce(sum(CAST({0} AS HUGEINT) * {1}) {f}, 0)"))
	weighedMean  = weighed("avg", "coalesce(CAST("+wrapped("sum(CAST({0} AS HUGEINT) * {1}) {f}")+
		" AS DOUBLE) / sum(CASE WHEN {0} IS NULL THEN 0 ELSE {1} END) {f}, CAST('nan' AS DOUBLE))")
)

func weighed(name, sql string) *Form {
	return &Form{Function: &Function{Names: []string{name}, SQL: sql}}
}
