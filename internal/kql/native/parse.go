package native

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// fits reports whether text can be read as a type of the language.
func fits(text, typ string) bool {
	var v any
	switch typ {
	case "long":
		v, _ = ParseLong([]any{text})
	case "int":
		v, _ = ParseInt([]any{text})
	case "real":
		v, _ = ParseReal([]any{text})
	case "datetime":
		v, _ = ParseTime([]any{text})
	case "timespan":
		v, _ = ParseSpan([]any{text})
	case "guid":
		v, _ = ParseGUID([]any{text})
	case "bool":
		v, _ = ParseBool([]any{text})
	case "decimal":
		v, _ = ParseDecimal([]any{text})
	default:
		return true
	}
	return v != nil
}

// ParsePattern is parse: text, regular expression, types, and whether all
// columns must fit ("all") or each by itself ("each").
func ParsePattern(a []any) (any, error) {
	re := compile(a[1].(string))
	if re == nil {
		return nil, nil
	}
	m := re.FindStringSubmatch(a[0].(string))
	if m == nil {
		return nil, nil
	}
	types := strings.Split(a[2].(string), ",")
	out := make([]Value, len(types))
	for i, t := range types {
		g := re.SubexpIndex(Group(i))
		if g < 0 {
			return nil, nil
		}
		if !fits(m[g], t) {
			if a[3] == "all" {
				return nil, nil
			}
			continue
		}
		out[i] = str(m[g])
	}
	return array(out).out()
}

// Group is the name of the group that holds column i of a pattern of parse.
func Group(i int) string { return "column" + strconv.Itoa(i) + "__" }

// ParseKv is parse-kv: text, delimiter of pairs, delimiter between key and
// value, quote, escape, regular expression, greedy, and the keys asked for.
// Without delimiters all that is no letter or digit is one.
func ParseKv(a []any) (any, error) {
	text, pair, kv, quote, escape, expr := a[0].(string), a[1].(string), a[2].(string), a[3].(string), a[4].(string), a[5].(string)
	keys := parse(a[7]).Items
	found := map[string]string{}
	switch {
	case expr != "":
		if re := compile(expr); re != nil {
			for _, m := range re.FindAllStringSubmatch(text, -1) {
				if len(m) > 2 {
					found[m[1]] = m[2]
				}
			}
		}
	case kv == "":
		for _, k := range keys {
			re := compile(`(?:^|[^\p{L}\p{N}_])` + regexp.QuoteMeta(k.Str) + `([^\p{L}\p{N}_]+)([\p{L}\p{N}_]*)`)
			m := re.FindStringSubmatchIndex(text)
			if m == nil {
				continue
			}
			if at := strings.IndexByte(text[m[2]:m[3]], first(quote)); quote != "" && at >= 0 {
				found[k.Str], _ = kvValue(text[m[2]+at:], "", "", quote, escape, false)
			} else if m[4] < m[5] {
				found[k.Str] = text[m[4]:m[5]]
			}
		}
	default:
		for text != "" {
			i := strings.Index(text, kv)
			if i < 0 {
				break
			}
			key := kvKey(text[:i], pair, quote)
			var value string
			value, text = kvValue(strings.TrimLeft(text[i+len(kv):], " \t"), pair, kv, quote, escape, a[6] == "true")
			if _, has := found[key]; !has {
				found[key] = value
			}
		}
	}
	out := make([]Value, len(keys))
	for i, k := range keys {
		if v, ok := found[k.Str]; ok {
			out[i] = str(v)
		}
	}
	return array(out).out()
}

// first is the first byte of a text, 0 if there is none.
func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// kvKey is the key at the end of text, perhaps in quotes.
func kvKey(text, pair, quote string) string {
	text = strings.TrimSpace(text)
	if quote != "" && strings.HasSuffix(text, quote[len(quote)-1:]) {
		inner := text[:len(text)-1]
		if j := strings.LastIndex(inner, quote[:1]); j >= 0 {
			return inner[j+1:]
		}
	}
	if j := strings.LastIndex(text, pair); pair != "" && j >= 0 {
		text = text[j+len(pair):]
	}
	return strings.TrimSpace(text)
}

