package builtin

import "logkeep/internal/kql/native"

// internalRows are what the binder and the emitter call themselves. Their
// names begin with two underscores and no query can call them by accident.
func internalRows() []Function {
	g := func(name, sig string, note Behaviour, eval func([]any) (any, error)) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Note: note}
	}
	return []Function{
		{Names: []string{"__nulltext"}, Sig: "(dynamic) dynamic", SQL: "coalesce({0}, 'null')"},
		g("__parse", "(text:string, regex:string, types:string, mode:string) dynamic", 0, native.ParsePattern),
		g("__parse_kv", "(text:string, pair:string, kv:string, quote:string, escape:string, regex:string, greedy:string, keys:string) dynamic", 0, native.ParseKv),
		g("__series", "(rows:dynamic, from:scalar?, to:scalar?, step:scalar, defaults:string, axis:string) dynamic", NullSafe, native.Series),
		{Names: []string{"__rawjson"}, Sig: "(integer/real) dynamic", SQL: "CAST({0} AS VARCHAR)"},
		g("__jsontext", "(dynamic) string", 0, native.JSONText),
		g("__sortkey", "(dynamic) string", 0, native.SortKey),
		g("__in", "(value:dynamic, list:dynamic) bool", NullSafe, native.In(false)),
		g("__in_fold", "(value:dynamic, list:dynamic) bool", NullSafe, native.In(true)),
		g("__has_any", "(text:string, terms:dynamic) bool", NullSafe, native.HasAny),
		g("__has_any_of", "(text:string, terms:dynamic) bool", 0, native.HasAnyOf),
		g("__has_all", "(text:string, terms:dynamic) bool", NullSafe, native.HasAll),
		g("__ipv4_first", "(text:string) string", 0, native.IPEnds(true, false)),
		g("__ipv4_last", "(text:string) string", 0, native.IPEnds(true, true)),
		g("__ipv6_first", "(text:string) string", 0, native.IPEnds(false, false)),
		g("__ipv6_last", "(text:string) string", 0, native.IPEnds(false, true)),
		{Names: []string{"__has"}, Sig: "(text:string, term:string, left:bool, right:bool) bool", Go: native.Has, Search: native.Finder(false)},
		{Names: []string{"__has_fold"}, Sig: "(text:string, term:string, left:bool, right:bool) bool", Go: native.HasFold, Search: native.Finder(true)},
		g("__matches", "(text:string, regex:string) bool", 0, native.Matches),
		g("__element", "(value:dynamic, key:dynamic) dynamic", 0, native.ElementOf),
		g("__flatset", "(value:dynamic) dynamic", 0, native.FlatSet),
		g("__flatten", "(value:dynamic) dynamic", 0, native.Flatten),
		g("__merge_bags", "(bags:dynamic) dynamic", 0, native.MergeBags),
		g("__schema", "(values:dynamic) dynamic", 0, native.BuildSchema),
		g("__decimal_sum", "(values:dynamic) decimal", 0, native.DecimalSum(false)),
		g("__decimal_mean", "(values:dynamic) decimal", 0, native.DecimalSum(true)),
		g("__weighted", "(pairs:dynamic, q:real) real", 0, native.WeightedPercentile),
		g("__bag_items", "(value:dynamic) dynamic", 0, native.BagItems),
		g("__bag_pairs", "(value:dynamic) dynamic", 0, native.BagPairs),
		g("__sessions", "(rows:string) string", 0, native.Sessions),
		{Names: []string{"__scan"}, Sig: "(rows:dynamic, program:string) dynamic", SQL: "kqlmachine_scan({0}, {1})"},
		g("__reduce", "(texts:dynamic, threshold:real, characters:string) dynamic", 0, native.Reduce),
		g("__basket", "(rows:dynamic, threshold:real, dimensions:long) dynamic", 0, native.Basket),
		g("__autocluster", "(rows:dynamic, size:real) dynamic", 0, native.Autocluster),
		g("__diffpatterns", "(rows:dynamic, threshold:real, dimensions:long) dynamic", 0, native.Diffpatterns),
		g("__geo_leaf", "(longitude:real, latitude:real) long", 0, native.GeoLeaf),
		g("__geo_covering", "(shape:dynamic, radius:real) dynamic", 0, native.GeoCovering),
		g("__dcount_intersect", "(sketches:dynamic...) dynamic", NullSafe, native.DCountIntersect),
		g("__pack_skip", "(pairs:scalar...) dynamic", NullSafe, native.PackSkip),
	}
}
