package native

import "math/bits"

// DCountIntersect counts what the first, the first two, the first three, …
// sketches have in common, by inclusion and exclusion over their unions.
func DCountIntersect(a []any) (any, error) {
	union := make([]int64, 1<<len(a)) // by set of sketches
	for set := 1; set < len(union); set++ {
		var out *hyperloglog
		for i := range a {
			if set&(1<<i) == 0 {
				continue
			}
			h, ok := readHyperloglog(parse(a[i]))
			switch {
			case !ok:
			case out == nil:
				out = h
			default:
				out.merge(h)
			}
		}
		if out != nil {
			union[set] = out.count()
		}
	}
	var counts []Value
	for n := 1; n <= len(a); n++ {
		common := int64(0)
		for set := 1; set < 1<<n; set++ {
			if bits.OnesCount(uint(set))%2 == 1 {
				common += union[set]
			} else {
				common -= union[set]
			}
		}
		counts = append(counts, long(max(common, 0)))
	}
	return array(counts).out()
}
