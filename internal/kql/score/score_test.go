package score

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, lines ...string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("emulator_cases.jsonl",
		`{"id":"1","query":"print a=1","columns":[["a","long"]],"rows":[[1]]}`,
		`{"id":"2","query":"print a=1","columns":[["a","long"]],"rows":[[2]]}`,
		`{"id":"3","query":"print a=1","columns":[["b","long"]],"rows":[[1]]}`,
		`{"id":"4","query":"print nosuch(1)","columns":[["a","long"]],"rows":[[1]]}`,
		`{"id":"5","query":"print a=1","columns":[["a","long"]],"rows":[[1]],"suspect":true}`,
		`{"id":"6","query":"datatable(t:datetime, d:dynamic)[datetime(2026-01-01), dynamic([1,2])]","columns":[["t","datetime"],["d","dynamic"]],"rows":[["2026-01-01T00:00:00Z",[1,2]]]}`,
		`{"id":"7","query":"print a=rand()","columns":[["a","real"]],"rows":[[5]],"volatile":true}`)
	write("engine_fuzz.jsonl",
		`{"id":"1","query":"print a=1.0, b='x', c=true, d=int(null)","columns":[["a","Real"],["b","String"],["c","Bool"],["d","Int"]],"row_count":1,"rows_text":["(1, 'x', True, null)"]}`,
		`{"id":"2","query":"print a=1","columns":[["a","Int"]],"row_count":2,"rows_text":["(1)","(1)"]}`,
		`{"id":"3","query":"print a=1","error":true}`)
	write("schema_la.json", `{"tables":{"T":{"b":"string","a":"long"}},"functions":{}}`)
	write("sentinel_rules.jsonl", `{"id":"r1","query":"T | where a > 1"}`, `{"id":"r2","query":"T | where c > 1"}`)
	write("binder_expect.jsonl",
		`{"id":"r1","schema":"schema_la","accept":true,"kind":"tabular","columns":[["b","string"],["a","long"]]}`,
		`{"id":"r2","schema":"schema_la","accept":false,"codes":["KS142"]}`,
		`{"id":"gone","schema":"schema_la","accept":true}`)
	write("kustoloco_cases.jsonl",
		`{"id":"l1","query":"print a=1, b=long(null)","expected_text":"1,<null>"}`,
		`{"id":"l2","query":"print a=1, b=long(null)","expected_text":"","columns":[["a","long"],["b","long"]],"rows_text":[["1","(null)"]]}`,
		`{"id":"l3","query":"print a=1","expected_text":"","columns":[["a","int"]],"rows_text":[["1"]]}`,
		`{"id":"l4","query":"print a=1","expected_text":"","columns":[["a","long"]],"rows_text":[["2"]]}`)
	write("sentinel_parsers.jsonl",
		`{"id":"p1","params":"(x:string='*', T:(a:long), d:dynamic)","query":"T | where a > 1 and x in (d)"}`,
		`{"id":"p2","params":"()","query":"T | where c > 1"}`,
		`{"id":"p5","params":"()","query":"T | where a >"}`,
		`{"id":"p3","params":"()","query":"let p = () { <parser query body> }; p"}`,
		`{"id":"p4","params":"()","query":"let p = () { T };"}`)
	var out strings.Builder
	if err := Run(t.Context(), dir, &out, false); err != nil {
		t.Fatal(err)
	}
	want := `emulator_cases cases 6 pass 3 refused 1 wrong 2 rate 0.500 excluded 1
engine_fuzz cases 2 pass 1 refused 0 wrong 1 rate 0.500 excluded 1
kustoloco_cases cases 4 pass 2 refused 0 wrong 2 rate 0.500 excluded 0
binder_expect cases 2 pass 2 refused 0 wrong 0 rate 1.000 excluded 1
sentinel_rules cases 1 pass 1 refused 0 wrong 0 rate 1.000 excluded 1
sentinel_parsers cases 2 pass 1 refused 1 wrong 0 rate 0.500 excluded 3
`
	if out.String() != want {
		t.Errorf("scores\n%swant\n%s", out.String(), want)
	}
}
