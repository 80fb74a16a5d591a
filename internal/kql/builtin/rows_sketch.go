package builtin

import "logkeep/internal/kql/native"

// sketchRows are the functions on sketches: hyperloglogs, which count different
// values, and digests, which know percentiles. Both can be merged.
func sketchRows() []Function {
	g := func(name, sig string, named Naming, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Named: named, Doc: doc}
	}
	return []Function{
		g("__hll", "(values:dynamic, accuracy:long?) dynamic", 0, native.HLL, ""),
		g("__hll_merge", "(sketches:dynamic) dynamic", 0, native.HLLMergeAll, ""),
		g("__tdigest", "(values:dynamic) dynamic", 0, native.TDigest, ""),
		g("__tdigest_merge", "(digests:dynamic) dynamic", 0, native.TDigestMergeAll, ""),
		{Names: []string{"hll_merge"}, Sig: "(sketches:dynamic...) dynamic", Go: native.HLLMerge, Note: NullSafe, Named: ByPrefix, Prefix: "hll_merged_result", Doc: "One hyperloglog of several."},
		g("dcount_hll", "(sketch:dynamic) long", ByNameAnd, native.DCountHLL, "How many different values a hyperloglog has seen."),
		{Names: []string{"hll_isvalid"}, Sig: "(sketch:dynamic, value:scalar?) bool", Go: native.HLLIsValid, Note: NullSafe, Doc: "Whether a value is a hyperloglog."},
		{Names: []string{"tdigest_merge", "merge_tdigest"}, Sig: "(digests:dynamic...) dynamic", Go: native.TDigestMerge, Note: NullSafe, Named: ByPrefix, Prefix: "tdigests_merge_result", Doc: "One digest of several."},
		g("percentile_tdigest", "(digest:dynamic, percentile:real) dynamic", ByNameAnd, native.PercentileTDigest, "A percentile of a digest."),
		{Names: []string{"percentile_tdigest"}, Sig: "(digest:dynamic, percentile:real, type:scalar) literal", Rule: "typed", Doc: "A percentile of a digest as a type."},
		{Names: []string{"percentiles_array_tdigest"}, Sig: "(digest:dynamic, percentiles:dynamic/number...) dynamic", Go: native.PercentilesTDigest, Named: ByNameAnd, Prefix: "percentile_tdigest", Doc: "Several percentiles of a digest as an array."},
		g("rank_tdigest", "(digest:dynamic, value:scalar) real", 0, native.RankTDigest, "How many values of a digest are not above a value."),
		g("percentrank_tdigest", "(digest:dynamic, value:scalar) real", 0, native.PercentRankTDigest, "The percentage of values of a digest that are not above a value."),
		{Names: []string{"tdigest_isvalid"}, Sig: "(digest:dynamic, value:scalar?) bool", Go: native.TDigestIsValid, Note: NullSafe, Doc: "Whether a value is a digest."},
	}
}

// sketchAggregates make and merge sketches. Their first argument is JSON.
func sketchAggregates() []Function {
	row := func(name, sig, sql, doc string) Function {
		return Function{Names: []string{name}, Sig: sig, SQL: sql, Rule: "sketch", Named: ByNameAnd, Doc: doc}
	}
	const (
		hll   = "kql___hll_0('[' || coalesce(string_agg(DISTINCT {0}, ',') {f}, '') || ']', "
		count = "A sketch that counts different values."
	)
	return []Function{
		row("hll", "(value:scalar) dynamic", hll+"1)", count),
		row("hll", "(value:scalar, precision:long) dynamic", hll+"{1})", count),
		row("hll_if", "(value:scalar, condition:bool) dynamic", hll+"1)", count),
		row("hll_if", "(value:scalar, condition:bool, precision:long) dynamic", hll+"{1})", count),
		row("hll_merge", "(sketch:dynamic) dynamic", "kql___hll_merge_0('[' || coalesce(string_agg({0}, ',') {f}, '') || ']')", "All hyperloglogs merged into one."),
		row("tdigest", "(value:summable) dynamic", "kql___tdigest_0('[' || coalesce(string_agg({0}, ',') {f}, '') || ']')", "A sketch that knows percentiles."),
		row("tdigest", "(value:summable, weight:long) dynamic", "kql___tdigest_0('[' || coalesce(string_agg('[' || {0} || ',' || {1} || ']', ',') {f}, '') || ']')", "A sketch of weighted values."),
		{Names: []string{"tdigest_merge", "merge_tdigest"}, Sig: "(digest:dynamic) dynamic", SQL: "kql___tdigest_merge_0('[' || coalesce(string_agg({0}, ',') {f}, '') || ']')", Rule: "sketch", Named: ByNameAnd, Doc: "All digests merged into one."},
	}
}
