package native

import (
	"math"
	"slices"
	"strings"

	"logkeep/internal/kql/syntax"
)

// A digest knows the distribution of values: centroids with weights, sorted.
// As a dynamic value it is [[version], [values], [weights]], the values in the
// form of their type, so that percentiles of times are times.
type digest struct{ points []centroid }

type centroid struct {
	at     float64
	weight int64
	shown  Value // how the value is written
}

// maxCentroids bounds a digest. Up to it every value is kept and percentiles
// are exact; beyond, neighbours are taken together, at the ends the fewest.
const maxCentroids = 2000

// place is where a value lies on the axis of its type.
func place(v Value) (float64, bool) {
	if f, ok := v.number(); ok && v.Kind != Bool {
		return f, !math.IsNaN(f)
	}
	if v.Kind != String {
		return 0, false
	}
	if strings.Contains(v.Str, "T") {
		t, ok := syntax.ParseDateTime(v.Str)
		return float64(t), ok
	}
	s, ok := syntax.ParseTimeSpan(v.Str)
	return float64(s), ok
}

func (d *digest) add(v Value, weight int64) {
	if at, ok := place(v); ok && weight > 0 {
		d.points = append(d.points, centroid{at, weight, v})
	}
}

// settle sorts the points, joins equal ones and brings them under the bound.
func (d *digest) settle() {
	slices.SortStableFunc(d.points, func(x, y centroid) int {
		switch {
		case x.at < y.at:
			return -1
		case x.at > y.at:
			return 1
		}
		return 0
	})
	total := int64(0)
	out := d.points[:0]
	for _, p := range d.points {
		total += p.weight
		if n := len(out); n > 0 && out[n-1].at == p.at {
			out[n-1].weight += p.weight
		} else {
			out = append(out, p)
		}
	}
	d.points = out
	if len(out) <= maxCentroids {
		return
	}
	joined := out[:1]
	before := int64(0)
	for _, p := range out[1:] {
		last := &joined[len(joined)-1]
		q := (float64(before) + float64(last.weight+p.weight)/2) / float64(total)
		if float64(last.weight+p.weight) <= 4*float64(total)*q*(1-q)/maxCentroids {
			if p.weight > last.weight {
				last.at, last.shown = p.at, p.shown
			}
			last.weight += p.weight
			continue
		}
		before += last.weight
		joined = append(joined, p)
	}
	d.points = joined
}

func (d *digest) value() (any, error) {
	d.settle()
	values, weights := []Value{}, []Value{}
	for _, p := range d.points {
		values, weights = append(values, p.shown), append(weights, long(p.weight))
	}
	return array([]Value{array([]Value{long(7)}), array(values), array(weights)}).out()
}

func (d *digest) total() (n int64) {
	for _, p := range d.points {
		n += p.weight
	}
	return n
}

// at is the least value under which a share of the weight lies.
func (d *digest) at(percent float64) Value {
	want := percent / 100 * float64(d.total())
	sum := 0.0
	for _, p := range d.points {
		if sum += float64(p.weight); sum >= want {
			return p.shown
		}
	}
	return Value{}
}

func (d *digest) rank(v Value) (float64, bool) {
	at, ok := place(v)
	sum := int64(0)
	for _, p := range d.points {
		if p.at <= at {
			sum += p.weight
		}
	}
	return float64(sum), ok
}

func readDigest(v Value) (*digest, bool) {
	if v.Kind != Array || len(v.Items) != 3 || len(v.Items[1].Items) != len(v.Items[2].Items) || len(v.Items[0].Items) != 1 {
		return nil, false
	}
	d := &digest{}
	for i, x := range v.Items[1].Items {
		d.add(x, v.Items[2].Items[i].Long)
	}
	d.settle()
	return d, true
}

// TDigest makes a digest of an array of values or of [value, weight] pairs.
func TDigest(a []any) (any, error) {
	d := &digest{}
	for _, x := range parse(a[0]).Items {
		if x.Kind == Array && len(x.Items) == 2 {
			d.add(x.Items[0], x.Items[1].Long)
		} else {
			d.add(x, 1)
		}
	}
	return d.value()
}

// TDigestMerge is tdigest_merge(digests…).
func TDigestMerge(a []any) (any, error) {
	var list []Value
	for _, x := range a {
		list = append(list, parse(x))
	}
	return mergeDigests(list)
}

// TDigestMergeAll merges the digests of an array.
func TDigestMergeAll(a []any) (any, error) { return mergeDigests(parse(a[0]).Items) }

func mergeDigests(list []Value) (any, error) {
	out, any := &digest{}, false
	for _, v := range list {
		if d, ok := readDigest(v); ok {
			out.points, any = append(out.points, d.points...), true
		}
	}
	if !any {
		return nil, nil
	}
	return out.value()
}

// PercentileTDigest is percentile_tdigest(digest, percentile).
func PercentileTDigest(a []any) (any, error) {
	d, ok := readDigest(parse(a[0]))
	if !ok {
		return nil, nil
	}
	return d.at(a[1].(float64)).out()
}

// PercentilesTDigest is percentiles_array_tdigest(digest, percentiles…).
func PercentilesTDigest(a []any) (any, error) {
	d, ok := readDigest(parse(a[0]))
	if !ok {
		return nil, nil
	}
	out := []Value{}
	for _, x := range a[1:] {
		v := parse(x)
		if v.Kind != Array {
			v = array([]Value{v})
		}
		for _, p := range v.Items {
			f, _ := p.number()
			out = append(out, d.at(f))
		}
	}
	return array(out).out()
}

// RankTDigest is rank_tdigest(digest, value): how much weight lies up to it.
func RankTDigest(a []any) (any, error) {
	d, ok := readDigest(parse(a[0]))
	if !ok {
		return nil, nil
	}
	if r, ok := d.rank(parse(a[1])); ok {
		return r, nil
	}
	return nil, nil
}

// PercentRankTDigest is percentrank_tdigest(digest, value), from 0 to 100.
func PercentRankTDigest(a []any) (any, error) {
	r, err := RankTDigest(a)
	d, ok := readDigest(parse(a[0]))
	if f, is := r.(float64); is && ok && d.total() > 0 {
		return f / float64(d.total()) * 100, err
	}
	return nil, err
}

// TDigestIsValid is tdigest_isvalid.
func TDigestIsValid(a []any) (any, error) {
	_, ok := readDigest(parse(a[0]))
	return ok, nil
}
