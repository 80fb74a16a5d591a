package native

import (
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// patterns keeps compiled regular expressions; queries use few of them.
type patterns struct {
	mu sync.Mutex
	m  map[string]*regexp.Regexp
}

// maxPatterns bounds the cache; patterns may come from data.
const maxPatterns = 1000

var compiled = &patterns{m: map[string]*regexp.Regexp{}}

// compile returns the pattern, nil if it can't be read.
func compile(expr string) *regexp.Regexp {
	compiled.mu.Lock()
	defer compiled.mu.Unlock()
	if r, ok := compiled.m[expr]; ok {
		return r
	}
	r, err := regexp.Compile(Pattern(expr))
	if err != nil {
		r = nil
	}
	if len(compiled.m) >= maxPatterns {
		clear(compiled.m)
	}
	compiled.m[expr] = r
	return r
}

// optional returns argument i as a long, or the default if it was left out.
func optional(a []any, i int, def int64) int64 {
	if i < len(a) {
		if v, ok := a[i].(int64); ok {
			return v
		}
	}
	return def
}

// runes cuts s by characters.
func runes(s string, start, length int64) string {
	if isASCII(s) {
		n := int64(len(s))
		start = min(max(start, 0), n)
		return s[start:min(n, start+max(0, min(length, n)))]
	}
	r := []rune(s)
	n := int64(len(r))
	start = min(max(start, 0), n)
	return string(r[start:min(n, start+max(0, min(length, n)))])
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if (s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7])&utf8.RuneSelf != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Substring is substring(text, start, length); a negative start counts from the end.
func Substring(a []any) (any, error) {
	s, start := a[0].(string), a[1].(int64)
	n := int64(utf8.RuneCountInString(s))
	if start < 0 {
		start = max(0, n+start)
	}
	length := optional(a, 2, n)
	if length < 0 {
		length = n
	}
	return runes(s, start, length), nil
}

// Trim is trim(regex, text).
func Trim(a []any) (any, error) {
	s, err := TrimStart(a)
	if err != nil || s == nil {
		return s, err
	}
	return TrimEnd([]any{a[0], s})
}

// TrimStart is trim_start(regex, text).
func TrimStart(a []any) (any, error) {
	re, s := compile("^(?:"+a[0].(string)+")"), a[1].(string)
	if re == nil {
		return s, nil
	}
	if m := re.FindStringIndex(s); m != nil {
		s = s[m[1]:]
	}
	return s, nil
}

// TrimEnd is trim_end(regex, text).
func TrimEnd(a []any) (any, error) {
	re, s := compile("(?:"+a[0].(string)+")$"), a[1].(string)
	if re == nil {
		return s, nil
	}
	if m := re.FindStringIndex(s); m != nil {
		s = s[:m[0]]
	}
	return s, nil
}

// rewrite turns \1 into ${1} and protects dollars.
func rewrite(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '$':
			b.WriteString("$$")
		case s[i] == '\\' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			b.WriteString("${" + s[i+1:i+2] + "}")
			i++
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\\':
			b.WriteByte('\\')
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// ReplaceRegex is replace_regex(text, regex, rewrite).
func ReplaceRegex(a []any) (any, error) {
	re := compile(a[1].(string))
	if re == nil {
		return a[0], nil
	}
	return re.ReplaceAllString(a[0].(string), rewrite(a[2].(string))), nil
}

// ReplaceOld is replace(regex, rewrite, text).
func ReplaceOld(a []any) (any, error) { return ReplaceRegex([]any{a[2], a[0], a[1]}) }

// ReplaceStrings is replace_strings(text, array, array or string): in one pass,
// where several match the first in the list. A replacement that is no string
// leaves what it stands for.
func ReplaceStrings(a []any) (any, error) {
	find, with := parse(a[1]), parse(a[2])
	var pairs []string
	for i, f := range find.Items {
		w := with
		if with.Kind == Array {
			if i >= len(with.Items) {
				break
			}
			w = with.Items[i]
		}
		if f.String() == "" {
			continue
		}
		if w.Kind != String {
			w = f
		}
		pairs = append(pairs, f.String(), w.String())
	}
	return strings.NewReplacer(pairs...).Replace(a[0].(string)), nil
}

// Split is split(text, delimiter, index).
func Split(a []any) (any, error) {
	var parts []string
	if d := a[1].(string); d == "" {
		parts = []string{a[0].(string)}
	} else {
		parts = strings.Split(a[0].(string), d)
	}
	if i, ok := a[2].(int64); ok {
		if i < 0 || i >= int64(len(parts)) {
			return nil, nil
		}
		parts = parts[i : i+1]
	}
	out := make([]Value, len(parts))
	for i, p := range parts {
		out[i] = str(p)
	}
	return array(out).out()
}

// Extract is extract(regex, group, text).
func Extract(a []any) (any, error) {
	re, group := compile(a[0].(string)), a[1].(int64)
	if re == nil || group < 0 || group > int64(re.NumSubexp()) {
		return "", nil
	}
	m := re.FindStringSubmatch(a[2].(string))
	if m == nil {
		return "", nil
	}
	return m[group], nil
}

// ExtractAll is extract_all(regex, text).
func ExtractAll(a []any) (any, error) { return extractAll(a[0].(string), a[1].(string), nil) }

// ExtractGroups is extract_all(regex, groups, text).
func ExtractGroups(a []any) (any, error) {
	return extractAll(a[0].(string), a[2].(string), parse(a[1]).Items)
}

func extractAll(expr, text string, groups []Value) (any, error) {
	re := compile(expr)
	if re == nil {
		return nil, nil
	}
	var out []Value
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		var parts []Value
		if groups == nil {
			if len(m) == 1 {
				m = []string{"", m[0]}
			}
			for _, g := range m[1:] {
				parts = append(parts, str(g))
			}
		}
		for _, g := range groups {
			i := int(g.Long)
			if g.Kind == String {
				i = re.SubexpIndex(g.Str)
			}
			if i >= 0 && i < len(m) {
				parts = append(parts, str(m[i]))
			}
		}
		if len(parts) == 1 {
			out = append(out, parts[0])
		} else {
			out = append(out, array(parts))
		}
	}
	if out == nil {
		return nil, nil
	}
	return array(out).out()
}

// IndexOf is indexof(text, lookup, start, length, occurrence).
func IndexOf(a []any) (any, error) {
	s, lookup := []rune(a[0].(string)), []rune(a[1].(string))
	start, length, nth := optional(a, 2, 0), optional(a, 3, -1), optional(a, 4, 1)
	n := int64(len(s))
	if start < 0 {
		start = max(0, n+start)
	}
	end := n
	if length >= 0 {
		end = min(n, start+length)
	}
	if start > n {
		return int64(-1), nil
	}
	for i := start; i+int64(len(lookup)) <= n && (length < 0 || i < end); i++ { // the range bounds where a match begins
		if string(s[i:i+int64(len(lookup))]) == string(lookup) {
			if nth--; nth <= 0 {
				return i, nil
			}
		}
	}
	return int64(-1), nil
}

// IndexOfRegex is indexof_regex(text, regex, start, length, occurrence).
func IndexOfRegex(a []any) (any, error) {
	re := compile(a[1].(string))
	s := []rune(a[0].(string))
	start, length, nth := optional(a, 2, 0), optional(a, 3, -1), optional(a, 4, 1)
	n := int64(len(s))
	if start < 0 || length < -1 || nth < 0 {
		return nil, nil
	}
	if re == nil || start > n {
		return int64(-1), nil
	}
	end := n
	if length >= 0 {
		end = min(n, start+length)
	}
	part := string(s[start:end])
	for _, m := range re.FindAllStringIndex(part, -1) {
		if nth--; nth <= 0 {
			return start + int64(utf8.RuneCountInString(part[:m[0]])), nil
		}
	}
	return int64(-1), nil
}

// CountOf is countof(text, search, kind). Plain matches may overlap.
func CountOf(a []any) (any, error) {
	s, search := a[0].(string), a[1].(string)
	if kind, _ := a[2].(string); kind == "regex" {
		re := compile(search)
		if re == nil {
			return nil, nil
		}
		return int64(len(re.FindAllStringIndex(s, -1))), nil
	}
	if search == "" {
		return int64(0), nil
	}
	n := int64(0)
	for i := 0; ; n++ {
		j := strings.Index(s[i:], search)
		if j < 0 {
			return n, nil
		}
		i += j + 1
	}
}

// StrCmp is strcmp(a, b).
func StrCmp(a []any) (any, error) {
	return int64(strings.Compare(a[0].(string), a[1].(string))), nil
}

// StrRep is strrep(value, times, delimiter).
func StrRep(a []any) (any, error) {
	d, _ := a[2].(string)
	n := min(max(a[1].(int64), 0), 1024)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = parse(a[0]).String()
	}
	return strings.Join(parts, d), nil
}

