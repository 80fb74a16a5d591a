package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"logkeep/internal/cli/client"
)

// All tables of an answer are shown, in every form.
func TestSeveralTablesAreShown(t *testing.T) {
	table := func(name, column, value string) client.Result {
		return client.Result{Name: name, Columns: []client.ResultColumn{{Name: column, Type: "long"}}, Rows: [][]json.RawMessage{{json.RawMessage(value)}}}
	}
	result := table("PrimaryResult", "a", "1")
	result.More = []client.Result{table("Table_1", "b", "2")}
	for form, want := range map[string]string{
		"table": "PrimaryResult\na\n-\n1\n(1 rows)\n\nTable_1\nb\n-\n2\n(1 rows)\n",
		"csv":   "a\n1\n\nb\n2\n",
		"json":  "{\"PrimaryResult\": [\n{\"a\":1}\n]\n,\"Table_1\": [\n{\"b\":2}\n]\n}\n",
	} {
		var out strings.Builder
		if err := printResults(&out, result, form); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s", form, err, out.String())
		}
		if form == "json" && !json.Valid([]byte(out.String())) {
			t.Error("no JSON")
		}
	}
	var one strings.Builder
	result.More = nil
	if err := printResults(&one, result, "json"); err != nil || one.String() != "[\n{\"a\":1}\n]\n" {
		t.Errorf("one table: %v %q", err, one.String())
	}
}
