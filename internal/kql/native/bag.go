package native

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// BagKeys is bag_keys.
func BagKeys(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Bag {
		return nil, nil
	}
	out := make([]Value, len(v.Names))
	for i, n := range v.Names {
		out[i] = str(n)
	}
	return array(out).out()
}

// BagValues is bag_values.
func BagValues(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Bag {
		return nil, nil
	}
	return array(v.Items).out()
}

// path splits $.a.b[0]['c'] into steps; ok is false if it is none.
func path(p string) (steps []string, ok bool) {
	p, ok = strings.CutPrefix(p, "$")
	if !ok {
		return nil, false
	}
	for p != "" {
		switch {
		case p[0] == '.':
			end := strings.IndexAny(p[1:], ".[")
			if end < 0 {
				end = len(p) - 1
			}
			steps = append(steps, p[1:1+end])
			p = p[1+end:]
		case p[0] == '[':
			end := strings.IndexByte(p, ']')
			if end < 0 {
				return nil, false
			}
			steps = append(steps, strings.Trim(p[1:end], `'"`))
			p = p[end+1:]
		default:
			return nil, false
		}
	}
	return steps, true
}

func (v Value) at(steps []string) (Value, bool) {
	for _, s := range steps {
		ok := false
		if v.Kind == Array {
			i, err := strconv.Atoi(s)
			if ok = err == nil && i >= 0 && i < len(v.Items); ok {
				v = v.Items[i]
			}
		} else {
			v, ok = v.Get(s)
		}
		if !ok {
			return Value{}, false
		}
	}
	return v, true
}

// BagHasKey is bag_has_key(bag, key or path).
func BagHasKey(a []any) (any, error) {
	v, key := parse(a[0]), a[1].(string)
	if v.Kind != Bag {
		return nil, nil
	}
	if steps, ok := path(key); ok && len(steps) > 0 {
		_, has := v.at(steps)
		return has, nil
	}
	_, has := v.Get(key)
	return has, nil
}

// BagMerge is bag_merge(bags…).
func BagMerge(a []any) (any, error) {
	out := Value{Kind: Bag}
	any := false
	for _, x := range a {
		v := parse(x)
		any = any || v.Kind == Bag
		for i, n := range v.Names {
			if _, has := out.Get(n); !has {
				out.set(n, v.Items[i])
			}
		}
	}
	if !any {
		return nil, nil
	}
	return out.out()
}

// BagRemoveKeys is bag_remove_keys(bag, keys or paths).
func BagRemoveKeys(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Bag {
		return nil, nil
	}
	for _, k := range parse(a[1]).Items {
		steps, ok := path(k.String())
		if !ok {
			steps = []string{k.String()}
		}
		v = v.without(steps)
	}
	return v.out()
}

func (v Value) without(steps []string) Value {
	out := Value{Kind: v.Kind}
	for i, n := range v.Names {
		switch {
		case n != steps[0]:
			out.set(n, v.Items[i])
		case len(steps) > 1 && v.Items[i].Kind == Bag:
			out.set(n, v.Items[i].without(steps[1:]))
		case len(steps) > 1:
			out.set(n, v.Items[i])
		}
	}
	return out
}

// BagSetKey is bag_set_key(bag, key or path, value).
func BagSetKey(a []any) (any, error) {
	v, x := parse(a[0]), parse(a[2])
	key, ok := a[1].(string)
	if v.Kind != Bag && v.Kind != Null || !ok {
		return nil, nil
	}
	v.Kind = Bag
	steps, isPath := path(key)
	if !isPath || len(steps) == 0 {
		steps = []string{key}
	}
	return v.with(steps, x).out()
}

func (v Value) with(steps []string, x Value) Value {
	out := Value{Kind: Bag}
	for i, n := range v.Names {
		if n != steps[0] {
			out.set(n, v.Items[i])
		}
	}
	if len(steps) > 1 {
		old, _ := v.Get(steps[0])
		x = old.with(steps[1:], x)
	}
	if _, had := v.Get(steps[0]); had && len(steps) > 1 {
		keep := Value{Kind: Bag}
		for i, n := range v.Names {
			if n == steps[0] {
				keep.set(n, x)
			} else {
				keep.set(n, v.Items[i])
			}
		}
		return keep
	}
	out.set(steps[0], x)
	return out
}

// BagZip is bag_zip(keys, values); keys that are no strings are left out.
func BagZip(a []any) (any, error) {
	keys, values := parse(a[0]), parse(a[1])
	if keys.Kind != Array || values.Kind != Array {
		return nil, nil
	}
	out := Value{Kind: Bag}
	for i, k := range keys.Items {
		if k.Kind != String {
			continue
		}
		v := Value{}
		if i < len(values.Items) {
			v = values.Items[i]
		}
		out.set(k.Str, v)
	}
	return out.out()
}

// ExtractJSON is extract_json(path, text).
func ExtractJSON(a []any) (any, error) {
	v, ok := Parse(a[1].(string))
	steps, isPath := path(a[0].(string))
	if !ok || !isPath {
		return "", nil
	}
	x, _ := v.at(steps)
	return x.String(), nil
}

// distinct lists the elements of an array once each.
func distinct(v Value) []Value {
	out := []Value{}
	seen := make(map[string]bool, len(v.Items))
	for _, x := range v.Items {
		if k := identity(x); !seen[k] {
			seen[k] = true
			out = append(out, x)
		}
	}
	return out
}

// identity is the same text for values that are equal.
func identity(v Value) string {
	switch v.Kind {
	case Long:
		return "n" + strconv.FormatInt(v.Long, 10)
	case Real:
		if n := int64(v.Real); float64(n) == v.Real && math.Abs(v.Real) < 1<<62 {
			return "n" + strconv.FormatInt(n, 10)
		}
		return "n" + strconv.FormatFloat(v.Real, 'g', -1, 64)
	}
	return string(rune('a'+int(v.Kind))) + v.Text()
}

