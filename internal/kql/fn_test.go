package kql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/duck"
	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

type noTables struct{}

func (noTables) Table(string) (schema.Table, bool) { return schema.Table{}, false }
func (noTables) Tables() []string                  { return nil }

// TestFunctions runs the cases of the functions, a file for each family. The
// answer is a line of names and types and a line for each row.
func TestFunctions(t *testing.T) {
	var functions []duck.Function
	for _, n := range Natives() {
		functions = append(functions, duck.Function(n))
	}
	db, err := duck.Open(duck.Config{Functions: functions})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	datadriven.Walk(t, "testdata/fn", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := evaluate(t, db, d.Input)
			if err != nil {
				return "error: " + err.Error()
			}
			return out
		})
	})
}

func evaluate(t *testing.T, db *duck.DB, query string) (string, error) {
	p, err := Compile(query, noTables{}, Options{Now: schema.TicksPerDay * 730_000})
	if err != nil {
		return "", err
	}
	sql, args := p.Statement(func(Source) string { return "" })
	rows, err := db.Query(t.Context(), sql, args)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for i, c := range p.Columns {
		if i > 0 {
			b.WriteString("  ")
		}
		fmt.Fprintf(&b, "%s:%s", c.Name, c.Type)
	}
	b.WriteByte('\n')
	dest := make([]driver.Value, len(p.Columns))
	for {
		if err := rows.Next(dest); errors.Is(err, io.EOF) {
			return b.String(), nil
		} else if err != nil {
			return "", err
		}
		for i, v := range dest {
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(shown(p.Columns[i].Type, v))
		}
		b.WriteByte('\n')
	}
}

func shown(t schema.Type, v driver.Value) string {
	switch {
	case v == nil:
		return "null"
	case t == schema.DateTime:
		return syntax.DateTimeText(schema.Ticks(v.(int64)))
	case t == schema.TimeSpan:
		return schema.Span(v.(int64)).String()
	case t == schema.String:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
