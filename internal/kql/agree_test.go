package kql_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"logkeep/internal/duck"
	"logkeep/internal/kql"
)

// maker writes queries by chance, of bytes that say which way to go.
type maker struct {
	bytes []byte
	i     int
	cols  []string // of the rows so far, as name:kind
}

// n chooses a number below most.
func (m *maker) n(most int) int {
	if m.i >= len(m.bytes) {
		return 0
	}
	m.i++
	return int(m.bytes[m.i-1]) % most
}

func (m *maker) done() bool { return m.i >= len(m.bytes) }

func (m *maker) pick(list ...string) string { return list[m.n(len(list))] }

// col is a column of a kind, "" if there is none.
func (m *maker) col(kind string) string {
	var fits []string
	for _, c := range m.cols {
		if strings.HasSuffix(c, ":"+kind) {
			fits = append(fits, strings.TrimSuffix(c, ":"+kind))
		}
	}
	if len(fits) == 0 {
		return ""
	}
	return fits[m.n(len(fits))]
}

var logColumns = []string{"TimeGenerated:time", "Level:text", "Message:text", "Host:text", "Bytes:number", "Props:bag"}
var hostColumns = []string{"TimeGenerated:time", "Host:text", "Owner:text"}

// value is an expression of a kind.
func (m *maker) value(kind string) string {
	c := m.col(kind)
	switch kind {
	case "text":
		if c == "" || m.n(6) == 0 {
			return m.pick(`"a"`, `"Error"`, `""`, `"failed"`, `"c"`)
		}
		return m.pick(c, c, "tolower("+c+")", "strcat("+c+", \"x\")", "substring("+c+", 1)")
	case "number":
		if c == "" || m.n(4) == 0 {
			return m.pick("20", "100", "-1", "long(null)", "7 * 3", "10 / 3")
		}
		return m.pick(c, c, c+" + 1", c+" * 2", "-"+c, c+" % 7")
	case "time":
		if c == "" || m.n(4) == 0 {
			return m.pick("datetime(2026-01-01)", "ago(1d)", "now()", "datetime(2026-01-02 01:00)", "ago(2d) + 3h")
		}
		return m.pick(c, c, "bin("+c+", 1h)", c+" + 1h", "startofday("+c+")", "bin_at("+c+", 7h, datetime(2026-01-01 05:30))", "endofmonth("+c+")")
	}
	return c
}

// cond is a condition.
func (m *maker) cond() string {
	switch m.n(9) {
	case 0:
		return m.value("time") + " " + m.pick("<", "<=", ">", ">=", "==", "!=") + " " + m.value("time")
	case 1:
		return m.value("number") + " " + m.pick("<", "<=", ">", ">=", "==", "!=") + " " + m.value("number")
	case 2:
		return m.value("text") + " " + m.pick("==", "!=", "=~", "!~", "has", "!has", "contains", "startswith", "endswith", "has_cs", "contains_cs") + " " + m.pick(`"Error"`, `"a"`, `"login"`, `""`, `"sda1"`)
	case 3:
		return "(" + m.cond() + m.pick(" and ", " or ") + m.cond() + ")"
	case 4:
		return "not(" + m.cond() + ")"
	case 5:
		return m.value("text") + " " + m.pick("in", "!in", "in~", "has_any") + ` ("a", "error", "c")`
	case 6:
		return m.value("time") + " between (" + m.pick("ago(2d)", "datetime(2026-01-01 06:00)") + " .. " + m.pick("now()", "6h") + ")"
	case 7:
		return m.pick("isnull", "isnotempty", "isempty") + "(" + m.value(m.pick("number", "text")) + ")"
	}
	if c := m.col("bag"); c != "" {
		return "tostring(" + c + ".user.name) == " + m.pick(`"Ann"`, `""`)
	}
	return m.pick("true", "false")
}

// op adds an operator.
func (m *maker) op() string {
	name := func(kind string) string {
		n := fmt.Sprintf("x%d", len(m.cols)+m.i)
		m.cols = append(m.cols, n+":"+kind)
		return n
	}
	switch m.n(12) {
	case 0, 1, 2:
		return "where " + m.cond()
	case 3:
		kind := m.pick("text", "number", "time")
		v := m.value(kind)
		return "extend " + name(kind) + " = " + v
	case 4:
		keep := m.cols
		m.cols = nil
		var list []string
		for _, c := range keep {
			if m.n(3) > 0 || len(list) == 0 {
				n, _, _ := strings.Cut(c, ":")
				list, m.cols = append(list, n), append(m.cols, c)
			}
		}
		return "project " + strings.Join(list, ", ")
	case 5:
		by, kind := "", m.pick("text", "time")
		if c := m.value(kind); m.col(kind) != "" {
			by = " by k = " + c
		}
		x, y, z := m.value("number"), m.value("time"), m.value("text")
		m.cols = []string{"n:number", "s:number", "t:time"}
		if by != "" {
			m.cols = append(m.cols, "k:"+kind)
		}
		s := m.pick("sum("+x+")", "countif("+m.cond()+")", "dcount("+z+")", "sumif("+x+", "+m.cond()+")", "toint(avg("+x+"))", "toint(percentile("+x+", 50))", "tolong(array_length(make_set("+z+")))", "tolong(array_length(make_list("+z+")))")
		return "summarize n = " + m.pick("count()", "tolong(min("+x+"))", "count()") + ", s = " + s + ", t = max(" + m.pick(y, "bin("+y+", 1h)") + ")" + by
	case 6:
		kind := m.pick("number", "time", "text")
		if c := m.col(kind); c != "" {
			return "sort by " + c + m.pick(" asc", " desc", " asc nulls last")
		}
		return "where true"
	case 7:
		if c := m.col("text"); c != "" {
			kind := m.pick("inner", "leftouter", "innerunique", "leftsemi", "leftanti", "rightouter", "fullouter")
			right := m.table(1)
			out := "join kind=" + kind + " (" + right.text + " | project Host, right = TimeGenerated | summarize right = min(right) by Host) on $left." + c + " == $right.Host"
			if kind != "leftsemi" && kind != "leftanti" {
				m.cols = append(m.cols, "right:time")
			}
			return out
		}
		return "where true"
	case 8:
		return "union (" + m.table(1).text + ")"
	case 9:
		if c := m.col("text"); c != "" {
			m.cols = []string{c + ":text"}
			return "distinct " + c
		}
		return "count | project n = Count | where n >= 0"
	case 10:
		if c := m.col("bag"); c != "" {
			return "mv-expand " + c + " = " + c + ".tags"
		}
		return "where " + m.cond()
	}
	return "where " + m.cond()
}

