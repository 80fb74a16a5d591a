package score

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// matcher compares an answer with the known one.
type matcher struct {
	query  string
	approx bool
	loose  bool // the known answer was printed for people
	types  []schema.Column
}

// rows compares row by row, or as a set.
func (m matcher) rows(got, want [][]any, unordered bool) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d: %s", len(got), len(want), clip(fmt.Sprint(m.show(got))))
	}
	left := slices.Clone(want)
	for i, g := range got {
		found := -1
		for j, w := range left {
			if (unordered || j == 0) && m.row(g, w) {
				found = j
				break
			}
		}
		if found < 0 {
			w := fmt.Sprint(left[0])
			return fmt.Sprintf("row %d: %s\nwant     %s", i, clip(fmt.Sprint(m.show(got[i:i+1]))), clip(w))
		}
		left = slices.Delete(left, found, found+1)
	}
	return ""
}

func clip(s string) string {
	if len(s) > 700 {
		return s[:700] + "…"
	}
	return s
}

func (m matcher) show(rows [][]any) (out [][]string) {
	for _, r := range rows {
		var line []string
		for i, v := range r {
			line = append(line, plain(m.types[i].Type, v))
		}
		out = append(out, line)
	}
	return out
}

func (m matcher) row(got, want []any) bool {
	for i := range got {
		if i >= len(want) || !m.value(m.types[i].Type, got[i], want[i]) {
			return false
		}
	}
	return len(got) == len(want)
}

// value compares a value as the engine carries it with one of JSON.
func (m matcher) value(t schema.Type, got, want any) bool {
	g := plain(t, got)
	w := ""
	switch x := want.(type) {
	case nil:
		return got == nil || g == ""
	case string:
		w = x
	case json.Number:
		w = x.String()
	case bool:
		w = strconv.FormatBool(x)
	default:
		b, err := json.Marshal(x)
		if err != nil {
			return false
		}
		w = string(b)
	}
	if m.loose {
		w = strings.TrimSpace(w)
		g = strings.TrimSpace(g)
		if strings.EqualFold(strings.Trim(w, "()"), "null") && (got == nil || g == "") {
			return true
		}
		w = strings.ReplaceAll(w, "∞", "Infinity")
	}
	if g == w {
		return true
	}
	switch t {
	case schema.Bool:
		norm := func(s string) string {
			return map[string]string{"1": "true", "0": "false", "true": "true", "false": "false"}[strings.ToLower(s)]
		}
		return norm(g) == norm(w)
	case schema.DateTime:
		a, ok1 := syntax.ParseDateTime(g)
		b, ok2 := syntax.ParseDateTime(w)
		return ok1 && ok2 && a == b
	case schema.TimeSpan:
		a, ok1 := syntax.ParseTimeSpan(g)
		b, ok2 := syntax.ParseTimeSpan(w)
		return ok1 && ok2 && a == b
	case schema.Dynamic:
		return m.json(g, w) || m.loose && bare(g) == bare(w)
	case schema.Int, schema.Long, schema.Real, schema.Decimal:
		return m.number(g, w)
	}
	if m.loose {
		return strings.EqualFold(strings.Join(strings.Fields(g), " "), strings.Join(strings.Fields(w), " ")) || m.json(g, w)
	}
	return false
}

// bare leaves out quotes and blanks, which tables for people set as they like.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("'\" \n\t", r) {
			return -1
		}
		return r
	}, s)
}

func (m matcher) number(g, w string) bool {
	a, err1 := strconv.ParseFloat(strings.ReplaceAll(g, ",", ""), 64)
	b, err2 := strconv.ParseFloat(strings.ReplaceAll(w, ",", ""), 64)
	if err1 != nil || err2 != nil {
		return strings.EqualFold(g, w)
	}
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) == math.IsNaN(b)
	}
	tolerance := 1e-9
	if m.approx {
		tolerance = 2e-2
	}
	if m.loose {
		tolerance = 1e-3
	}
	return a == b || math.Abs(a-b) <= tolerance*math.Max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) < 1e-12
}

// json compares dynamic values. Sets have no order.
func (m matcher) json(g, w string) bool {
	a, ok1 := decode(g)
	b, ok2 := decode(w)
	if !ok1 || !ok2 {
		return strings.Trim(g, `"`) == strings.Trim(w, `"`)
	}
	if m.same(a, b) {
		return true
	}
	for _, word := range []string{"make_set", "makeset", "set_", "bag_keys", "dynamic_to_json"} {
		if strings.Contains(m.query, word) {
			return m.same(ordered(a), ordered(b))
		}
	}
	return false
}

func decode(s string) (v any, ok bool) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err == nil
}

func (m matcher) same(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !m.same(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if _, has := y[k]; !has || !m.same(x[k], y[k]) {
				return false
			}
		}
		return true
	case json.Number:
		switch y := b.(type) {
		case json.Number:
			return m.number(x.String(), y.String())
		case bool:
			return x.String() == map[bool]string{true: "1", false: "0"}[y]
		}
		return false
	case string:
		y, ok := b.(string)
		if !ok {
			n, isNumber := b.(json.Number)
			return isNumber && m.number(x, n.String())
		}
		if x == y {
			return true
		}
		t, ok1 := syntax.ParseDateTime(x)
		u, ok2 := syntax.ParseDateTime(y)
		return ok1 && ok2 && t == u
	case bool:
		if n, ok := b.(json.Number); ok {
			return m.same(n, x)
		}
	}
	return a == b
}

// ordered sorts all arrays.
func ordered(v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = ordered(x[i])
		}
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return out
	case map[string]any:
		for k := range x {
			x[k] = ordered(x[k])
		}
	}
	return v
}

// plain is a value as text.
func plain(t schema.Type, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(x)
	case int32:
		return strconv.Itoa(int(x))
	case int64:
		switch t {
		case schema.DateTime:
			return syntax.DateTimeText(schema.Ticks(x))
		case schema.TimeSpan:
			return schema.Span(x).String()
		}
		return strconv.FormatInt(x, 10)
	case float64:
		return syntax.FormatReal(x)
	case string:
		return x
	}
	return fmt.Sprint(v)
}
