package builtin

import "logkeep/internal/kql/native"

// dynamicRows are the functions on dynamic values: arrays, bags and sets.
func dynamicRows() []Function {
	g := func(name, sig string, note Behaviour, eval func([]any) (any, error), doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Note: note, Doc: doc}
	}
	n := func(names []string, sig string, note Behaviour, eval func([]any) (any, error), doc string) Function {
		return Function{Names: names, Sig: sig, Go: eval, Note: note, Doc: doc}
	}
	return []Function{
		{Names: []string{"array_length"}, Sig: "(array:dynamic) long", SQL: "(CASE json_type({0}) WHEN 'ARRAY' THEN CAST(json_array_length({0}) AS BIGINT) END)", Doc: "The number of elements."},
		n([]string{"arraylength"}, "(array:dynamic) long", 0, native.ArrayLength, "Old name of array_length."),
		n([]string{"bag_pack", "pack", "pack_dictionary"}, "(pairs:scalar...) dynamic", NullSafe, native.Pack, "A bag of names and values."),
		n([]string{"pack_array"}, "(values:scalar...) dynamic", NullSafe, native.PackArray, "An array of values."),
		g("pack_array", "() dynamic", 0, func([]any) (any, error) { return "[]", nil }, "An array of values."),
		n([]string{"array_concat"}, "(arrays:dynamic...) dynamic", NullSafe, native.ArrayConcat, "Arrays one after another."),
		g("array_slice", "(array:dynamic, start:long, end:long) dynamic", 0, native.ArraySlice, "A piece of an array, its end included."),
		g("array_index_of", "(array:dynamic, value:scalar, start:long?, length:long?, occurrence:long?) long", 0, native.ArrayIndexOf, "Where a value first stands, -1 if nowhere."),
		g("array_sum", "(array:dynamic) real", 0, native.ArraySum, "The sum of the elements."),
		g("array_reverse", "(array:dynamic) dynamic", 0, native.ArrayReverse, "Backwards."),
		n([]string{"array_iff", "array_iif"}, "(if:dynamic, then:scalar, else:scalar) dynamic", NullSafe, native.ArrayIff, "Element by element one of two values."),
		g("array_rotate_left", "(array:dynamic, by:long) dynamic", 0, native.Rotate(1), "Elements moved to the left, around."),
		g("array_rotate_right", "(array:dynamic, by:long) dynamic", 0, native.Rotate(-1), "Elements moved to the right, around."),
		g("array_shift_left", "(array:dynamic, by:long, fill:scalar?) dynamic", 0, native.Shift(1), "Elements moved to the left."),
		g("array_shift_right", "(array:dynamic, by:long, fill:scalar?) dynamic", 0, native.Shift(-1), "Elements moved to the right."),
		g("array_split", "(array:dynamic, at:scalar) dynamic", 0, native.ArraySplit, "An array cut at positions."),
		n([]string{"strcat_array", "array_strcat"}, "(array:dynamic, delimiter:astext) string", 0, native.StrcatArray, "The elements as text with a delimiter between them."),
		n([]string{"zip"}, "(arrays:dynamic...) dynamic", NullSafe, native.Zip, "Arrays side by side."),
		n([]string{"bag_keys"}, "(bag:dynamic) dynamic", 0, native.BagKeys, "The names of the properties."),
		n([]string{"bag_values"}, "(bag:dynamic) dynamic", 0, native.BagValues, "The values of the properties."),
		g("bag_has_key", "(bag:dynamic, key:string) bool", 0, native.BagHasKey, "Whether a property is there."),
		n([]string{"bag_merge"}, "(bags:dynamic...) dynamic", NullSafe, native.BagMerge, "Bags merged; the first one that has a property wins."),
		g("bag_remove_keys", "(bag:dynamic, keys:dynamic) dynamic", 0, native.BagRemoveKeys, "A bag without some properties."),
		g("bag_set_key", "(bag:dynamic, key:string, value:scalar) dynamic", NullSafe, native.BagSetKey, "A bag with a property set."),
		g("bag_zip", "(keys:dynamic, values:dynamic) dynamic", 0, native.BagZip, "A bag of an array of names and one of values."),
		n([]string{"extractjson", "extract_json"}, "(path:string, json:text) string", 0, native.ExtractJSON, "The value at a path."),
		{Names: []string{"extractjson", "extract_json"}, Sig: "(path:string, json:text, type:scalar) literal", Rule: "typed", Doc: "The value at a path as a type."},
		g("set_union", "(arrays:dynamic...) dynamic", NullSafe, native.SetUnion, "What is in any of several arrays."),
		g("set_intersect", "(arrays:dynamic...) dynamic", NullSafe, native.SetIntersect, "What is in all of several arrays."),
		g("set_difference", "(arrays:dynamic...) dynamic", NullSafe, native.SetDifference, "What is in the first array only."),
		g("set_equals", "(a:dynamic, b:dynamic) bool", NullSafe, native.SetEquals, "Whether two arrays have the same elements."),
		g("set_has_element", "(array:dynamic, value:scalar) bool", 0, native.SetHas, "Whether a value is in an array."),
		g("jaccard_index", "(a:dynamic, b:dynamic) real", 0, native.Jaccard, "How much two sets have in common."),
		{Names: []string{"treepath"}, Sig: "(value:dynamic) dynamic", Go: native.TreePath, Named: ByNameAnd, Prefix: "tree", Doc: "All paths of a value."},
		g("range", "(from:scalar, to:scalar, step:scalar?) dynamic", 0, native.Range, "An array of values from one to another."),
		{Names: []string{"dynamic_to_json"}, Sig: "(scalar) string", Go: native.ToJSON, Doc: "JSON text with sorted properties."},
		{Names: []string{"parse_csv"}, Sig: "(text) dynamic", Go: native.ParseCSV, Named: ByArgument, Doc: "The fields of a line."},
		{Names: []string{"parse_xml"}, Sig: "(text) dynamic", Go: native.ParseXML, Named: ByArgument, Doc: "XML as a dynamic value."},
		{Names: []string{"parse_cef_dictionary"}, Sig: "(text) dynamic", Go: native.ParseCEF, Named: ByArgument, Doc: "The header and the extension of a CEF message; made for transformations."},
	}
}
