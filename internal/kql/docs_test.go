package kql_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/kql"
	"logkeep/internal/kql/bind"
	"logkeep/internal/kql/builtin"
	"logkeep/internal/kql/syntax"
)

// ofAWorkspace is what no table of the language says.
const ofAWorkspace = `
## Functions of a workspace

A saved search with a function alias is a function, with its parameters; ASIM's parsers (` + "`_Im_…`, `_ASIM_…`" + `) are saved so. These are there
without being saved, and give way to a saved function of their name:

| function | what it gives |
|---|---|
| ` + "`_GetWatchlist(alias:string, keys:dynamic?)`" + ` | The items of a watchlist as they are now, with what they hold as columns. They are rows of the table ` + "`Watchlist`" + `: the last one of a ` + "`_DTItemId`" + ` counts, and ` + "`_DTItemStatus`" + ` Delete takes the item away. |
| ` + "`_GetWatchlistAlias`" + ` | The aliases of the watchlists. |
`

// TestDocs holds docs/kql.md to the tables; -rewrite writes it.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The query language here\n\nGenerated from the tables of `internal/kql`; `go test ./internal/kql -run Docs -rewrite` writes it anew.\n")
	read, refused := syntax.Operators()
	b.WriteString("\n## Operators\n\n| operator | what it does | state |\n|---|---|---|\n")
	for _, o := range read {
		fmt.Fprintf(&b, "| `%s` | %s | here |\n", o.Keyword, o.Doc)
	}
	for _, k := range refused {
		fmt.Fprintf(&b, "| `%s` | | refused by name |\n", k)
	}
	table := func(title string, t *builtin.Table) {
		fmt.Fprintf(&b, "\n## %s\n\n| function | what it gives |\n|---|---|\n", title)
		names := slices.Clone(t.Names())
		slices.Sort(names)
		for _, n := range names {
			if strings.HasPrefix(n, "__") {
				continue
			}
			var sigs []string
			for _, f := range t.Forms(n) {
				sigs = append(sigs, "`"+n+f.Sig+"`")
			}
			slices.Sort(sigs)
			doc := t.Forms(n)[0].Doc
			if real := t.Forms(n)[0].Names[0]; real != n {
				doc += " Another name of " + real + "."
			}
			fmt.Fprintf(&b, "| %s | %s |\n", strings.ReplaceAll(strings.Join(slices.Compact(sigs), "<br>"), "|", "\\|"), doc)
		}
	}
	table("Functions", builtin.Functions())
	table("Aggregates", builtin.Aggregates())
	b.WriteString("\n## Plugins of evaluate\n\nAny other plugin is refused by its name.\n\n| plugin | what it does |\n|---|---|\n")
	for _, p := range bind.Plugins() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Keyword, p.Doc)
	}
	b.WriteString(ofAWorkspace)
	path := "../../docs/kql.md"
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/kql.md is not what the tables say (%v); run go test ./internal/kql -run Docs -rewrite", err)
	}
}

// TestEveryRowIsDocumented looks for rows without a line.
func TestEveryRowIsDocumented(t *testing.T) {
	for _, table := range []*builtin.Table{builtin.Functions(), builtin.Aggregates()} {
		for _, n := range table.Names() {
			for _, f := range table.Forms(n) {
				if !strings.HasPrefix(n, "__") && f.Doc == "" {
					t.Errorf("%s%s has no line in the table", n, f.Sig)
				}
				if f.SQL == "" && f.Go == nil && f.Rule == "" {
					t.Errorf("%s%s: nothing computes it", n, f.Sig)
				}
			}
		}
	}
}

// TestEveryOperatorHasAGolden: an operator stands in a golden file, or is
// refused by its name.
func TestEveryOperatorHasAGolden(t *testing.T) {
	var text strings.Builder
	files, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	read, _ := syntax.Operators()
	for _, o := range read {
		if !strings.Contains(text.String(), "| "+o.Keyword) && !strings.Contains(text.String(), "\n"+o.Keyword+" ") {
			t.Errorf("no golden file has the operator %s", o.Keyword)
		}
	}
	for _, q := range []string{"Logs | reduce kind=source by Message", "Logs | evaluate python(typeof(*), '')", "Logs | make-graph Host --> Level"} {
		_, err := kql.Compile(q, tables{}, kql.Options{Now: now})
		var errs kql.Diagnostics
		if !errors.As(err, &errs) || errs[0].Code != syntax.CodeUnsupported {
			t.Errorf("%s: %v, want a refusal by name", q, err)
		}
	}
}

// TestSeveralResults runs texts with several queries and operators with
// several results.
func TestSeveralResults(t *testing.T) {
	db := engine(t)
	datadriven.RunTest(t, "testdata/results", func(t *testing.T, d *datadriven.TestData) string {
		p, err := kql.Compile(d.Input, tables{}, kql.Options{Now: now})
		if err != nil {
			return err.Error() + "\n"
		}
		var out strings.Builder
		for i, p := range append([]*kql.Program{p}, p.More...) {
			fmt.Fprintf(&out, "-- %d %s\n%s", i, p.Name, answer(t, db, p))
		}
		return out.String()
	})
}

// TestNothingIsTextOfTheQuery looks for a query's words in its SQL.
func TestNothingIsTextOfTheQuery(t *testing.T) {
	p, err := kql.Compile(`let secretname = 'zq1'; Logs | where Host == secretname or Message has "zq2" or Props["zq3"] == "zq4" | extend zq5 = "zq6" | summarize zq7 = count() by zq5, ['zq8"; drop'] = Level`, tables{}, kql.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	sql, _ := p.Statement(func(kql.Source) string { return "(R)" })
	if strings.Contains(sql, "zq") || strings.Contains(sql, "secretname") {
		t.Errorf("the SQL has text of the query: %s", sql)
	}
}

// TestRulesLeaveAnswersAsTheyAre runs golden queries with and without rules.
func TestRulesLeaveAnswersAsTheyAre(t *testing.T) {
	db := engine(t)
	files, err := filepath.Glob("testdata/operators/*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(b), "\n\n") {
			_, query, ok := strings.Cut(block, "run\n")
			query, _, _ = strings.Cut(query, "\n----")
			if !ok || strings.Contains(query, "sample") || strings.Contains(query, "take") {
				continue
			}
			p, err := kql.Compile(query, tables{}, kql.Options{Now: now})
			if err != nil {
				continue
			}
			q, err := kql.CompilePlain(query, tables{}, kql.Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			n++
			if a, b := answer(t, db, p), answer(t, db, q); sortedLines(a) != sortedLines(b) {
				t.Errorf("%s\nwith rules:\n%s\nwithout:\n%s", query, a, b)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d queries were compared", n)
	}
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
