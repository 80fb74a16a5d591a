package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestQueriesAreFormattedCheckedAndExplained(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.kql", "// big ones\nT\n| where a > 1\n")
	loose := write("loose.kql", "// big ones\nT|where a>1")
	bad := write("bad.kql", "T\n| where nope == 1 and a has 'x'\n| wher")
	types := write("bad2.kql", "T | where nope == 1 | extend s = strlen(q)")
	tables := write("schema.json", `{"tables":{"T":{"b":"string","a":"long"}}}`)
	broken := write("broken.json", `{"tables":{"T":{"b":"text"}}}`)
	for _, test := range []struct {
		args []string
		code int
		out  string // what the output holds, "=" before all of it
	}{
		{[]string{"fmt", loose}, 0, "=// big ones\nT\n| where a > 1\n"},
		{[]string{"fmt", "--check", good}, 0, "="},
		{[]string{"fmt", "--check", good, loose}, 1, "=" + loose + "\n"},
		{[]string{"fmt", bad}, 1, bad + ":3:3: SYN0002: "},
		{[]string{"fmt", filepath.Join(dir, "none")}, 3, ""},
		{[]string{"check", "--schema", tables, good}, 0, "="},
		{[]string{"check", "--schema", tables, types}, 1, types + ":1:11: SEM0100: 'where' operator: Failed to resolve column or scalar expression named 'nope'.\nT | where nope == 1 | extend s = strlen(q)\n          ^^^^\n"},
		{[]string{"check", "--schema", tables, types}, 1, "SEM0100: 'extend' operator: Failed to resolve column or scalar expression named 'q'."},
		{[]string{"check", good}, 1, "Failed to resolve table or column expression named 'T'."},
		{[]string{"check", "--schema", broken, good}, 2, ""},
		{[]string{"check", "--schema", tables, "-w", "x", good}, 2, ""},
		{[]string{"explain", "--schema", tables, "T | where a > 1 | project b"}, 0, "-- plan\n"},
		{[]string{"explain", "--schema", tables, "T | where a > 1 | project b"}, 0, "-- columns\nb: string\n"},
		{[]string{"explain", "print 1 +"}, 1, "query:1:"},
		{[]string{"functions", "strlen"}, 0, "strlen(text) long"},
		{[]string{"functions", "make-graph"}, 0, "refused"},
		{[]string{"functions", "a", "b"}, 2, ""},
	} {
		code, out, errs := run(t, append([]string{"kql"}, test.args...)...)
		whole, exact := strings.CutPrefix(test.out, "=")
		if code != test.code || exact && out != whole || !strings.Contains(out, whole) {
			t.Errorf("%s: exit %d, want %d\n%s\n%s", strings.Join(test.args, " "), code, test.code, out, errs)
		}
	}
}
