package native

import (
	"math"
	"slices"
	"sort"
	"strings"

	"logkeep/internal/kql/syntax"
	"logkeep/internal/schema"
)

// ArrayLength is array_length.
func ArrayLength(a []any) (any, error) {
	if v := parse(a[0]); v.Kind == Array {
		return int64(len(v.Items)), nil
	}
	return nil, nil
}

// Pack is bag_pack(name, value, …).
func Pack(a []any) (any, error) {
	out := Value{Kind: Bag}
	for i := 0; i+1 < len(a); i += 2 {
		out.set(parse(a[i]).String(), parse(a[i+1]))
	}
	return out.out()
}

// PackArray is pack_array.
func PackArray(a []any) (any, error) {
	out := make([]Value, len(a))
	for i := range a {
		out[i] = parse(a[i])
	}
	return array(out).out()
}

// ArrayConcat is array_concat; what is no array is left out.
func ArrayConcat(a []any) (any, error) {
	out := []Value{}
	for _, x := range a {
		if v := parse(x); v.Kind == Array {
			out = append(out, v.Items...)
		}
	}
	return array(out).out()
}

// ArraySlice is array_slice(array, start, end).
func ArraySlice(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Array {
		return nil, nil
	}
	n := int64(len(v.Items))
	at := func(i int64) int64 {
		if i < 0 {
			return i + n
		}
		return i
	}
	from, to := max(at(a[1].(int64)), 0), min(at(a[2].(int64)), n-1)
	if from > to {
		return "[]", nil
	}
	return array(v.Items[from : to+1]).out()
}

// ArrayIndexOf is array_index_of(array, value, start, length, occurrence).
func ArrayIndexOf(a []any) (any, error) {
	v, x := parse(a[0]), parse(a[1])
	if v.Kind != Array {
		return nil, nil
	}
	n := int64(len(v.Items))
	start, length, nth := optional(a, 2, 0), optional(a, 3, -1), optional(a, 4, 1)
	if start < 0 {
		start = max(0, start+n)
	}
	end := n
	if length >= 0 {
		end = min(n, start+length)
	}
	for i := start; i < end; i++ {
		if equal(v.Items[i], x) {
			if nth--; nth <= 0 {
				return i, nil
			}
		}
	}
	return int64(-1), nil
}

// ArraySum is array_sum; an element that is no number makes it null.
func ArraySum(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Array || len(v.Items) == 0 {
		return nil, nil
	}
	sum := 0.0
	for _, x := range v.Items {
		if x.Kind == Null {
			continue
		}
		f, ok := x.number()
		if !ok {
			return nil, nil
		}
		sum += f
	}
	return sum, nil
}

// ArrayReverse is array_reverse.
func ArrayReverse(a []any) (any, error) {
	v := parse(a[0])
	if v.Kind != Array {
		return nil, nil
	}
	slices.Reverse(v.Items)
	return v.out()
}

// ArrayIff is array_iff(conditions, then, else).
func ArrayIff(a []any) (any, error) {
	c, then, other := parse(a[0]), parse(a[1]), parse(a[2])
	if c.Kind != Array {
		return nil, nil
	}
	pick := func(v Value, i int) Value {
		if v.Kind != Array {
			return v
		}
		if i < len(v.Items) {
			return v.Items[i]
		}
		return Value{}
	}
	out := make([]Value, len(c.Items))
	for i, x := range c.Items {
		f, ok := x.number()
		switch {
		case !ok:
		case f != 0:
			out[i] = pick(then, i)
		default:
			out[i] = pick(other, i)
		}
	}
	return array(out).out()
}

// Rotate is array_rotate_left (sign 1) and _right (sign -1).
func Rotate(sign int64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v := parse(a[0])
		n := int64(len(v.Items))
		if v.Kind != Array || n == 0 {
			return v.out()
		}
		by := ((sign*a[1].(int64))%n + n) % n
		return array(append(slices.Clone(v.Items[by:]), v.Items[:by]...)).out()
	}
}

// Shift is array_shift_left (sign 1) and _right (sign -1).
func Shift(sign int64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v, fill := parse(a[0]), parse(a[2])
		if v.Kind != Array {
			return nil, nil
		}
		n := int64(len(v.Items))
		by := max(min(sign*a[1].(int64), n), -n)
		out := make([]Value, n)
		for i := range out {
			if j := int64(i) + by; j >= 0 && j < n {
				out[i] = v.Items[j]
			} else {
				out[i] = fill
			}
		}
		return array(out).out()
	}
}

// ArraySplit is array_split(array, index or indexes).
func ArraySplit(a []any) (any, error) {
	v, at := parse(a[0]), parse(a[1])
	if v.Kind != Array {
		return nil, nil
	}
	if at.Kind != Array {
		at = array([]Value{at})
	}
	n := int64(len(v.Items))
	out := []Value{}
	last := int64(0)
	for _, x := range at.Items {
		i := x.Long
		if i < 0 {
			i = max(0, i+n)
		}
		i = min(i, n)
		out = append(out, array(v.Items[min(last, i):i]))
		last = i
	}
	return array(append(out, array(v.Items[last:]))).out()
}

