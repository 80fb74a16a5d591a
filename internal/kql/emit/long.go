package emit

import (
	"fmt"
	"strconv"
	"strings"

	"logkeep/internal/kql/plan"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// manyConstants is how many constants are written one by one. More are given
// as one parameter, a JSON array, which is prepared hundreds of times quicker.
const manyConstants = 100

// longList writes a long list of constant strings as one value.
func (e *emitter) longList(x *plan.In) (string, bool) {
	if len(x.Items) <= manyConstants || x.X.Type() != schema.String {
		return "", false
	}
	items := make([]string, len(x.Items))
	for i, it := range x.Items {
		c, ok := it.(*plan.Const)
		if !ok {
			return "", false
		}
		s, _ := c.Value.(string)
		if x.Fold {
			s = strings.ToLower(s)
		}
		items[i] = syntax.JSONQuote(s)
	}
	return e.jsonList(items), true
}

func (e *emitter) jsonList(items []string) string {
	return "json_extract_string(" + e.text("["+strings.Join(items, ",")+"]") + ", '$[*]')"
}

// longValues writes many constant rows: an array for each column, expanded
// side by side.
func (e *emitter) longValues(r *plan.Values) (string, bool) {
	if len(r.Rows) <= manyConstants {
		return "", false
	}
	var lists, cols []string
	for j, c := range r.Cols {
		items := make([]string, len(r.Rows))
		for i, row := range r.Rows {
			k, ok := row[j].(*plan.Const)
			if !ok {
				return "", false
			}
			items[i] = jsonConstant(k)
		}
		lists = append(lists, fmt.Sprintf("unnest(%s) AS v%d", e.jsonList(items), j))
		sql := fmt.Sprintf("CAST(v%d AS %s)", j, sqlType(c.Type))
		if c.Type == schema.String {
			sql = "coalesce(" + sql + ", '')"
		}
		cols = append(cols, sql+" AS "+name(c.ID))
	}
	return "(SELECT " + strings.Join(cols, ", ") + " FROM (SELECT " + strings.Join(lists, ", ") + "))", true
}

// jsonConstant writes a constant as a JSON string that casts back to it.
func jsonConstant(c *plan.Const) string {
	switch v := c.Value.(type) {
	case bool:
		return syntax.JSONQuote(strconv.FormatBool(v))
	case int64:
		return syntax.JSONQuote(strconv.FormatInt(v, 10))
	case schema.Ticks:
		return syntax.JSONQuote(strconv.FormatInt(int64(v), 10))
	case schema.Span:
		return syntax.JSONQuote(strconv.FormatInt(int64(v), 10))
	case float64:
		return syntax.JSONQuote(strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		return syntax.JSONQuote(v)
	}
	return "null"
}
