package emit

import (
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// call writes a function of the table.
func (e *emitter) call(c *plan.Call) string {
	if p, ok := c.TextOf(); ok {
		return e.path(p, true)
	}
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = e.value(a)
	}
	if c.F.SQL == "least({*})" && c.T == schema.Real { // the least of values with a NaN is NaN, which the engine takes for the greatest
		for i := range args {
			args[i] = "-(" + args[i] + ")"
		}
		return "(-greatest(" + strings.Join(args, ", ") + "))"
	}
	if c.F.SQL != "" {
		return e.template(c.F.SQL, args)
	}
	sql := c.F.Native() + "(" + strings.Join(args, ", ") + ")"
	if c.T == schema.String {
		return "coalesce(" + sql + ", '')"
	}
	return sql
}

// template puts arguments in the place of {0}, {1}, … and all of them in that
// of {*}. Those that are needed several times are computed once.
func (e *emitter) template(sql string, args []string) string {
	if strings.Contains(sql, "{*}") {
		return strings.ReplaceAll(sql, "{*}", strings.Join(args, ", "))
	}
	for i, a := range args {
		mark := "{" + strconv.Itoa(i) + "}"
		if strings.Count(sql, mark) > 1 || strings.HasPrefix(sql, "TRY(") && strings.Contains(a, "(SELECT ") {
			a = e.once(a)
		}
		sql = strings.ReplaceAll(sql, mark, a)
	}
	return sql
}
