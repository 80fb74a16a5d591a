package syntax

import "strings"

// Suggest returns the candidate that looks most like name, or "" if none does.
func Suggest(name string, candidates []string) string {
	best, found := 1+len(name)/3, ""
	for _, c := range candidates {
		if strings.EqualFold(c, name) && c != name {
			return c
		}
		if d := distance(strings.ToLower(name), strings.ToLower(c), best); d < best {
			best, found = d, c
		}
	}
	return found
}

// distance is the number of edits between a and b, or limit if it is more.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev, cur := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j]+cost, prev[j+1]+1, cur[j]+1)
		}
		prev, cur = cur, prev
	}
	return min(prev[len(b)], limit)
}
