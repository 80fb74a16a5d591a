package emit

import (
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// aggregate answers groups in any order, but those of rows that the query
// itself writes down in the order in which they first appear, as the service
// does: lists of such groups, and which of them are taken, are seen.
func (e *emitter) aggregate(r *plan.Aggregate) string {
	in := e.select_(r.In)
	order := ""
	defer func(w bool) { e.written = w }(e.written)
	e.written = plan.Written(r.In)
	if len(r.Keys) > 0 && e.written {
		n := e.fresh("n")
		in = "(SELECT *, row_number() OVER () AS " + n + " FROM " + in + ")"
		order = " ORDER BY min(" + n + ")"
	}
	var cols, group []string
	h := e.with(func() {
		for i, k := range r.Keys {
			cols = append(cols, e.value(k.Value)+" AS "+name(k.Col.ID))
			group = append(group, strconv.Itoa(i+1))
		}
		for _, it := range r.Aggs {
			cols = append(cols, e.agg(it.Value.(*plan.Agg), r)+" AS "+name(it.Col.ID))
		}
	})
	if len(cols) == 0 {
		cols = []string{"count(*) AS z"}
	}
	by := ""
	if len(group) > 0 {
		by = " GROUP BY " + strings.Join(group, ", ")
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + h.input(in) + by + order + ")"
}

// agg writes one aggregate.
func (e *emitter) agg(a *plan.Agg, all *plan.Aggregate) string {
	args := make([]string, len(a.Args))
	for i, x := range a.Args {
		args[i] = e.value(x)
	}
	filter := ""
	where := func(more string) string {
		conds := []string{}
		if a.Filter != nil {
			conds = append(conds, e.cond(a.Filter))
		}
		if more != "" {
			conds = append(conds, more)
		}
		if len(conds) == 0 {
			return ""
		}
		return "FILTER (WHERE " + strings.Join(conds, " AND ") + ")"
	}
	filter = where("")
	switch a.F.Rule {
	case "list", "list_nulls", "set":
		sql := e.listAgg(a, args, where)
		switch {
		case a.Flat && a.F.Rule == "set":
			return "kql___flatset_0(" + sql + ")"
		case a.Flat:
			return "kql___flatten_0(" + sql + ")"
		}
		return sql
	case "bag":
		return "kql___merge_bags_0('[' || coalesce(string_agg(" + args[0] + ", ',') " + filter + ", '') || ']')"
	case "buildschema":
		return "kql___schema_0('[' || coalesce(string_agg(" + args[0] + ", ',') " + filter + ", '') || ']')"
	case "arg_max", "arg_min":
		return e.argExtreme(a, args, all)
	case "percentile", "percentiles", "percentiles_array":
		return "quantile_disc(" + args[0] + ", " + args[1] + ")"
	case "percentilew", "percentilesw", "percentilesw_array":
		return "kql___weighted_0(" + "'[' || coalesce(string_agg('[' || " + args[0] + " || ',' || " + args[1] + " || ']', ','), '') || ']', " + args[2] + ")::" + sqlType(a.T)
	case "extreme":
		sql := a.F.SQL
		if a.T == schema.Decimal || a.T == schema.Dynamic {
			sql = strings.Replace(strings.Replace(sql, "min(", "arg_min({0}, ", 1), "max(", "arg_max({0}, ", 1)
			args[0] = e.once(args[0])
			key := "TRY_CAST(" + args[0] + " AS DOUBLE)"
			if a.T == schema.Dynamic {
				key = "kql___sortkey_0(" + args[0] + ")"
			}
			return strings.NewReplacer("{0}, {0}", args[0]+", "+key, "{f}", filter).Replace(sql)
		}
		if a.T == schema.Real && strings.HasPrefix(sql, "min(") { // NaN is the greatest to the engine, but the least of values with a NaN is NaN
			sql = "(-max(-({0})) {f})"
		}
		sql = strings.NewReplacer("{0}", args[0], "{f}", filter).Replace(sql)
		return e.never(a.T, sql)
	}
	sql := a.F.SQL
	if strings.Count(sql, "{0}") > 1 && len(args) > 0 {
		args[0] = e.once(args[0])
	}
	sql = strings.ReplaceAll(sql, "{f}", filter)
	if len(args) == 0 {
		return sql
	}
	return e.never(a.T, e.template(sql, args))
}

// never makes sure that a string is not null.
func (e *emitter) never(t schema.Type, sql string) string {
	if t == schema.String {
		return "coalesce(" + sql + ", '')"
	}
	return sql
}

// listAgg writes make_list and make_set: the elements are JSON already.
func (e *emitter) listAgg(a *plan.Agg, args []string, where func(string) string) string {
	x := args[0]
	distinct := ""
	if a.F.Rule == "set" && e.written { // sets of such rows are in the order of the rows
		sql := "kql___flatset_0('[' || coalesce(string_agg(" + x + ", ',') " + where("") + ", '') || ']')"
		if len(args) > 1 {
			sql = "kql_array_slice_0(" + sql + ", 0, CAST(" + args[1] + " AS BIGINT) - 1)"
		}
		return sql
	}
	if a.F.Rule == "set" {
		distinct = "DISTINCT "
	}
	if a.F.Rule == "list_nulls" {
		x = "coalesce(" + x + ", 'null')"
	}
	order := ""
	if a.Order != nil {
		order = " ORDER BY " + e.value(a.Order)
	} else if distinct != "" {
		x = e.once(x)            // the engine must see that both are the same
		order = " ORDER BY " + x // a set has no order, but answers should not differ from run to run
	}
	if len(args) > 1 {
		x = e.once(x)
		return "'[' || coalesce(array_to_string(list_slice(list(" + distinct + x + order + ") " + where(x+" IS NOT NULL") + ", 1, " + args[1] + "), ','), '') || ']'"
	}
	return "'[' || coalesce(string_agg(" + distinct + x + ", ','" + order + ") " + where("") + ", '') || ']'"
}

// argExtreme writes arg_max and arg_min. All values asked for beside one key
// come from one row, so they are picked as one structure.
func (e *emitter) argExtreme(a *plan.Agg, args []string, all *plan.Aggregate) string {
	var fields []string
	mine := 0
	for _, it := range all.Aggs {
		o := it.Value.(*plan.Agg)
		if o.F != a.F || plan.Show(o.Args[1]) != plan.Show(a.Args[1]) {
			continue
		}
		if o == a {
			mine = len(fields)
		}
		fields = append(fields, "f"+strconv.Itoa(len(fields))+" := "+e.value(o.Args[0]))
	}
	f := a.F.Rule + "_null"
	key := e.once(args[1])
	row := "struct_pack(" + strings.Join(fields, ", ") + ")"
	sql := "(CASE WHEN count(" + key + ") = 0 THEN first(" + row + ") ELSE " + f + "(" + row + ", " + key + ") END).f" + strconv.Itoa(mine)
	return e.never(a.T, sql)
}
