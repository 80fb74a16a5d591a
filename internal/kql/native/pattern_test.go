package native

import (
	"regexp"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{`^[\u02B0-\u02FF\u{1D2C}]$`, "ʰ", "a"},
		{`^\U0001F600\u0041$`, "😀A", "A"},
		{`^[a-y&&xyz]+$`, "xy", "z"},
		{`^[0-9&&[^4]]+$`, "1235", "4"},
		{`^[0-9--4]+$`, "123", "4"},
		{`^[a-g~~b-h]+$`, "ah", "b"},
		{`^[x[^xyz]]$`, "a", "y"},
		{`^[\pL--\p{Greek}&&\p{Lu}]+$`, "ÄB", "Ω"},
		{`^[^a-z&&b]$`, "a", "b"},
		{`[a&&b]`, "", "ab"},
		{`^\w+\s\d+$`, "café\u00a0٣", "a-b 1"},
		{`^[\w.-]+$`, "a.é-1", "a b"},
		{`^[^\W_]+$`, "aé1", "_"},
		{`^[\S]$`, "a", "\u3000"},
		{`^\W\D\S$`, "- a", "aaa"},
		{`^[]a]+$`, "]a", "b"},
		{`^[^]]$`, "a", "]"},
		{`^[^[]$`, "a", "["},
		{`^[[:alpha:]_]+$`, "ab_", "1"},
		{`^\Q[a&&b]\s\E$`, `[a&&b]\s`, "a"},
		{`^\[a\]\\$`, `[a]\`, "a"},
		{`^\w{3,300}$`, "abc", "é"}, // large classes many times: ASCII
		{`^\p{L}\x{41}[\x{42}]$`, "éAB", "1AB"},
		{`^(?<name>a)$`, "a", "b"},
		{`^[+--]$`, ",", "a"},
	} {
		re, err := regexp.Compile(Pattern(c.pattern))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, text := range []string{c.yes, c.no, "a1_ -\t.", "aB", "4"} { // of ASCII both forms find the same
			narrow, err := regexp.Compile(PatternASCII(c.pattern))
			if err != nil {
				t.Fatalf("%s: %v", c.pattern, err)
			}
			if isASCII(text) && narrow.MatchString(text) != re.MatchString(text) {
				t.Errorf("%s differs from %s on %q", PatternASCII(c.pattern), Pattern(c.pattern), text)
			}
		}
		if c.yes != "" && !re.MatchString(c.yes) {
			t.Errorf("%s is %s, which does not match %q", c.pattern, Pattern(c.pattern), c.yes)
		}
		if re.MatchString(c.no) {
			t.Errorf("%s is %s, which matches %q", c.pattern, Pattern(c.pattern), c.no)
		}
	}
}

// What Go reads without classes in classes must still be read, and Pattern must not fail.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{`[a-y&&[^b]]`, `\u{41}\Q[\E[\]]`, `[[:alpha:]--a]`, `(?i)[\W\S]`, `\`, `[`, `[^`, `[a`, `\u12`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { Pattern(s); PatternASCII(s) })
}
