package builtin

import "logkeep/internal/kql/native"

const wrong = "CAST(NULL AS BIGINT)"

// convertRows turn values of one type into another. What can't be turned is null.
func convertRows() []Function {
	toLong := []string{"tolong", "__tolong"}
	toReal := []string{"todouble", "toreal"}
	toTime := []string{"todatetime"}
	toSpan := []string{"totimespan", "totime"}
	toBool := []string{"tobool", "toboolean"}
	toDynamic := []string{"todynamic", "parse_json", "parsejson", "toobject"}
	const as = "A value as text."
	rows := []Function{
		{Names: []string{"tostring"}, Sig: "(string) string", SQL: "{0}", Doc: as},
		{Names: []string{"tostring"}, Sig: "(bool) string", SQL: "(CASE {0} WHEN true THEN 'True' WHEN false THEN 'False' ELSE '' END)", Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(integer) string", SQL: "coalesce(CAST({0} AS VARCHAR), '')", Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(real) string", Go: native.RealText, Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(datetime) string", Go: native.TimeText, Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(timespan) string", Go: native.SpanText, Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(guid) string", SQL: "coalesce({0}, '')", Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(decimal) string", SQL: "coalesce({0}, '')", Note: NoNull, Doc: as},
		{Names: []string{"tostring"}, Sig: "(dynamic) string", SQL: "(CASE WHEN left({0}, 1) IN ('{', '[') THEN kql___jsontext_0({0}) ELSE coalesce(json_extract_string({0}, '$'), '') END)", Note: NoNull, Doc: as},

		{Names: toLong, Sig: "(integer) long", SQL: "CAST({0} AS BIGINT)", Doc: "A value as a long."},
		{Names: toLong, Sig: "(real) long", SQL: "coalesce(TRY_CAST(trunc({0}) AS BIGINT), CASE WHEN isfinite({0}) THEN CAST('-9223372036854775808' AS BIGINT) END)", Doc: "A value as a long."},
		{Names: toLong, Sig: "(bool) long", SQL: "CAST({0} AS BIGINT)", Doc: "A value as a long."},
		{Names: toLong, Sig: "(datetime/timespan) long", SQL: "{0}", Doc: "A value as a long."},
		{Names: toLong, Sig: "(guid) long", SQL: wrong, Doc: "A value as a long."},
		{Names: toLong, Sig: "(string) long", Go: native.ParseLong, Doc: "A value as a long."},
		{Names: toLong, Sig: "(decimal) long", Go: native.DecimalLong, Doc: "A value as a long."},
		{Names: toLong, Sig: "(dynamic) long", Go: native.DynamicLong, Doc: "A value as a long."},

		{Names: []string{"toint"}, Sig: "(int) int", SQL: "{0}", Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(long/datetime/timespan) int", SQL: "CAST(((({0} % 4294967296) + 6442450944) % 4294967296) - 2147483648 AS INTEGER)", Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(real) int", SQL: "TRY_CAST(trunc({0}) AS INTEGER)", Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(bool) int", SQL: "CAST({0} AS INTEGER)", Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(guid) int", SQL: "CAST(NULL AS INTEGER)", Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(string) int", Go: native.ParseInt, Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(decimal) int", Go: native.DecimalInt, Doc: "A value as an int."},
		{Names: []string{"toint"}, Sig: "(dynamic) int", Go: native.DynamicInt, Doc: "A value as an int."},

		{Names: toReal, Sig: "(real) real", SQL: "{0}", Doc: "A value as a real."},
		{Names: toReal, Sig: "(integer) real", SQL: "CAST({0} AS DOUBLE)", Doc: "A value as a real."},
		{Names: toReal, Sig: "(bool/datetime/timespan) real", SQL: "CAST({0} AS DOUBLE)", Doc: "A value as a real."},
		{Names: toReal, Sig: "(guid) real", SQL: "CAST(NULL AS DOUBLE)", Doc: "A value as a real."},
		{Names: toReal, Sig: "(string) real", Go: native.ParseReal, Doc: "A value as a real."},
		{Names: toReal, Sig: "(decimal) real", Go: native.DecimalReal, Doc: "A value as a real."},
		{Names: toReal, Sig: "(dynamic) real", Go: native.DynamicReal, Doc: "A value as a real."},

		{Names: []string{"todecimal"}, Sig: "(decimal) decimal", SQL: "{0}", Doc: "A value as a decimal."},
		{Names: []string{"todecimal"}, Sig: "(integer/bool/datetime/timespan) decimal", SQL: "CAST(CAST({0} AS BIGINT) AS VARCHAR)", Doc: "A value as a decimal."},
		{Names: []string{"todecimal"}, Sig: "(real) decimal", Go: native.RealDecimal, Doc: "A value as a decimal."},
		{Names: []string{"todecimal"}, Sig: "(guid) decimal", SQL: "CAST(NULL AS VARCHAR)", Doc: "A value as a decimal."},
		{Names: []string{"todecimal"}, Sig: "(string) decimal", Go: native.ParseDecimal, Doc: "A value as a decimal."},
		{Names: []string{"todecimal"}, Sig: "(dynamic) decimal", Go: native.DynamicDecimal, Doc: "A value as a decimal."},

		{Names: toBool, Sig: "(bool) bool", SQL: "{0}", Doc: "A value as a bool."},
		{Names: toBool, Sig: "(integer/real) bool", SQL: "({0} <> 0)", Doc: "A value as a bool."},
		{Names: toBool, Sig: "(datetime/timespan) bool", SQL: "({0} <> 0)", Doc: "A value as a bool."},
		{Names: toBool, Sig: "(guid) bool", SQL: "CAST(NULL AS BOOLEAN)", Doc: "A value as a bool."},
		{Names: toBool, Sig: "(string) bool", Go: native.ParseBool, Doc: "A value as a bool."},
		{Names: toBool, Sig: "(dynamic) bool", Go: native.DynamicBool, Doc: "A value as a bool."},

		{Names: toTime, Sig: "(datetime) datetime", SQL: "{0}", Doc: "A value as a datetime."},
		{Names: toTime, Sig: "(integer) datetime", SQL: "(CASE WHEN {0} BETWEEN 0 AND 3155378975999999999 THEN CAST({0} AS BIGINT) END)", Doc: "A value as a datetime; a number counts ticks."},
		{Names: toTime, Sig: "(decimal/timespan/bool/guid) datetime", SQL: wrong, Doc: "A value as a datetime."},
		{Names: toTime, Sig: "(real) datetime", SQL: "(CASE WHEN {0} >= 0 AND {0} < 3155378976000000000 THEN TRY_CAST(trunc({0}) AS BIGINT) END)", Doc: "A value as a datetime; a number counts ticks."},
		{Names: toTime, Sig: "(string) datetime", Go: native.ParseTime, Doc: "A value as a datetime."},
		{Names: toTime, Sig: "(dynamic) datetime", Go: native.DynamicTime, Doc: "A value as a datetime."},

		{Names: toSpan, Sig: "(timespan) timespan", SQL: "{0}", Doc: "A value as a timespan."},
		{Names: toSpan, Sig: "(integer) timespan", SQL: "CAST({0} AS BIGINT)", Doc: "A value as a timespan; a number counts ticks."},
		{Names: toSpan, Sig: "(real/decimal/datetime/bool/guid) timespan", SQL: wrong, Doc: "A value as a timespan."},
		{Names: toSpan, Sig: "(string) timespan", Go: native.ParseSpan, Doc: "A value as a timespan."},
		{Names: toSpan, Sig: "(dynamic) timespan", Go: native.DynamicSpan, Doc: "A value as a timespan."},

		{Names: []string{"toguid"}, Sig: "(guid) guid", SQL: "{0}", Doc: "A value as a guid."},
		{Names: []string{"toguid"}, Sig: "(string) guid", Go: native.ParseGUID, Doc: "A value as a guid."},
		{Names: []string{"toguid"}, Sig: "(dynamic) guid", Go: native.DynamicGUID, Doc: "A value as a guid."},

		{Names: toDynamic, Sig: "(dynamic) dynamic", SQL: "{0}", Doc: "JSON text as a dynamic value."},
		{Names: toDynamic, Sig: "(string) dynamic", SQL: "(CASE WHEN {0} = '' THEN NULL WHEN json_valid({0}) THEN nullif(CAST(json({0}) AS VARCHAR), 'null') ELSE CAST(to_json({0}) AS VARCHAR) END)", Doc: "JSON text as a dynamic value."},
		{Names: toDynamic, Sig: "(scalar) dynamic", Rule: "todynamic", SQL: "{0}", Doc: "JSON text as a dynamic value."},
	}
	for i := range rows {
		rows[i].Named = ByArgument
	}
	// __json is how values of each type stand inside a dynamic value.
	for sig, sql := range map[string]string{
		"(string) dynamic": "CAST(to_json({0}) AS VARCHAR)", "(bool) dynamic": "CAST({0} AS VARCHAR)", "(integer) dynamic": "CAST({0} AS VARCHAR)",
		"(guid) dynamic": "('\"' || {0} || '\"')", "(decimal) dynamic": "('\"' || {0} || '\"')", "(dynamic) dynamic": "{0}",
	} {
		rows = append(rows, Function{Names: []string{"__json"}, Sig: sig, SQL: sql})
	}
	return append(rows,
		Function{Names: []string{"__json"}, Sig: "(real) dynamic", Go: native.RealJSON},
		Function{Names: []string{"__json"}, Sig: "(datetime) dynamic", Go: native.TimeJSON},
		Function{Names: []string{"__json"}, Sig: "(timespan) dynamic", Go: native.SpanJSON},
		Function{Names: []string{"__deccmp"}, Sig: "(decimal, decimal) long", Go: native.DecimalCompare})
}
