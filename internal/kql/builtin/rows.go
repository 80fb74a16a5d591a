package builtin

import "slices"

// rows is the whole table of scalar functions, chapter by chapter.
func rows() []Function {
	return slices.Concat(ruleRows(), convertRows(), stringRows(), textRows(), timeRows(), mathRows(), dynamicRows(), netRows(), hashRows(), seriesRows(), sketchRows(), geoRows(), unitRows(), windowRows(), internalRows())
}

// ruleRows are the functions that the binder treats by rules of its own. Their
// signatures are for the reader.
func ruleRows() []Function {
	return []Function{
		{Names: []string{"iff", "iif"}, Sig: "(if:bool, then:scalar, else:scalar) common", Rule: "iff", Doc: "One of two values."},
		{Names: []string{"case"}, Sig: "(values:scalar...) common", Rule: "case", Doc: "The value behind the first condition that is true, else the last."},
		{Names: []string{"coalesce"}, Sig: "(values:scalar...) common", Rule: "coalesce", Doc: "The first value that is not null; of strings the first that is not empty."},
		{Names: []string{"not"}, Sig: "(bool) bool", Rule: "not", Doc: "The opposite."},
		{Names: []string{"now"}, Sig: "(offset:timespan?) datetime", Rule: "now", Doc: "The time at which the query began."},
		{Names: []string{"ago"}, Sig: "(timespan) datetime", Rule: "ago", Doc: "A time before the query began."},
		{Names: []string{"bin_auto"}, Sig: "(value:scalar) same", Rule: "bin_auto", Named: ByArgument, Doc: "A value rounded down by the steps that set query_bin_auto_size gives."},
		{Names: []string{"toscalar"}, Sig: "(table:scalar) scalar", Rule: "toscalar", Doc: "The first value of a table."},
		{Names: []string{"column_ifexists", "columnifexists"}, Sig: "(name:string, default:scalar) same1", Rule: "column_ifexists", Doc: "A column if the input has it, else the default."},
		{Names: []string{"column_names_of"}, Sig: "(table:scalar) dynamic", Rule: "column_names_of", Doc: "The names of a table's columns."},
		{Names: []string{"iscolumnexists"}, Sig: "(name:string) bool", Rule: "iscolumnexists", Doc: "Whether the input has a column."},
		{Names: []string{"pack_all"}, Sig: "(ignore_null_empty:bool?) dynamic", Rule: "pack_all", Doc: "All columns as a bag."},
		{Names: []string{"bag_pack_columns"}, Sig: "(columns:scalar...) dynamic", Rule: "bag_pack_columns", Doc: "The given columns as a bag."},
		{Names: []string{"typeof"}, Sig: "(type:scalar) string", Rule: "typeof", Doc: "Names a type where one is asked for."},
		{Names: []string{"prev"}, Sig: "(column:scalar, offset:long?, default:scalar?) same", Rule: "prev", Note: Serialized, Doc: "A value of an earlier row."},
		{Names: []string{"next"}, Sig: "(column:scalar, offset:long?, default:scalar?) same", Rule: "next", Note: Serialized, Doc: "A value of a later row."},
		{Names: []string{"row_number"}, Sig: "(start:long?, restart:bool?) long", Rule: "row_number", Note: Serialized, Doc: "The position of the row."},
		{Names: []string{"row_cumsum"}, Sig: "(term:number, restart:bool?) same", Rule: "row_cumsum", Note: Serialized, Doc: "The sum of this and all earlier rows."},
		{Names: []string{"row_rank"}, Sig: "(term:scalar, dense:bool?) long", Rule: "row_rank", Note: Serialized, Doc: "Old name of row_rank_dense."},
		{Names: []string{"row_rank_dense"}, Sig: "(term:scalar, restart:bool?) long", Rule: "row_rank_dense", Note: Serialized, Doc: "How many different values came up to this row."},
		{Names: []string{"row_rank_min"}, Sig: "(term:scalar, restart:bool?) long", Rule: "row_rank_min", Note: Serialized, Doc: "The position of the first row with this value."},
		{Names: []string{"row_window_session"}, Sig: "(time:datetime, max_from_first:timespan, max_between:timespan, restart:bool?) datetime", Rule: "row_window_session", Note: Serialized, Doc: "The start of the session to which a row belongs."},
	}
}

// windowRows are functions about the query itself.
func windowRows() []Function {
	return []Function{
		{Names: []string{"current_principal"}, Sig: "() string", SQL: "''", Doc: "Who asks; empty here."},
		{Names: []string{"current_principal_details"}, Sig: "() dynamic", SQL: "'{}'", Doc: "Details on who asks; empty here."},
		{Names: []string{"current_principal_is_member_of"}, Sig: "(groups:scalar...) bool", SQL: "false", Doc: "Whether who asks is in a group; false here."},
		{Names: []string{"current_cluster_endpoint"}, Sig: "() string", SQL: "''", Doc: "The address of the cluster; empty here."},
		{Names: []string{"current_database"}, Sig: "() string", SQL: "''", Doc: "The name of the database; empty here."},
		{Names: []string{"ingestion_time"}, Sig: "() datetime", Rule: "ingestion_time", Named: ByPrefix, Prefix: "$IngestionTime", Doc: "When a row came in: TimeGenerated, as arrival is not kept apart; null where there is none."},
		{Names: []string{"estimate_data_size"}, Sig: "(values:scalar...) long", Rule: "data_size", Doc: "About how many bytes values take."},
	}
}
