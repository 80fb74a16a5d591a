package kql_test

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"logkeep/internal/duck"
	"logkeep/internal/kql"
)

// crowd stands for a stored table of many or few rows, as the engine guesses
// their number from segments.
func crowd(rows map[string]int) func(kql.Source) string {
	return func(s kql.Source) string {
		t, _ := tables{}.Table(string(s.Table))
		var cols []string
		for _, name := range s.Columns {
			c, _ := t.Column(name)
			switch c.Type.String() {
			case "long", "datetime":
				cols = append(cols, "i")
			default:
				cols = append(cols, "CAST(i AS VARCHAR)")
			}
		}
		return fmt.Sprintf("(SELECT %s FROM range(%d) AS r(i))", strings.Join(cols, ", "), rows[string(s.Table)])
	}
}

// joins tells how the engine means to run the joins of a program: which side it
// keeps in memory, and which it reads past that.
func joins(t *testing.T, db *duck.DB, p *kql.Program, rows map[string]int) string {
	sql, args := p.Statement(crowd(rows))
	result, err := db.Query(t.Context(), "EXPLAIN (FORMAT json) "+sql, args)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	dest := make([]driver.Value, 2)
	if err := result.Next(dest); err != nil {
		t.Fatal(err)
	}
	type node struct {
		Name     string         `json:"name"`
		Children []node         `json:"children"`
		Extra    map[string]any `json:"extra_info"`
	}
	var plan []node
	if err := json.Unmarshal([]byte(dest[1].(string)), &plan); err != nil {
		t.Fatal(err)
	}
	size := func(n node) string { return fmt.Sprint(n.Extra["Estimated Cardinality"]) }
	var b strings.Builder
	var walk func(n node)
	walk = func(n node) {
		if strings.HasSuffix(n.Name, "_JOIN") || n.Name == "CROSS_PRODUCT" {
			kind, _ := n.Extra["Join Type"].(string)
			fmt.Fprintf(&b, "%s %s reads %s keeps %s\n", n.Name, kind, size(n.Children[0]), size(n.Children[1]))
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	for _, n := range plan {
		walk(n)
	}
	return b.String()
}
