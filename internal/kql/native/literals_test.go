package native

import (
	"reflect"
	"testing"
)

func TestLiterals(t *testing.T) {
	for pattern, want := range map[string][]string{
		`status 50[03] in 2\d{3}ms`:  {"status 50", " in 2", "ms"},
		`^(user|host) (a b)+ (x y)$`: {" ", " ", "x y"},
		`abc|abd`:                    {"ab"},
		`abc|xyz`:                    nil,
		`(?i)abc`:                    nil,
		`a*b?c{0,2}`:                 nil,
		`x(?i:y)z`:                   {"x", "z"},
		`[`:                          nil,
		`.`:                          nil,
		`(?:a.b)`:                    {"a", "b"},
		``:                           nil,
	} {
		if got := Literals(pattern); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}
