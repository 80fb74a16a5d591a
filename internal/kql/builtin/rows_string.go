package builtin

import "logkeep/internal/kql/native"

// stringRows are the functions on strings that log queries use most.
func stringRows() []Function {
	f := func(name, sig, sql, doc string) Function {
		return Function{Names: []string{name}, Sig: sig, SQL: sql, Doc: doc}
	}
	g := func(name, sig string, eval func([]any) (any, error), note Behaviour, doc string) Function {
		return Function{Names: []string{name}, Sig: sig, Go: eval, Note: note, Doc: doc}
	}
	return []Function{
		f("isempty", "(string) bool", "({0} = '')", "Whether a string is empty."),
		f("isempty", "(dynamic) bool", "(coalesce(json_extract_string({0}, '$'), '') = '')", "Whether a value is null or empty."),
		f("isempty", "(scalar) bool", "({0} IS NULL)", "Whether a value is null."),
		f("isnotempty", "(string) bool", "({0} <> '')", "Whether a string has any character."),
		f("isnotempty", "(dynamic) bool", "(coalesce(json_extract_string({0}, '$'), '') <> '')", "Whether a value is neither null nor empty."),
		f("isnotempty", "(scalar) bool", "({0} IS NOT NULL)", "Whether a value is not null."),
		{Names: []string{"notempty"}, Sig: "(string) bool", SQL: "({0} <> '')", Doc: "Old name of isnotempty."},
		{Names: []string{"notempty"}, Sig: "(dynamic) bool", SQL: "(coalesce(json_extract_string({0}, '$'), '') <> '')", Doc: "Old name of isnotempty."},
		{Names: []string{"notempty"}, Sig: "(scalar) bool", SQL: "({0} IS NOT NULL)", Doc: "Old name of isnotempty."},
		f("isnull", "(string) bool", "false", "Whether a value is null; a string never is."),
		f("isnull", "(scalar) bool", "({0} IS NULL)", "Whether a value is null; a string never is."),
		{Names: []string{"isnotnull", "notnull"}, Sig: "(string) bool", SQL: "true", Doc: "Whether a value is not null."},
		{Names: []string{"isnotnull", "notnull"}, Sig: "(scalar) bool", SQL: "({0} IS NOT NULL)", Doc: "Whether a value is not null."},
		{Names: []string{"strlen"}, Sig: "(text) long", SQL: "CAST(length({0}) AS BIGINT)", Named: ByNameAnd, Doc: "The number of characters."},
		{Names: []string{"string_size"}, Sig: "(text) long", SQL: "CAST(strlen({0}) AS BIGINT)", Named: ByNameAnd, Doc: "The number of bytes in UTF-8."},
		f("tolower", "(astext) string", "lower({0})", "In lower case."),
		// The engine has a capital for ß; the language has none.
		f("toupper", "(astext) string", "(CASE WHEN contains({0}, 'ß') THEN replace(upper(replace({0}, 'ß', chr(57551))), chr(57551), 'ß') ELSE upper({0}) END)", "In upper case."),
		{Names: []string{"strcat"}, Sig: "(values:scalar...) string", Rule: "strcat", SQL: "concat({*})", Note: NoNull, Doc: "Values as text, one after another."},
		{Names: []string{"strcat_delim"}, Sig: "(delimiter:string, values:scalar...) string", Rule: "strcat", SQL: "concat_ws({*})", Note: NoNull, Doc: "Values as text with a delimiter between them."},
		g("substring", "(text:astext, start:long, length:long?) string", native.Substring, 0, "A piece of a string; positions count from 0."),
		f("reverse", "(astext) string", "reverse({0})", "Backwards."),
		f("replace_string", "(text, find:text, rewrite:text) string", "replace({0}, {1}, {2})", "Every occurrence replaced."),
		g("replace_strings", "(text, find:dynamic, rewrite:dynamic) string", native.ReplaceStrings, 0, "Every occurrence of several strings replaced."),
		{Names: []string{"replace_regex"}, Sig: "(text, regex:string, rewrite:string) string", Go: native.ReplaceRegex, Doc: "Every match replaced; \\1 is the first group."},
		{Names: []string{"replace"}, Sig: "(regex:string, rewrite:string, text) string", Go: native.ReplaceOld, Doc: "Old form of replace_regex."},
		g("trim", "(regex:string, text) string", native.Trim, 0, "Without matches at both ends."),
		g("trim_start", "(regex:string, text) string", native.TrimStart, 0, "Without a match at the start."),
		g("trim_end", "(regex:string, text) string", native.TrimEnd, 0, "Without a match at the end."),
		{Names: []string{"split"}, Sig: "(text:astext, delimiter:string, index:long?) dynamic", Go: native.Split, Named: ByArgument, Doc: "The pieces between delimiters."},
		{Names: []string{"extract"}, Sig: "(regex:string, group:long, text) string", Go: native.Extract, Doc: "A group of the first match."},
		{Names: []string{"extract"}, Sig: "(regex:string, group:long, text, type:scalar) literal", Rule: "extract_typed", Doc: "A group of the first match as a type."},
		{Names: []string{"extract_all", "extractall"}, Sig: "(regex:string, text) dynamic", Go: native.ExtractAll, Doc: "All groups of all matches."},
		{Names: []string{"extract_all", "extractall"}, Sig: "(regex:string, groups:dynamic, text) dynamic", Go: native.ExtractGroups, Doc: "Some groups of all matches."},
		g("indexof", "(text:astext, lookup:astext, start:long?, length:long?, occurrence:long?) long", native.IndexOf, 0, "Where a string first occurs, -1 if it does not."),
		g("indexof_regex", "(text:astext, regex:astext, start:long?, length:long?, occurrence:long?) long", native.IndexOfRegex, 0, "Where a pattern first matches, -1 if it does not."),
		g("countof", "(text, search:text, kind:string?) long", native.CountOf, 0, "How often a string or pattern occurs."),
		g("strcmp", "(a:astext, b:astext) long", native.StrCmp, 0, "-1, 0 or 1 as the first string sorts before, at or after the second."),
		{Names: []string{"strrep"}, Sig: "(value:scalar, times:long, delimiter:astext?) string", Go: native.StrRep, Doc: "A value as text several times."},
		{Names: []string{"repeat"}, Sig: "(value:scalar, times:long) dynamic", Go: native.Repeat, Note: NullSafe, Named: ByNameAnd, Doc: "An array of one value several times."},
		g("has_any_index", "(text, lookup:dynamic) long", native.HasAnyIndex, 0, "Which of several terms is there first in the list, -1 if none is."),
		g("has_ipv4", "(text, ip:string) bool", native.HasIPv4, 0, "Whether an address stands in a text."),
		g("has_any_ipv4", "(text, ips:scalar...) bool", native.HasAnyIPv4, 0, "Whether one of several addresses stands in a text."),
		g("has_ipv4_prefix", "(text, prefix:string) bool", native.HasIPv4Prefix, 0, "Whether an address with a prefix stands in a text."),
		g("has_any_ipv4_prefix", "(text, prefixes:scalar...) bool", native.HasAnyIPv4Prefix, 0, "Whether an address with one of several prefixes stands in a text."),
		{Names: []string{"gettype"}, Sig: "(string) string", SQL: "'string'", Named: ByNameAnd, Prefix: "type", Doc: "The name of a value's type."},
		{Names: []string{"gettype"}, Sig: "(dynamic) string", Go: native.GetType, Note: NullSafe, Named: ByNameAnd, Doc: "The name of a value's type."},
		{Names: []string{"gettype"}, Sig: "(scalar) string", Rule: "gettype", Named: ByNameAnd, Doc: "The name of a value's type."},
		f("new_guid", "() guid", "CAST(uuid() AS VARCHAR)", "A random guid."),
		{Names: []string{"assert"}, Sig: "(condition:bool, message:string) bool", Rule: "assert", Doc: "Ends the query with a message if a condition is false."},
	}
}
