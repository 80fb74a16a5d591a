package score

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// tuples writes rows as engine_fuzz has them: (1, 'a', null).
func tuples(a *answer) []string {
	out := make([]string, len(a.rows))
	for i, row := range a.rows {
		cells := make([]string, len(row))
		for j, v := range row {
			cells[j] = cell(a.columns[j].Type, v)
		}
		out[i] = "(" + strings.Join(cells, ", ") + ")"
	}
	return out
}

func cell(t schema.Type, v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return map[bool]string{true: "True", false: "False"}[x]
	case float64:
		return strings.TrimSuffix(syntax.FormatReal(x), ".0")
	case string:
		switch t {
		case schema.Dynamic:
			var b bytes.Buffer
			if json.Indent(&b, []byte(x), "", "  ") != nil {
				return x
			}
			return b.String()
		case schema.Decimal:
			if f, err := strconv.ParseFloat(x, 64); err == nil {
				return strings.TrimSuffix(syntax.FormatReal(f), ".0")
			}
			return x
		}
		return "'" + x + "'"
	}
	return plain(t, v)
}

// texts compares tuples as sets; numbers in them may differ in their last digits.
func (m matcher) texts(got []string, want []any) (verdict, string) {
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(g string) bool { return m.sameText(g, w.(string)) })
		if i < 0 {
			return wrong, fmt.Sprintf("rows %s\nwant %v", clip(strings.Join(got, "\n     ")), w)
		}
		left = slices.Delete(left, i, i+1)
	}
	return pass, ""
}

func (m matcher) sameText(g, w string) bool {
	if g == w {
		return true
	}
	words := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \n,()[]{}:'\"", r) })
	}
	a, b := words(g), words(w)
	if strings.Contains(m.query, "set") || strings.Contains(m.query, "bag") { // neither has an order
		slices.Sort(a)
		slices.Sort(b)
	}
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !m.number(a[i], b[i]) {
			return false
		}
		if _, err := strconv.ParseFloat(a[i], 64); a[i] != b[i] && err != nil {
			return false
		}
	}
	return true
}

// sameBag compares lines without regard to their order.
func sameBag(got, want []string) string {
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Sprintf("got  %v\nwant %v", got, want)
	}
	return ""
}