func contains(list []Value, x Value) bool {
	return slices.ContainsFunc(list, func(o Value) bool { return equal(o, x) })
}

// SetUnion is set_union.
func SetUnion(a []any) (any, error) {
	all := Value{Kind: Array}
	for _, x := range a {
		all.Items = append(all.Items, parse(x).Items...)
	}
	return array(distinct(all)).out()
}

// SetIntersect is set_intersect.
func SetIntersect(a []any) (any, error) {
	out := distinct(parse(a[0]))
	for _, x := range a[1:] {
		other := parse(x).Items
		out = slices.DeleteFunc(out, func(v Value) bool { return !contains(other, v) })
	}
	return array(out).out()
}

// SetDifference is set_difference.
func SetDifference(a []any) (any, error) {
	out := distinct(parse(a[0]))
	for _, x := range a[1:] {
		other := parse(x).Items
		out = slices.DeleteFunc(out, func(v Value) bool { return contains(other, v) })
	}
	return array(out).out()
}

// SetEquals is set_equals.
func SetEquals(a []any) (any, error) {
	x, y := distinct(parse(a[0])), distinct(parse(a[1]))
	if len(x) != len(y) {
		return false, nil
	}
	for _, v := range x {
		if !contains(y, v) {
			return false, nil
		}
	}
	return true, nil
}

// SetHas is set_has_element.
func SetHas(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Array {
		return nil, nil
	}
	return contains(v.Items, parse(a[1])), nil
}

// Jaccard is jaccard_index.
func Jaccard(a []any) (any, error) {
	x, y := distinct(parse(a[0])), distinct(parse(a[1]))
	both := 0
	for _, v := range x {
		if contains(y, v) {
			both++
		}
	}
	if n := len(x) + len(y) - both; n > 0 {
		return float64(both) / float64(n), nil
	}
	return nil, nil
}

// TreePath is treepath.
func TreePath(a []any) (any, error) {
	out := []Value{}
	var walk func(v Value, at string)
	walk = func(v Value, at string) {
		for i, x := range v.Items {
			p := at + "[0]"
			if v.Kind == Bag {
				p = at + "['" + v.Names[i] + "']"
			}
			if !contains(out, str(p)) {
				out = append(out, str(p))
			}
			walk(x, p)
		}
	}
	walk(parse(a[0]), "")
	return array(out).out()
}

// ToJSON is dynamic_to_json: properties in the order of their names.
func ToJSON(a []any) (any, error) { return sorted(parse(a[0])).Text(), nil }

func sorted(v Value) Value {
	out := Value{Kind: v.Kind, Bool: v.Bool, Long: v.Long, Real: v.Real, Str: v.Str}
	if v.Kind == Bag {
		names := slices.Sorted(slices.Values(v.Names))
		for _, n := range names {
			x, _ := v.Get(n)
			out.set(n, sorted(x))
		}
		return out
	}
	for _, x := range v.Items {
		out.Items = append(out.Items, sorted(x))
	}
	return out
}

// ParseCSV is parse_csv: the fields of the first line.
func ParseCSV(a []any) (any, error) {
	r := csv.NewReader(strings.NewReader(a[0].(string)))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	fields, err := r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return `[""]`, nil
		}
		return nil, nil
	}
	out := make([]Value, len(fields))
	for i, f := range fields {
		out[i] = str(f)
	}
	return array(out).out()
}

// ParseXML is parse_xml: elements are properties, attributes begin with @,
// text beside others is #text, repeated elements are an array.
func ParseXML(a []any) (any, error) {
	d := xml.NewDecoder(strings.NewReader(a[0].(string)))
	d.Strict = false
	out := Value{Kind: Bag}
	for {
		t, err := d.Token()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.ProcInst:
			if t.Target == "xml" {
				p := Value{Kind: Bag}
				for _, f := range strings.Fields(string(t.Inst)) {
					if k, v, ok := strings.Cut(f, "="); ok {
						p.set("@"+k, str(strings.Trim(v, `"'`)))
					}
				}
				out.set("?xml", p)
			}
		case xml.StartElement:
			v, ok := element(d, t, 0)
			if !ok {
				return nil, nil
			}
			out.set(xmlName(t.Name), v)
		}
	}
	if len(out.Names) == 0 {
		return nil, nil
	}
	return out.out()
}

func xmlName(n xml.Name) string { return n.Local }

func element(d *xml.Decoder, start xml.StartElement, depth int) (Value, bool) {
	v := Value{Kind: Bag}
	for _, at := range start.Attr {
		v.set("@"+xmlName(at.Name), str(at.Value))
	}
	var text strings.Builder
	for depth < maxNesting {
		t, err := d.Token()
		if err != nil {
			return v, false
		}
		switch t := t.(type) {
		case xml.CharData:
			if text.Write(t); strings.TrimSpace(string(t)) != "" {
				v.set("#text", str("")) // it stands where the text begins
			}
		case xml.StartElement:
			x, ok := element(d, t, depth+1)
			if !ok {
				return v, false
			}
			n := xmlName(t.Name)
			if old, has := v.Get(n); has {
				if old.Kind == Array {
					x = array(append(old.Items, x))
				} else {
					x = array([]Value{old, x})
				}
			}
			v.set(n, x)
		case xml.EndElement:
			s := strings.TrimSpace(text.String())
			switch {
			case len(v.Names) == 0:
				return Value{}, true
			case s != "" && len(v.Names) == 1:
				return str(s), true
			case s != "":
				v.set("#text", str(s))
			}
			return v, true
		}
	}
	return v, false
}
