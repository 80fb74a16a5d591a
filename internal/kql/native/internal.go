package native

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// SortKey makes text of a dynamic value that sorts as the value does.
func SortKey(a []any) (any, error) {
	v := parse(a[0])
	if f, ok := v.number(); ok {
		bits := math.Float64bits(f)
		if f < 0 {
			bits = ^bits
		} else {
			bits |= 1 << 63
		}
		return fmt.Sprintf("0%016x", bits), nil
	}
	return "1" + v.String(), nil
}

// In reports whether an array has a value; fold makes case of strings not matter.
func In(fold bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		x, list := parse(a[0]), parse(a[1])
		if list.Kind != Array {
			list = array([]Value{list})
		}
		for _, it := range list.Items {
			if equal(x, it) || fold && strings.EqualFold(x.String(), it.String()) || x.Kind != it.Kind && x.Kind != Null && it.Kind != Null && x.String() == it.String() {
				return true, nil
			}
		}
		return false, nil
	}
}

// HasAny is has_any on a list that the query computes.
func HasAny(a []any) (any, error) {
	s, _ := a[0].(string)
	return each(a[1:2], func(t string) bool { return HasTerm(s, t, true, true, true) }), nil
}

// HasAll is has_all on a list that the query computes.
func HasAll(a []any) (any, error) {
	s, _ := a[0].(string)
	return !each(a[1:2], func(t string) bool { return !HasTerm(s, t, true, true, true) }), nil
}

// Has is has, hasprefix and hassuffix on a term that the query computes.
func Has(a []any) (any, error) {
	return HasTerm(a[0].(string), a[1].(string), a[2].(bool), a[3].(bool), false), nil
}

// HasFold is Has whatever the case.
func HasFold(a []any) (any, error) {
	return HasTerm(a[0].(string), a[1].(string), a[2].(bool), a[3].(bool), true), nil
}

// Matches is matches regex on a pattern that the query computes.
func Matches(a []any) (any, error) {
	re := compile(a[1].(string))
	return re != nil && re.MatchString(a[0].(string)), nil
}

// ElementOf is d[key] with a key that the query computes.
func ElementOf(a []any) (any, error) {
	v, key := parse(a[0]), parse(a[1])
	switch {
	case v.Kind == Bag:
		x, _ := v.Get(key.String())
		return x.out()
	case v.Kind == Array && (key.Kind == Long || key.Kind == Real):
		i := key.Long
		if key.Kind == Real {
			i = int64(key.Real)
		}
		if i < 0 {
			i += int64(len(v.Items))
		}
		if i >= 0 && i < int64(len(v.Items)) {
			return v.Items[i].out()
		}
	}
	return nil, nil
}

// Flatten makes one array of an array of arrays.
func Flatten(a []any) (any, error) {
	out := []Value{}
	for _, x := range parse(a[0]).Items {
		if x.Kind == Array {
			out = append(out, x.Items...)
		} else {
			out = append(out, x)
		}
	}
	return array(out).out()
}

// MergeBags is make_bag: the first bag that has a property wins.
func MergeBags(a []any) (any, error) {
	out := Value{Kind: Bag}
	for _, bag := range parse(a[0]).Items {
		for i, n := range bag.Names {
			if _, has := out.Get(n); !has {
				out.set(n, bag.Items[i])
			}
		}
	}
	return out.out()
}

// BuildSchema is buildschema.
func BuildSchema(a []any) (any, error) {
	var kinds []Value
	for _, v := range parse(a[0]).Items {
		kinds = append(kinds, shape(v))
	}
	return unify(kinds).out()
}

// shape describes one value.
func shape(v Value) Value {
	switch v.Kind {
	case Bag:
		out := Value{Kind: Bag}
		for i, n := range v.Names {
			out.set(n, shape(v.Items[i]))
		}
		return out
	case Array:
		var kinds []Value
		for _, it := range v.Items {
			kinds = append(kinds, shape(it))
		}
		return Value{Kind: Bag, Names: []string{"`indexer`"}, Items: []Value{unify(kinds)}}
	}
	return str([...]string{"null", "bool", "long", "double", "string", "", ""}[v.Kind])
}

