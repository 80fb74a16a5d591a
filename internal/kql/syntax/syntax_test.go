package syntax

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// queries are texts that read and print back. The golden files have more.
var queries = []string{
	`T`, `T | where a == 1 and b has "x" or not(c)`, `let f = (a:long, T:(x:long, *)) { T | where x > a }; f(1, (U))`,
	`print -5, +a, 1.5e3, 0x1F, 2h, datetime(2026-01-01), guid(00000000-0000-0000-0000-000000000001), dynamic({"a": [1, -2.5, 'x', null]}), real(nan), int(null)`,
	`T | join kind=inner hint.strategy=shuffle (U | project a) on $left.a == $right.b, c`, `T | summarize count(), n = sum(a) by bin(t, 1h), b`,
	`T | mv-expand a = b to typeof(long), c limit 5`, `T | mv-apply x = a on (where x > 1 | summarize sum(x))`, `T | parse kind=relaxed s with "a" b:long * "c"`,
	`T | make-series n = count() default = 0 on t from datetime(2026-01-01) to now() step 1d by a`, `T | make-series avg(x) on t in range(ago(1d), now(), 1h)`,
	`union withsource=S isfuzzy=true (T | take 1), U*, database("x").Y`, `T | top 5 by a desc nulls last, b asc`, `T | where a in~ ("x", "y") and b !between (1 .. 5) and c has_any (d)`,
	`T | project-reorder a*, b asc, c granny-desc`, `T | evaluate bag_unpack(d, "p") : (a:long, *)`, `T | scan declare (x:long = 0) with (step s output=last: a > 1 => x = s.x + 1; step e optional: true;)`,
	`T | partition hint.strategy=native by a (top 1 by b)`, `search in (T, U) kind=case_sensitive "x" and a:"y"`, `find withsource=S in (T) where a == 1 project a, b:string, pack_all()`,
	`T | extend (a, b) = series_fit_line(c), ['d e'] = f.g["h"][0].[1]`, "print @\"a\\b\", 'it''s', ```x\ny```, h\"secret\" // comment\n", `externaldata(a:string)["https://x"] with (format="csv")`,
	`declare pattern p = (a:string)[b:string] { ("x").["y"] = { T | take 1 }; }; p("x").y`, `set a; set b = 1; alias database d = cluster("x").database("y"); restrict access to (T); T | count as n`,
	`T | top-nested 2 of a with others = "rest" by count(), top-nested of b by max(c) asc`, `T | render timechart with (title="x", ycolumns=a, b)`, `range x from 1 to 5 step 1 | as Y | lookup (Z) on x`,
	`T | facet by a, b with (where c > 1 | take 2)`, `T | fork (take 1) n=(count)`, `T | reduce by a with threshold=0.2`, `T | distinct *`, `T | sample-distinct 3 of a`, `T | project`, `T | where a = 1`,
}

func TestPrintingIsAFixedPoint(t *testing.T) {
	for _, q := range queries {
		tree, errs := Parse(q)
		if len(errs) > 0 {
			t.Errorf("%s: %v", q, errs)
			continue
		}
		again, errs := Parse(Text(tree))
		if len(errs) > 0 || Text(again) != Text(tree) {
			t.Errorf("%s\nprints as\n%s\nwhich prints as\n%s %v", q, Text(tree), Text(again), errs)
		}
	}
}

func TestEveryMistakeIsToldOnceWhereItIs(t *testing.T) {
	for q, want := range map[string]string{
		"T | where ( | project a | were b":   "SYN0002 at 1:13: Expected a value instead of |.\nSYN0002 at 1:27: There is no operator were. Did you mean where?\nSYN0002 at 1:33: The query ends where ) is expected.",
		"T | join (U | where ) on a | take":  "SYN0002 at 1:21: Expected a value instead of ).\nSYN0002 at 1:34: The query ends where a value is expected.",
		"let x = ; T | where a ==\n| take 5": "SYN0002 at 1:9: Expected a value instead of ;.\nSYN0002 at 2:1: Expected a value instead of |.",
		"print 'abc":                         "SYN0002 at 1:7: The string is not closed.",
		"":                                   "SYN0002 at 1:1: The query is empty.",
		"T ) take":                           "SYN0002 at 1:3: Expected ; or the end of the query instead of ).",
	} {
		if _, errs := Parse(q); errs.Error() != want {
			t.Errorf("%q:\n%s\nwant\n%s", q, errs.Error(), want)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, open := range []string{"(", "print f(", "print -", "print dynamic([", "T | join (", "print a."} {
		if _, errs := Parse(strings.Repeat(open, 5000)); len(errs) == 0 {
			t.Errorf("%s nested 5000 times was accepted", open)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for name, want := range map[string]string{"were": "where", "sumarize": "summarize", "zzz": "", "PROJECT": "project"} {
		if got := Suggest(name, operatorNames()); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPrettyKeepsComments(t *testing.T) {
	const text = "// what it is for\r\nlet  n=5;// how many\nlet f = (x:long) { // inside\n  x + 1 };\nT // the table\n| where a>1// big\n  and b==2 | where c // same line\n| take n // few\n// the end\n"
	const want = `// what it is for
let n = 5;
// how many
let f = (x:long) {
    // inside
    x + 1
};
T
// the table
// big
| where a > 1 and b == 2
| where c // same line
| take n
// few
// the end
`
	got, errs := Pretty(text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again, _ := Pretty(got); again != got {
		t.Errorf("once\n%s\ntwice\n%s", got, again)
	}
}

// FuzzParse: no text makes the parser panic, and what it accepts prints to
// text that it accepts and that prints the same.
func FuzzParse(f *testing.F) {
	for _, q := range queries {
		f.Add(q)
	}
	files, err := filepath.Glob("../testdata/*/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(b), "\n\n") {
			query, _, _ := strings.Cut(block, "\n----")
			f.Add(query)
		}
	}
	f.Fuzz(func(t *testing.T, q string) {
		tree, errs := Parse(q)
		if len(errs) > 0 {
			return
		}
		text := Text(tree)
		again, errs := Parse(text)
		if len(errs) > 0 {
			t.Fatalf("%q prints as %q: %v", q, text, errs)
		}
		if Text(again) != text {
			t.Fatalf("%q prints as %q, which prints as %q", q, text, Text(again))
		}
		pretty, _ := Pretty(q)
		twice, errs := Pretty(pretty)
		if len(errs) > 0 || twice != pretty {
			t.Fatalf("%q becomes %q, which becomes %q (%v)", q, pretty, twice, errs)
		}
		if tree, _ := Parse(pretty); Text(tree) != text {
			t.Fatalf("%q becomes another query: %q", q, pretty)
		}
		before, _ := lex(q)
		after, _ := lex(pretty)
		if a, b := len(remarks(q, before)), len(remarks(pretty, after)); a != b {
			t.Fatalf("%q has %d comments, %q has %d", q, a, pretty, b)
		}
	})
}
