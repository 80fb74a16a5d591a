package segment

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// texts makes a record of one text column and one dynamic column.
func texts(t testing.TB, messages, props []string) arrow.RecordBatch {
	t.Helper()
	sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Message", Type: schema.String}, {Name: "Props", Type: schema.Dynamic}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i, m := range messages {
		b.Field(0).(*array.Int64Builder).Append(int64(i) + 1)
		b.Field(1).(*array.StringBuilder).Append(m)
		if props[i] == "" {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.StringBuilder).Append(props[i])
		}
	}
	return b.NewRecordBatch()
}

func candidates(t testing.TB, s *Reader, group int, column string, terms ...string) Stripes {
	t.Helper()
	in, err := s.Candidates(t.Context(), group, []Need{{{{Column: column, Terms: terms}}}})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func excludes(t testing.TB, s *Reader, group int, column string, terms ...string) bool {
	t.Helper()
	return candidates(t, s, group, column, terms...) == 0
}

func TestTermsOfAText(t *testing.T) {
	messages := []string{"User ALICE logged-in from 10.0.0.1", "", "x_y größe Istanbul", "C:\\Windows\\System32"}
	props := []string{`{"user":"Bob","path":"C:\\Temp\nNext line"}`, "", `[1,2.50,"a/b"]`, `"q\"r"`}
	o, in := written(t, texts(t, messages, props))
	s := opened(t, o, in)
	for column, want := range map[string]string{
		"Message": "user alice logged in from 10 0 1 x y istanbul c windows system32",
		"Props":   "user bob path c temp next line nnext 1 2 50 a b q r",
	} {
		for term := range strings.FieldsSeq(want) {
			if excludes(t, s, 0, column, term) {
				t.Errorf("%s has the term %s, and the segment says no", column, term)
			}
		}
		for _, term := range []string{"alic", "lice", "loggedin", "gr", "e", "syst", "absent", "100", "bobby", "zzzz"} {
			if !excludes(t, s, 0, column, term) {
				t.Errorf("%s does not have the term %s, and the segment does not know", column, term)
			}
		}
	}
	if excludes(t, s, 0, "Message", "alice", "from") || !excludes(t, s, 0, "Message", "alice", "absent") {
		t.Error("all terms of a clue must be there")
	}
	if !excludes(t, s, 0, "NoSuchColumn", "alice") {
		t.Error("a column that the segment lacks reads as empty")
	}
	either := []Need{{{{Column: "Message", Terms: []string{"absent"}}}, {{Column: "Props", Terms: []string{"bob"}}}}}
	if out, err := s.Excludes(t.Context(), 0, either); out || err != nil {
		t.Errorf("one alternative is enough: %t, %v", out, err)
	}
	both := append(either, Need{{{Column: "Message", Terms: []string{"absent"}}}})
	if out, err := s.Excludes(t.Context(), 0, both); !out || err != nil {
		t.Errorf("all needs must be met: %t, %v", out, err)
	}
}

// Characters beyond ASCII that are ASCII letters in another case, and JSON that
// names characters by number, make a column say nothing rather than no.
func TestTermsThatOnlySomeWaysOfFoldingFind(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		folded := unicode.ToLower(r) < 0x80
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			folded = folded || f < 0x80
		}
		if folded && !folds([]byte(string(r))) {
			t.Errorf("%q is an ASCII letter in another case", r)
		}
	}
	for _, c := range []struct{ message, props string }{
		{"the \u212aelvin", ""}, {"i\u017f", ""}, {"\u0130stanbul", ""}, {"", `{"a":"\u006belvin"}`},
	} {
		o, in := written(t, texts(t, []string{c.message, "x"}, []string{c.props, `"x"`}))
		s := opened(t, o, in)
		if column := map[bool]string{true: "Message", false: "Props"}[c.message != ""]; excludes(t, s, 0, column, "kelvin") {
			t.Errorf("%+v is said to lack a term", c)
		}
	}
}

// terms is the plain way to find the terms of a text.
func terms(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return r < 0x80 && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

func TestNoTermIsEverLost(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	pieces := []string{"a", "B", "9", "Zz", " ", "-", "_", "/", "\\", "\"", "\n", "\t", "é", "日", "key", "value", "\x00", "{", "ſ", "0123456789abcdef0123456789abcdef0123456789abcdef"}
	text := func() string {
		var b strings.Builder
		for range r.IntN(1 << r.IntN(9)) { // terms and texts longer than the 64 bytes that are looked at together
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	for round := range 200 {
		var messages, props, values []string
		for range 1 + r.IntN(20) {
			messages, values = append(messages, text()), append(values, text())
			j, err := json.Marshal(map[string]any{"k": values[len(values)-1], "n": round})
			if err != nil {
				t.Fatal(err)
			}
			props = append(props, string(j))
		}
		o, in := written(t, texts(t, messages, props))
		s := opened(t, o, in)
		for i := range messages {
			for column, value := range map[string]string{"Message": messages[i], "Props": values[i]} {
				for _, term := range terms(value) {
					if strings.IndexFunc(term, func(c rune) bool { return c >= 0x80 }) < 0 && excludes(t, s, 0, column, term) {
						t.Fatalf("round %d: %s %q has the term %q, and the segment says no", round, column, value, term)
					}
				}
			}
		}
	}
}

func TestFewTermsAreClaimed(t *testing.T) {
	for _, n := range []int{1, 100, 5000, 60_000} {
		messages := make([]string, n)
		for i := range messages {
			messages[i] = fmt.Sprintf("request %x from host-%d took %d", i*7919, i%100, i)
		}
		o, in := written(t, texts(t, messages, make([]string, n)))
		s := opened(t, o, in)
		claimed, stripes := 0, 0
		const asked = 2000
		for i := range asked {
			in := candidates(t, s, 0, "Message", fmt.Sprintf("absent%d", i)).Count()
			claimed, stripes = claimed+min(in, 1), stripes+in
		}
		leaves := s.tables[0][s.index["Message"]].leaves
		set := leaves[len(leaves)-1] - leaves[0]
		if claimed > asked*7/100 || stripes > claimed*2 {
			t.Errorf("of %d rows %d of %d absent terms are claimed, in %d stripes, by %d bytes", n, claimed, asked, stripes, set)
		}
		if n > 1000 && set > int64(n)*8 {
			t.Errorf("%d rows have %d bytes of terms", n, set)
		}
	}
}

func TestWantedGroups(t *testing.T) {
	n := 2*GroupRows + 10
	messages := make([]string, n)
	for i := range messages {
		messages[i] = "nothing"
	}
	messages[GroupRows+5] = "a needle"
	o, in := written(t, texts(t, messages, make([]string, n)))
	s := opened(t, o, in)
	needle := []Need{{{{Column: "Message", Terms: []string{"needle"}}}}}
	for _, c := range []struct {
		from, to schema.Ticks
		needs    []Need
		want     []int
	}{
		{0, 0, nil, []int{0, 1, 2}},
		{0, 0, needle, []int{1}},
		{0, 5, nil, []int{0}},
		{0, 5, needle, nil},
	} {
		got, _, err := s.Wanted(t.Context(), c.from, c.to, c.needs)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("from %d to %d, needs %v: groups %v, want %v; %v", c.from, c.to, c.needs, got, c.want, err)
		}
	}
}