// unify describes values of several shapes.
func unify(list []Value) Value {
	var bag *Value
	var out []Value
	for _, v := range list {
		if v.Kind == Bag {
			if bag == nil {
				bag = &Value{Kind: Bag}
			}
			for i, n := range v.Names {
				if old, has := bag.Get(n); has {
					bag.set(n, unify(append(alternatives(old), alternatives(v.Items[i])...)))
				} else {
					bag.set(n, v.Items[i])
				}
			}
			continue
		}
		for _, alt := range alternatives(v) {
			if !slices.ContainsFunc(out, func(o Value) bool { return equal(o, alt) }) {
				out = append(out, alt)
			}
		}
	}
	if bag != nil {
		out = append([]Value{*bag}, out...)
	}
	switch len(out) {
	case 0:
		return Value{}
	case 1:
		return out[0]
	}
	return array(out)
}

func alternatives(v Value) []Value {
	if v.Kind == Array {
		return v.Items
	}
	return []Value{v}
}

// WeightedPercentile picks the percentile of [value, weight] pairs.
func WeightedPercentile(a []any) (any, error) {
	q := a[1].(float64)
	pairs := parse(a[0]).Items
	total := int64(0)
	for _, p := range pairs {
		total += p.Items[1].Long
	}
	slices.SortFunc(pairs, func(x, y Value) int {
		a, _ := x.Items[0].number()
		b, _ := y.Items[0].number()
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	want := max(1, int64(math.Ceil(q*float64(total))))
	for _, p := range pairs {
		if want -= p.Items[1].Long; want <= 0 {
			f, _ := p.Items[0].number()
			return f, nil
		}
	}
	return nil, nil
}

// BagItems makes an array of bags with one property each.
func BagItems(a []any) (any, error) {
	v := parse(a[0])
	var out []Value
	for i, n := range v.Names {
		out = append(out, Value{Kind: Bag, Names: []string{n}, Items: v.Items[i : i+1]})
	}
	return array(out).out()
}

// BagPairs makes an array of [name, value] pairs.
func BagPairs(a []any) (any, error) {
	v := parse(a[0])
	var out []Value
	for i, n := range v.Names {
		out = append(out, array([]Value{str(n), v.Items[i]}))
	}
	return array(out).out()
}

// Sessions finds the start of each row's session: rows are "time,restart,first,between"
// between semicolons, in ticks. A row without a time belongs to the session before it.
func Sessions(a []any) (any, error) {
	var start, last, group int64
	begun := false
	out := []byte{'['}
	for row := range strings.SplitSeq(a[0].(string), ";") {
		var part [4]int64
		var has [4]bool
		for i := range part {
			var text string
			text, row, _ = strings.Cut(row, ",")
			n, err := strconv.ParseInt(text, 10, 64)
			part[i], has[i] = n, err == nil
		}
		t, g, first, between := part[0], part[1], part[2], part[3]
		if has[0] {
			if !begun || g != group || has[2] && t-start > first || has[3] && t-last > between {
				start, begun = t, true
			}
			last, group = t, g
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if begun {
			out = strconv.AppendInt(out, start, 10)
		} else {
			out = append(out, "null"...)
		}
	}
	return string(append(out, ']')), nil
}

// PackSkip is bag_pack without what is null or empty.
func PackSkip(a []any) (any, error) {
	out := Value{Kind: Bag}
	for i := 0; i+1 < len(a); i += 2 {
		if v := parse(a[i+1]); v.Kind != Null && v.String() != "" {
			out.set(parse(a[i]).String(), v)
		}
	}
	return out.out()
}

// FlatSet makes one array without repetitions of an array of arrays.
func FlatSet(a []any) (any, error) {
	v, err := Flatten(a)
	if err != nil {
		return nil, err
	}
	return array(distinct(parse(v))).out()
}