// StrcatArray is strcat_array(array, delimiter).
func StrcatArray(a []any) (any, error) {
	v := parse(a[0])
	parts := make([]string, len(v.Items))
	for i, x := range v.Items {
		parts[i] = x.String()
	}
	return strings.Join(parts, a[1].(string)), nil
}

// Zip is zip(arrays…).
func Zip(a []any) (any, error) {
	n := 0
	lists := make([]Value, len(a))
	for i, x := range a {
		lists[i] = parse(x)
		n = max(n, len(lists[i].Items))
	}
	out := make([]Value, n)
	for i := range out {
		row := make([]Value, len(lists))
		for j, l := range lists {
			if i < len(l.Items) {
				row[j] = l.Items[i]
			}
		}
		out[i] = array(row)
	}
	return array(out).out()
}

// SortArray is array_sort_asc or _desc on the first array; the others follow it.
// The result is an array of the sorted arrays.
func SortArray(desc bool) func([]any) (any, error) {
	return func(a []any) (any, error) {
		nullsLast := true
		if len(a) > 1 {
			if b := parse(a[len(a)-1]); b.Kind == Bool {
				nullsLast = b.Bool
				a = a[:len(a)-1]
			}
		}
		first := parse(a[0])
		if first.Kind != Array {
			return nil, nil
		}
		idx := make([]int, len(first.Items))
		for i := range idx {
			idx[i] = i
		}
		sort.SliceStable(idx, func(i, j int) bool {
			x, y := first.Items[idx[i]], first.Items[idx[j]]
			if x.Kind == Null || y.Kind == Null {
				if x.Kind == y.Kind {
					return false
				}
				return (y.Kind == Null) == nullsLast
			}
			c := compareValues(x, y)
			if desc {
				return c > 0
			}
			return c < 0
		})
		var out []Value
		for k, x := range a {
			v := parse(x)
			if v.Kind != Array || k > 0 && len(v.Items) != len(idx) {
				out = append(out, Value{})
				continue
			}
			sorted := make([]Value, len(idx))
			for i, j := range idx {
				sorted[i] = v.Items[j]
			}
			out = append(out, array(sorted))
		}
		return array(out).out()
	}
}

func compareValues(x, y Value) int {
	a, ok1 := x.number()
	b, ok2 := y.number()
	if ok1 && ok2 {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	if x.Kind != y.Kind {
		return int(x.Kind) - int(y.Kind)
	}
	return strings.Compare(x.String(), y.String())
}

// Range is range(from, to, step) of numbers, datetimes or timespans.
func Range(a []any) (any, error) {
	from, to := parse(a[0]), parse(a[1])
	step := long(1)
	if a[2] != nil {
		step = parse(a[2])
	}
	out := []Value{}
	const most = 1 << 20
	switch {
	case from.Kind == Long && to.Kind == Long && step.Kind == Long:
		for v := from.Long; step.Long != 0 && len(out) < most && (step.Long > 0 && v <= to.Long || step.Long < 0 && v >= to.Long); v += step.Long {
			out = append(out, long(v))
		}
	case from.Kind == String:
		t0, ok0 := syntax.ParseDateTime(from.Str)
		t1, ok1 := syntax.ParseDateTime(to.Str)
		s, ok2 := syntax.ParseTimeSpan(step.Str)
		isTime := ok0 && ok1 && strings.Contains(from.Str, "T")
		if !isTime {
			d0, ok3 := syntax.ParseTimeSpan(from.Str)
			d1, ok4 := syntax.ParseTimeSpan(to.Str)
			if !ok3 || !ok4 {
				return nil, nil
			}
			t0, t1 = schema.Ticks(d0), schema.Ticks(d1)
		}
		if a[2] == nil {
			s, ok2 = schema.TicksPerHour, true
			if isTime {
				s = schema.TicksPerDay
			}
		}
		for v := t0; ok2 && s != 0 && len(out) < most && (s > 0 && v <= t1 || s < 0 && v >= t1); v += schema.Ticks(s) {
			if isTime {
				out = append(out, str(syntax.DateTimeText(v)))
			} else {
				out = append(out, str(schema.Span(v).String()))
			}
		}
	default:
		f, ok1 := from.number()
		t, ok2 := to.number()
		s, ok3 := step.number()
		if !ok1 || !ok2 || !ok3 || s == 0 {
			return nil, nil
		}
		for i := 0; i < most; i++ {
			v := f + float64(i)*s
			if s > 0 && v > t+1e-9*math.Abs(s) || s < 0 && v < t-1e-9*math.Abs(s) {
				break
			}
			out = append(out, real(v))
		}
	}
	return array(out).out()
}