type made struct{ text string }

// table is a query of at most depth nested ones.
func (m *maker) table(depth int) made {
	keep := m.cols
	defer func() { m.cols = keep }()
	text := m.pick("Logs", "Hosts", "Logs")
	m.cols = logColumns
	if text == "Hosts" {
		m.cols = hostColumns
	}
	for range m.n(depth + 2) {
		text += " | where " + m.cond()
	}
	return made{text}
}

// query is a whole text. The order of rows and the order of columns of its
// answer depend on nothing but the text.
func query(bytes []byte) string {
	m := &maker{bytes: bytes}
	text, from := "", "Logs"
	m.cols = append(m.cols, logColumns...)
	switch m.n(5) {
	case 0:
		text, from = "let L = "+m.pick("", "materialize")+"(Logs | where "+m.cond()+");\n", "L"
	case 1:
		text, from = "let L = Logs | where "+m.cond()+";\nlet busy = toscalar(L | count);\n", "L | where busy >= 0"
	case 2:
		text, from = "let L = Logs | where "+m.cond()+";\n", "union L, (L | where "+m.cond()+")"
	}
	text += from
	for n := 0; n < 8 && !m.done(); n++ {
		text += "\n| " + m.op()
	}
	return text
}

// agree compares a query's answer with that of its plan as the binder made it.
func agree(t *testing.T, db *duck.DB, text string) {
	t.Helper()
	p, err := kql.Compile(text, tables{}, kql.Options{Now: now})
	if err != nil {
		var errs kql.Diagnostics
		if errors.As(err, &errs) {
			return // not every text that is made has a meaning
		}
		t.Fatalf("%s\n%v", text, err)
	}
	q, err := kql.CompilePlain(text, tables{}, kql.Options{Now: now})
	if err != nil {
		t.Fatalf("%s\nonly without rules: %v", text, err)
	}
	w, err := kql.Compile(text, tables{}, kql.Options{Now: now, Weights: true})
	if err != nil {
		t.Fatalf("%s\nonly with weighted rows: %v", text, err)
	}
	a, b, c := answer(t, db, p), answer(t, db, q), answer(t, db, w)
	if strings.HasPrefix(a, "run: ") {
		t.Errorf("%s\n%s", text, a)
	}
	if sortedLines(a) != sortedLines(b) {
		t.Errorf("%s\nwith rules:\n%s\nwithout:\n%s\nplan:\n%s", text, a, b, p.Plan())
	}
	if sortedLines(c) != sortedLines(b) {
		t.Errorf("%s\nwith weighted rows:\n%s\nwithout rules:\n%s\nplan:\n%s", text, c, b, w.Plan())
	}
}

// TestRulesAgree runs queries made by chance with and without the rules.
func TestRulesAgree(t *testing.T) {
	db := engine(t)
	r := rand.New(rand.NewPCG(1, 2))
	compiled := 0
	for range 120 {
		bytes := make([]byte, 40)
		for i := range bytes {
			bytes[i] = byte(r.Uint32())
		}
		text := query(bytes)
		if _, err := kql.Compile(text, tables{}, kql.Options{Now: now}); err == nil {
			compiled++
		}
		agree(t, db, text)
	}
	if compiled < 80 {
		t.Errorf("only %d of 120 queries had a meaning", compiled)
	}
}

// FuzzRulesAgree looks for a query that the rules change.
func FuzzRulesAgree(f *testing.F) {
	f.Add([]byte("a query is made of these bytes"))
	var db *duck.DB
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if db == nil {
			var fs []duck.Function
			for _, n := range kql.Natives() {
				fs = append(fs, duck.Function(n))
			}
			var err error
			if db, err = duck.Open(duck.Config{Functions: fs}); err != nil {
				t.Fatal(err)
			}
		}
		agree(t, db, query(bytes[:min(len(bytes), 200)]))
	})
}
