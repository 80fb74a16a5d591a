package native

import (
	"strings"
	"sync"
)

// terms is a list of terms made ready for search: a text is read once, and at
// the start of each of its words only the terms that begin with that word are
// looked at.
type terms struct {
	byWord map[string][]string // terms by their first word
	others []string            // terms that do not begin with a word
	always bool                // the empty term is everywhere
}

// termLists keeps prepared lists by their JSON text; a query has few.
type termLists struct {
	mu sync.Mutex
	m  map[string]*terms
}

const maxTermLists = 50

var prepared = &termLists{m: map[string]*terms{}}

func (c *termLists) get(list string) *terms {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.m[list]; ok {
		return t
	}
	t := &terms{byWord: map[string][]string{}}
	for _, x := range parse(list).Items {
		s := strings.ToLower(x.String())
		switch n := firstWord(s); {
		case s == "":
			t.always = true
		case n == 0:
			t.others = append(t.others, s)
		default:
			t.byWord[s[:n]] = append(t.byWord[s[:n]], s)
		}
	}
	if len(c.m) >= maxTermLists {
		clear(c.m)
	}
	c.m[list] = t
	return t
}

// firstWord is the length of the word at the start of s.
func firstWord(s string) int {
	n := 0
	for n < len(s) && WordByte(s[n]) {
		n++
	}
	return n
}

// in reports whether one of the terms stands in s.
func (t *terms) in(s string) bool {
	if t.always {
		return true
	}
	s = strings.ToLower(s)
	for i := 0; i < len(s); {
		n := firstWord(s[i:])
		if n == 0 {
			i++
			continue
		}
		for _, term := range t.byWord[s[i:i+n]] {
			end := i + len(term)
			if strings.HasPrefix(s[i:], term) && (end == len(s) || !WordByte(s[end]) || !WordByte(term[len(term)-1])) {
				return true
			}
		}
		i += n
	}
	for _, term := range t.others {
		if HasTerm(s, term, true, true, false) {
			return true
		}
	}
	return false
}

// HasAnyOf is has_any with a long list of constants.
func HasAnyOf(a []any) (any, error) { return prepared.get(a[1].(string)).in(a[0].(string)), nil }