// kvValue reads the value at the start of text.
func kvValue(text, pair, kv, quote, escape string, greedy bool) (value, rest string) {
	if quote != "" && text != "" && strings.HasPrefix(text, quote[:1]) {
		end := quote[len(quote)-1:]
		var b strings.Builder
		for i := 1; i < len(text); i++ {
			if escape != "" && strings.HasPrefix(text[i:], escape) && i+len(escape) < len(text) {
				i += len(escape)
				b.WriteByte(text[i])
				continue
			}
			if text[i:i+1] == end {
				return b.String(), text[i+1:]
			}
			b.WriteByte(text[i])
		}
		return b.String(), ""
	}
	cut := text
	if greedy {
		if i := strings.Index(text, kv); i >= 0 {
			cut = text[:i]
			if j := strings.LastIndex(cut, pair); j >= 0 {
				return cut[:j], text[j:]
			}
		}
		return text, ""
	}
	if i := strings.Index(cut, pair); pair != "" && i >= 0 {
		return text[:i], text[i+len(pair):]
	}
	return text, ""
}

// Series lays the rows of make-series out: rows [axis, value, …], from, to,
// step, defaults, and the axis's type with the comparison of its end.
func Series(a []any) (any, error) {
	rows := parse(a[0]).Items
	defaults := parse(a[4]).Items
	typ, inclusive := strings.CutSuffix(a[5].(string), "<=")
	typ = strings.TrimSuffix(typ, "<")
	step, _ := parse(a[3]).number()
	if step <= 0 {
		return nil, nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range rows {
		v, _ := r.Items[0].number()
		low, high = math.Min(low, v), math.Max(high, v)
	}
	if a[1] != nil {
		low, _ = parse(a[1]).number()
	}
	n := int(math.Floor((high-low)/step+1e-9)) + 1
	if a[2] != nil {
		end, _ := parse(a[2]).number()
		n = int(math.Ceil((end-low)/step - 1e-9))
		if inclusive {
			n = int(math.Floor((end-low)/step+1e-9)) + 1
		}
	}
	const most = 1 << 20
	n = max(0, min(n, most))
	// Ticks are larger than a float holds exactly, so whole axes are counted in whole numbers.
	whole := typ != "real"
	var low64, step64 int64
	if whole {
		step64 = parse(a[3]).Long
		low64 = math.MaxInt64
		for _, r := range rows {
			low64 = min(low64, r.Items[0].Long)
		}
		if a[1] != nil {
			low64 = parse(a[1]).Long
		}
	}
	out := make([][]Value, len(defaults)+1)
	for i := range n {
		for k, d := range defaults {
			out[k] = append(out[k], d)
		}
		switch typ {
		case "datetime":
			out[len(defaults)] = append(out[len(defaults)], str(syntax.DateTimeText(schema.Ticks(low64+int64(i)*step64))))
		case "timespan":
			out[len(defaults)] = append(out[len(defaults)], str(schema.Span(low64+int64(i)*step64).String()))
		case "real":
			out[len(defaults)] = append(out[len(defaults)], real(low+float64(i)*step))
		default:
			out[len(defaults)] = append(out[len(defaults)], long(low64+int64(i)*step64))
		}
	}
	for _, r := range rows {
		i := 0
		if whole {
			i = int((r.Items[0].Long - low64) / step64)
		} else {
			v, _ := r.Items[0].number()
			i = int(math.Round((v - low) / step))
		}
		for k := range defaults {
			if i >= 0 && i < n && k+1 < len(r.Items) && r.Items[k+1].Kind != Null {
				out[k][i] = r.Items[k+1]
			}
		}
	}
	all := make([]Value, len(out))
	for i := range out {
		all[i] = array(out[i])
	}
	return array(all).out()
}
