package purge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/batch"
	"logkeep/internal/purge"
	"logkeep/internal/schema"
)

var table = schema.Table{Name: "T_CL", Columns: []schema.Column{
	{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Text", Type: schema.String}, {Name: "Int", Type: schema.Int},
	{Name: "Long", Type: schema.Long}, {Name: "Real", Type: schema.Real}, {Name: "Decimal", Type: schema.Decimal}, {Name: "Yes", Type: schema.Bool},
	{Name: "Guid", Type: schema.GUID}, {Name: "Any", Type: schema.Dynamic}, {Name: "Took", Type: schema.TimeSpan},
}}

// TestFilters shows for each list of filters which rows match.
func TestFilters(t *testing.T) {
	datadriven.RunTest(t, "testdata/filters", func(t *testing.T, d *datadriven.TestData) string {
		var list []purge.Filter
		if err := json.Unmarshal([]byte(d.Input), &list); err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		m, err := purge.New(table, list)
		if err != nil {
			return err.(*purge.ValueError).Field + ": " + err.Error() + "\n"
		}
		p, err := batch.Parse(strings.NewReader(stored), table, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Rows(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for i, yes := range got {
			if yes {
				fmt.Fprintf(&out, "%d ", i)
			}
		}
		return strings.TrimSpace(out.String()) + "\n"
	})
}

const stored = `
{"TimeGenerated":"2026-01-01T00:00:00Z","Text":"Anna","Int":1,"Long":9007199254740993,"Real":0.5,"Decimal":"0.1","Yes":true,"Guid":"74be27de-1e4e-49d9-b579-fe0b331d3642","Any":{"user":"Anna","n":5,"deep":{"a":1}},"Took":"00:00:01"}
{"TimeGenerated":"2026-01-02T00:00:00Z","Text":"anna","Int":2,"Long":9007199254740992,"Real":1.5,"Decimal":"0.10000000000000001","Yes":false,"Any":{"user":"Bert","n":"5"},"Took":"1.00:00:00"}
{"TimeGenerated":"2026-01-03T00:00:00Z","Text":"Bert","Int":3,"Any":["user"]}
{"TimeGenerated":"2026-01-04T00:00:00Z"}
`

func FuzzFilters(f *testing.F) {
	f.Add(`[{"column":"Any","operator":"==","value":5,"key":"n"}]`)
	f.Add(`[{"column":"Long","operator":"between","value":["1e300",2]}]`)
	p, err := batch.Parse(strings.NewReader(stored), table, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var list []purge.Filter
		if json.Unmarshal([]byte(text), &list) != nil {
			return
		}
		m, err := purge.New(table, list)
		if err != nil {
			return
		}
		if got, err := m.Rows(p.Record); err != nil || len(got) != 4 {
			t.Errorf("%d rows, %v", len(got), err)
		}
	})
}

func TestColumnsThatRowsLackAreAbsent(t *testing.T) {
	old := schema.Table{Name: "T_CL", Columns: table.Columns[:1]}
	p, err := batch.Parse(strings.NewReader(stored), old, 0)
	if err != nil {
		t.Fatal(err)
	}
	for filters, want := range map[string]bool{
		`[{"column":"Text","operator":"==","value":""}]`:    true,
		`[{"column":"Text","operator":"==","value":"x"}]`:   false,
		`[{"column":"Int","operator":"<","value":1000}]`:    false,
		`[{"column":"Yes","operator":"==","value":"true"}]`: false,
	} {
		var list []purge.Filter
		if err := json.Unmarshal([]byte(filters), &list); err != nil {
			t.Fatal(err)
		}
		m, err := purge.New(table, list)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Rows(p.Record)
		if err != nil || len(got) != 4 || got[0] != want {
			t.Errorf("%s: %v %v", filters, got, err)
		}
	}
}