// Repeat is repeat(value, times).
func Repeat(a []any) (any, error) {
	n, ok := a[1].(int64)
	if !ok || n < 0 || n > 1<<20 {
		return nil, nil
	}
	v := parse(a[0])
	out := make([]Value, n)
	for i := range out {
		out[i] = v
	}
	return array(out).out()
}

// HasAnyIndex is has_any_index(text, terms).
func HasAnyIndex(a []any) (any, error) {
	for i, t := range parse(a[1]).Items {
		if HasTerm(a[0].(string), t.String(), true, true, true) {
			return int64(i), nil
		}
	}
	return int64(-1), nil
}

// HasTerm reports whether term stands in s as a word: bounded on the left, on
// the right, or both, by the ends of s or by an ASCII character that is neither
// letter nor digit.
func HasTerm(s, term string, left, right, fold bool) bool {
	if term == "" {
		return true
	}
	if fold {
		s, term = strings.ToLower(s), strings.ToLower(term)
	}
	for from := 0; from <= len(s); {
		j := strings.Index(s[from:], term)
		if j < 0 {
			return false
		}
		at := from + j
		end := at + len(term)
		if (!left || at == 0 || !WordByte(s[at-1]) || len(term) > 0 && !WordByte(term[0])) &&
			(!right || end == len(s) || !WordByte(s[end]) || len(term) > 0 && !WordByte(term[len(term)-1])) {
			return true
		}
		from = at + 1
	}
	return false
}

// WordByte reports whether c belongs to a term: ASCII letters and digits, and
// everything beyond ASCII.
func WordByte(c byte) bool {
	return c >= utf8.RuneSelf || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
