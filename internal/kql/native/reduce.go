package native

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// others is the pattern of all texts that are like too few.
const others = "others"

// reduced is a text cut into terms and what stands between them.
type reduced struct {
	text  string
	count int64
	terms []string
	gaps  []string // before each term, and behind the last one
}

// Reduce groups texts that look alike. It takes an array of [text, count], the
// share of all that a pattern needs, and further characters that part terms. It
// answers an array of [pattern, count, representative], the greatest first.
//
// A term stays in the pattern if enough texts with as many terms have it in the
// same place; terms with digits never do.
func Reduce(a []any) (any, error) {
	threshold, _ := a[1].(float64)
	between, _ := a[2].(string)
	var all []reduced
	total := int64(0)
	type place struct {
		terms, at int
		term      string
	}
	seen := map[place]int64{}
	for _, it := range parse(a[0]).Items {
		r := cut(it.Items[0].String(), between)
		r.count = it.Items[1].Long
		total += r.count
		for i, t := range r.terms {
			seen[place{len(r.terms), i, t}] += r.count
		}
		all = append(all, r)
	}
	need := max(int64(threshold*float64(total)), 1)
	type group struct {
		pattern, first string
		count          int64
	}
	groups := map[string]*group{}
	var order []*group
	for _, r := range all {
		keep := make([]bool, len(r.terms))
		fixed := false
		for i, t := range r.terms {
			keep[i] = seen[place{len(r.terms), i, t}] >= need && !strings.ContainsFunc(t, unicode.IsDigit)
			fixed = fixed || keep[i]
		}
		p := others
		if fixed {
			p = r.pattern(keep, between)
		}
		g := groups[p]
		if g == nil {
			g = &group{pattern: p, first: r.text}
			groups[p], order = g, append(order, g)
		}
		g.count += r.count
	}
	rest := group{pattern: others}
	var out []*group
	for _, g := range order {
		if g.pattern == others || g.count < need {
			rest.count += g.count
			continue
		}
		out = append(out, g)
	}
	slices.SortStableFunc(out, func(a, b *group) int { return cmp.Compare(b.count, a.count) })
	if rest.count > 0 {
		out = append(out, &rest)
	}
	var rows []Value
	for _, g := range out {
		rows = append(rows, array([]Value{str(g.pattern), long(g.count), str(g.first)}))
	}
	return array(rows).out()
}

// cut finds the terms of a text: letters, digits and _ that stand together.
func cut(text, between string) reduced {
	r := reduced{text: text}
	start, end := -1, 0
	for i, c := range text {
		part := c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) || strings.ContainsRune(between, c)
		switch {
		case part && start >= 0:
			r.terms = append(r.terms, text[start:i])
			start, end = -1, i
		case !part && start < 0:
			r.gaps = append(r.gaps, text[end:i])
			start = i
		}
	}
	if start >= 0 {
		r.terms, end = append(r.terms, text[start:]), len(text)
	}
	r.gaps = append(r.gaps, text[end:])
	return r
}

// pattern writes * for the terms that differ. The characters that the query
// gave to part terms are part of what differs.
func (r reduced) pattern(keep []bool, between string) string {
	var b strings.Builder
	for i, t := range r.terms {
		gap := r.gaps[i]
		if !keep[i] || i > 0 && !keep[i-1] {
			gap = strings.Trim(gap, between)
		}
		if !keep[i] {
			t = "*"
		}
		if t == "*" && gap == "" && strings.HasSuffix(b.String(), "*") {
			continue
		}
		b.WriteString(gap)
		b.WriteString(t)
	}
	b.WriteString(r.gaps[len(r.terms)])
	return b.String()
}
