package worker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// words is what the texts of rows and of filters are made of: what folds into
// ASCII and out of it, what is escaped in JSON, what looks like numbers, and parts
// of one another.
var words = []string{"timeout", "TimeOut", "time", "out", "OUT", "k41", "\u212a41", "\u0130stanbul", "istanbul", "\u017fign", "sign", "größe", "a", "aa", "1.0", "1", "10",
	"-", ".", " ", " ", `\`, `"`, "/", "\n", "web-01", "true", "e5", "null"}

func phrase(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most) {
		b.WriteString(words[r.IntN(len(words))])
	}
	return b.String()
}

// filter is a random condition on texts.
func filter(r *rand.Rand, depth int) string {
	text := func() string {
		s := phrase(r, 4)
		b, _ := json.Marshal(s) // no text here has what JSON and the language write differently
		return string(b)
	}
	if depth > 0 && r.IntN(2) == 0 {
		return "(" + filter(r, depth-1) + []string{" and ", " or "}[r.IntN(2)] + filter(r, depth-1) + ")"
	}
	column := []string{"S", "S", "T", "P", "P.user", "tostring(P)", "tostring(P.user)", "tolower(S)"}[r.IntN(8)]
	isText := !strings.HasPrefix(column, "P")
	switch n := r.IntN(9); {
	case n == 0 && isText:
		return column + " in (" + text() + ", " + text() + ")"
	case n == 1 && isText:
		return column + " in~ (" + text() + ", " + text() + ")"
	case n == 2:
		return column + " has_any (" + text() + ", " + text() + ")"
	case n == 3:
		return column + " has_all (" + text() + ", " + text() + ")"
	case n == 4:
		return fmt.Sprintf(`%s matches regex @"%s[a-z]*%s"`, "tostring("+column+")", []string{"time", "Sign", "web-", "K"}[r.IntN(4)], []string{"out", "1", ""}[r.IntN(3)])
	case n == 5 && isText:
		return column + " == " + text()
	}
	ops := []string{"has", "has_cs", "contains", "contains_cs", "startswith", "endswith", "startswith_cs", "hasprefix", "hassuffix", "=~"}
	if !isText {
		ops = ops[:len(ops)-1]
	}
	return column + " " + ops[r.IntN(len(ops))] + " " + text()
}

// Rows that are looked through before the engine has them answer every filter as
// those do that are not: the same rows are asked in the tail and in segments.
func TestSievedRowsAnswerAsAllDo(t *testing.T) {
	table := schema.Table{Name: "T_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Id", Type: schema.Long},
		{Name: "S", Type: schema.String}, {Name: "T", Type: schema.String}, {Name: "P", Type: schema.Dynamic}}}
	engine, err := openEngine(256 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	r := rand.New(rand.NewPCG(46, 7))
	repeated := []string{"", "timeout", "web-01", "\u212a41 sign", "größe/1", "TimeOut out"}
	quote := func(s string) string {
		b, _ := json.Marshal(s)
		return string(b)
	}
	var body strings.Builder
	for id := range 4000 {
		var p string
		switch r.IntN(6) {
		case 0:
			p = []string{"1.0", "10", `"time out"`, "null", `["k41","1.0"]`, `"\u004b41"`}[r.IntN(6)]
		default:
			p = fmt.Sprintf(`{"user":%s,"n":%s}`, []string{quote(phrase(r, 3)), quote(repeated[r.IntN(6)]), "1.0", "true"}[r.IntN(4)], []string{"1", "1.0", "1e5"}[r.IntN(3)])
		}
		fmt.Fprintf(&body, `{"TimeGenerated":"2026-01-02T03:%02d:04Z","Id":%d,"S":%s,"T":%s,"P":%s}`+"\n", id/70, id, quote(phrase(r, 8)), quote(repeated[r.IntN(6)]), p)
	}
	parsed, err := batch.Parse(strings.NewReader(body.String()), table, 1)
	if err != nil || parsed.Refused > 0 {
		t.Fatal(err, parsed.Refused)
	}
	s := emptyStore(t)
	if err := s.Append(t.Context(), store.Rows{Workspace: "w", Table: table.Name, Record: parsed.Record}); err != nil {
		t.Fatal(err)
	}
	var questions []string
	for range 150 {
		q := "T_CL | where " + filter(r, 2)
		if r.IntN(3) == 0 {
			q += fmt.Sprintf(" | where TimeGenerated between (datetime(2026-01-02 03:%02d) .. 20m)", r.IntN(60))
		}
		questions = append(questions, q+[]string{" | project Id", " | count", " | summarize count(), sum(Id) by T", " | project Id, tostring(P.user), S"}[r.IntN(4)])
	}
	before := answers(t, engine, s, table, questions, nil)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := answers(t, engine, s, table, questions, map[string]int{})
	some := 0
	for i, q := range questions {
		if before[i] != after[i] {
			t.Errorf("%s\nin the tail:\n%.600s\nin a segment:\n%.600s", q, before[i], after[i])
		}
		if before[i] != "" && before[i] != "[0]" {
			some++
		}
	}
	if some < len(questions)/3 {
		t.Errorf("only %d of %d questions have rows", some, len(questions))
	}
}
