package batch

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"logkeep/internal/schema"
)

// agree reads body both ways: what quick takes, the thorough reader takes with
// the same values. It reports whether quick took it.
func agree(t *testing.T, body []byte, tab schema.Table) bool {
	t.Helper()
	now := ticks(t, noon)
	p, err := newParser(bytes.NewReader(body), tab, now)
	if err != nil {
		t.Fatal(err)
	}
	given := bytes.Clone(body)
	took := p.quick(given)
	if !bytes.Equal(given, body) {
		t.Fatal("reading changed what was read")
	}
	slow, err := Parse(struct{ io.Reader }{bytes.NewReader(body)}, tab, now)
	if !took {
		return false
	}
	if err != nil {
		t.Fatalf("quick took what is refused: %v", err)
	}
	quick, err := p.finish()
	if err != nil {
		t.Fatal(err)
	}
	if quick.Unknown != slow.Unknown || quick.Cut != slow.Cut {
		t.Errorf("unknown %d, cut %d; want %d, %d", quick.Unknown, quick.Cut, slow.Unknown, slow.Cut)
	}
	one, err := Encode(quick.Record)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Encode(slow.Record)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, other) {
		t.Errorf("quick read\n%s\nwant\n%s", show(quick.Record), show(slow.Record))
	}
	return true
}

// What clients send as a rule is read quickly.
func TestQuickTakesOrdinaryRows(t *testing.T) {
	body, tab := logs(t, 200)
	for _, text := range []string{
		string(body),
		"[" + strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", ",") + "]",
		" [ ] ",
		`[{}]`,
		"{ \"Computer\" : \"a\\\"b\\\\c\\u00e9\\ud83d\\ude00\" ,\r\n\t\"EventID\":null, \"Properties\" : { \"a\" : [ 1 , { } ] } }\n{}",
		`{"Level":"é","Message":{"a":[1,2.5e-3,true,false,null,"x"]},"EventID":"7","Properties":"text","Other":[[],{}]}`,
		`{"Message":"` + strings.Repeat("é", maxText) + `"}`,
		`{"Properties":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`,
	} {
		if !agree(t, []byte(text), tab) {
			t.Errorf("not taken: %.100s", text)
		}
	}
}

// What is unusual is left to the thorough reader, which takes it or says why not.
func TestQuickLeavesTheRest(t *testing.T) {
	_, tab := logs(t, 0)
	for _, text := range []string{
		"", " ", "[", "[{}", "[{},]", "[{}] {}", "[{}]]", "{}]", "{},{}", "null", "[1]", "\ufeff[]",
		`{"Level":"a"`, `{"Level":"a",}`, `{"Level" "a"}`, `{"Level":}`, `{Level:1}`, `{"Level":"a" "b"}`, `{"Level":"a"]`,
		`{"Level":"a","Level":"b"}`, `[{"":"\"},{"":""}]`, `{"Lev\u0065l":"a"}`,
		"{\"Level\":\"a\nb\"}", "{\"Level\":\"\xff\"}", "{\"Level\":\"\xed\xa0\x80\"}", "{\"Le\xffvel\":1}",
		`{"Level":"\ud800"}`, `{"Level":"\udc00"}`, `{"Level":"\ud800\u0041"}`, `{"Level":"\x"}`, `{"Level":"\u12g4"}`, `{"Level":"\u12`, `{"Level":"\`,
		`{"EventID":01}`, `{"EventID":1.}`, `{"EventID":.5}`, `{"EventID":+1}`, `{"EventID":-}`, `{"EventID":1e}`, `{"EventID":"x"}`, `{"EventID":nul}`, `{"EventID":0x1}`,
		`{"Properties":{"a":1,}}`, `{"Properties":{"a"}}`, `{"Properties":{"a":1]}`, `{"Properties":[1,]}`, `{"Properties":[1 2]}`, `{"Properties":{1:2}}`, `{"Properties":[`, `{"Properties":[}`,
		`{"Properties":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`,
	} {
		if agree(t, []byte(text), tab) {
			t.Errorf("taken: %.100s", text)
		}
	}
}

// FuzzQuick holds the quick reader to the thorough one: the same acceptance and
// the same values.
func FuzzQuick(f *testing.F) {
	cases, err := os.ReadFile("testdata/rows")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range strings.Split(string(cases), "\n\n") {
		if _, text, ok := strings.Cut(text, "rows "); ok {
			_, text, _ = strings.Cut(text, "\n")
			text, _, _ = strings.Cut(text, "\n----")
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`[{"TimeGenerated":"2026-01-02T03:04:05.678Z","bool":true,"int":1,"long":"2","real":1.5,"decimal":"1.50","string":"a\nb","timespan":"1:02:03","datetime":"2026-01-02T03:04:05Z","guid":"6F9619FF-8B86-D011-B42D-00CF4FC964FF","dynamic":{"a": [1, 2]}},{"string":"\ud83d\ude00é"}]`))
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body, every()) })
}
