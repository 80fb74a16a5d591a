package native

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzSettled looks for texts that are said to be settled and are written in
// another way, or are none.
func FuzzSettled(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `{"a":1,"b":["x",true,false,null,-7]}`, `{"a":{"b":[]}}`, `{"a":"<&>'/"}`, `[1.5]`, `[-0]`, `[01]`, `[1e3]`, `[1-2]`,
		`{"a": 1}`, `{"a":"\u0041"}`, `{"a":"é"}`, "[\"\x7f\"]", `{"a":1,"a":2}`, `[,]`, `[1,]`, `{"a"}`, `[truefalse]`, `[9223372036854775808]`, `[1]x`,
		strings.Repeat("[", 150) + strings.Repeat("]", 150), strings.Repeat("[", 250) + strings.Repeat("]", 250),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !settled(s) {
			return
		}
		v, ok := Parse(s)
		if text := v.Text(); !ok || text != s || !json.Valid([]byte(s)) {
			t.Errorf("%q is said to be settled; it is written %q", s, text)
		}
	})
}

func TestWhatProgramsLogIsSettled(t *testing.T) {
	for _, s := range []string{`{}`, `[]`, `{"app":"router","durationMs":1234,"tags":["prod","tier1"],"success":true,"none":null}`} {
		if !settled(s) {
			t.Errorf("%s is not settled", s)
		}
	}
}

func BenchmarkJSONText(b *testing.B) {
	args := []any{`{"app":"router","region":"westeurope","durationMs":1234,"requestId":"0123456789abcdef","statusCode":200,"success":true,"tags":["prod","tier1"]}`}
	for b.Loop() {
		JSONText(args)
	}
}
