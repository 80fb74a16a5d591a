package automaton

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// expressions of every kind that the syntax has.
var expressions = []string{
	`status 50[03] in 2\d{3}ms`, `timeout`, `^GET /`, `ms$`, `^$`, ``, `a*`, `^a*$`, `\bab\b`, `\Bab`, `ab\B`, `(?i)ab|1x`, `(?s)a.b`, `a.b`, `(?m)^a`, `(?m)b$`, `[^a]b`, `\d+`, `\w\s\w`, `\D{3}`,
	`(a|b)*1{2,3}`, `x?y??z`, `\Aab`, `b\z`, `^(ab|1)+$`, `a$b`, `^a^b`, `\b`, `\B`, `(?i)k`, `a\b.`, `(?m)^$`, `[[:alpha:]]\d`, `\x00`, `[^\x00-\x{10FFFF}]`, `a{0}`, `(|a)b`, `(?U)a+b`, `\pLa`, `[a-f0-9]{4}`,
}

// An automaton finds what the library finds, whatever pieces a text comes in, and
// says that nothing more can come only where that is so.
func TestAutomataFindWhatTheLibraryFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(58, 1))
	found, missed, early := 0, 0, 0
	text := func() string {
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = "ab1 \nxkK/.msAB"[r.IntN(14)]
		}
		if r.IntN(4) == 0 {
			return fmt.Sprintf("GET /%s status %d in %dms", b, 500+r.IntN(5), r.IntN(4000))
		}
		return string(b)
	}
	for _, expr := range expressions {
		a, re := New(expr, Unknown), regexp.MustCompile(expr)
		if a == nil {
			t.Fatalf("%q has no automaton", expr)
		}
		for range 400 {
			text := text()
			s := a.Start()
			for at := 0; at < len(text); {
				end := at + 1 + r.IntN(len(text)-at)
				before := s
				if s = a.Run(s, []byte(text[at:end])); before == Dead && s != Dead || before == Found && s != Found {
					t.Fatalf("%q of %q went on from %d to %d", expr, text, before, s)
				}
				if at = end; s < First && at < len(text) {
					early++
				}
			}
			if is := re.MatchString(text); a.Ends(s) != is || int(s) >= a.States() {
				t.Fatalf("%q in %q: the library says %v", expr, text, is)
			} else if is {
				found++
			} else {
				missed++
			}
		}
	}
	if found < 2000 || missed < 2000 || early < 2000 {
		t.Errorf("%d were found, %d not, %d early: this test tests little", found, missed, early)
	}
}

// Of a text with a character beyond ASCII either nothing is said, or what the library
// says.
func TestBeyondASCII(t *testing.T) {
	lost := 0
	for _, expr := range append(expressions, `aé`, `é`, `^[^a]`, `\x{212a}`) {
		a, re := New(expr, Unknown), regexp.MustCompile(expr)
		for _, text := range []string{"é", "aé", "xaé", "ab é", "éab", "aéb", "\u212a", "b\u00a0c"} {
			switch s := a.Run(a.Start(), []byte(text)); {
			case s == Lost:
				lost++
			case a.Ends(s) != re.MatchString(text):
				t.Errorf("%q in %q: %v", expr, text, !a.Ends(s))
			}
		}
	}
	if lost < 50 {
		t.Errorf("lost %d times", lost)
	}
	// Where they are like any byte, a text goes on.
	a := New(`(?:^|[\x00-/])ab`, Other)
	for text, is := range map[string]bool{"ab": true, "éab": false, "é ab": true} {
		if a.Ends(a.Run(a.Start(), []byte(text))) != is {
			t.Errorf("%q: %v", text, !is)
		}
	}
}

// What would need too much has no automaton, and that is known soon.
func TestAutomataAreBounded(t *testing.T) {
	for _, expr := range []string{`(`, `(a|b)*a(a|b){12}c`, `(` + strings.Repeat("ab?", 600) + `)`, strings.Repeat(`(a|b)?`, 300) + `c`, `((a{30}){30}){1}`, `[a-z]{900}[b-y]{900}`} {
		if New(expr, Unknown) != nil {
			t.Errorf("%.40q has an automaton", expr)
		}
	}
}

// FuzzAutomaton compares with the library.
func FuzzAutomaton(f *testing.F) {
	for _, expr := range expressions {
		f.Add(expr, "GET /ab status 503 in 2100ms")
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		re, err := regexp.Compile(expr)
		a := New(expr, Unknown)
		if err != nil || a == nil {
			return
		}
		if s := a.Run(a.Start(), []byte(text)); s != Lost && a.Ends(s) != re.MatchString(text) {
			t.Fatalf("%q in %q: the library says %v", expr, text, re.MatchString(text))
		}
	})
}

// BenchmarkNew is what making an automaton costs, and how many states it has.
func BenchmarkNew(b *testing.B) {
	for _, expr := range []string{`status 50[03] in 2\d{3}ms`, `\b\w+@\w+\.com\b`, `(?i)timeout|refused`} {
		b.Run(expr, func(b *testing.B) {
			states := 0
			for b.Loop() {
				states = New(expr, Unknown).States()
			}
			b.ReportMetric(float64(states), "states")
		})
	}
}
