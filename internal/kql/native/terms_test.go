package native

import (
	"testing"

	"pgregory.net/rapid"
)

// TestLongAndShortListsAgree: the prepared search finds what the plain one finds.
func TestLongAndShortListsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[abé.\- ]{0,4}`)
		text := rapid.StringMatching(`[abAé.\- ]{0,12}`).Draw(t, "text")
		list := rapid.SliceOfN(word, 1, 4).Draw(t, "terms")
		var items []Value
		want := false
		for _, s := range list {
			items = append(items, str(s))
			want = want || HasTerm(text, s, true, true, true)
		}
		got, err := HasAnyOf([]any{text, array(items).Text()})
		if err != nil || got != want {
			t.Fatalf("%q in %q: %v, want %v", list, text, got, want)
		}
	})
}
