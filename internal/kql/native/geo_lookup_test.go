package native

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Every place that is as near to a shape as is asked lies in exactly one of its
// ranges, so a lookup finds each pair, and once.
func TestGeoCoveringHoldsWhatIsNear(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	inside := 0
	for i := range 300 {
		lng, lat := r.Float64()*360-180, r.Float64()*170-85
		size := []float64{0.001, 0.1, 2}[i%3]
		at := func(x, y float64) string {
			return fmt.Sprintf("[%v,%v]", lng+x*size, min(max(lat+y*size, -89.9), 89.9))
		}
		shape, distance := `{"type":"Polygon","coordinates":[[`+at(0, 0)+","+at(1, 0)+","+at(1.2, 1.1)+","+at(0, 1)+","+at(0, 0)+`]]}`, GeoToPolygon(false)
		if i%2 == 1 {
			shape, distance = `{"type":"LineString","coordinates":[`+at(0, 0)+","+at(1, 0.5)+","+at(1.3, 1)+`]}`, GeoToLine(false)
		}
		radius := []float64{0, 10, 20_000, 3_000_000}[r.IntN(4)]
		covering, err := GeoCovering([]any{shape, radius})
		if err != nil {
			t.Fatal(err)
		}
		ranges := parse(covering).Items
		for range 40 {
			far := size * (1 + radius/20_000)
			x, y := lng+(r.Float64()*3-1)*far, lat+(r.Float64()*3-1)*far
			d, _ := distance([]any{x, y, shape})
			meters, ok := d.(float64)
			if !ok || meters > radius {
				continue
			}
			inside++
			l, _ := GeoLeaf([]any{x, y})
			n := 0
			for _, c := range ranges {
				if first, last := c.Items[0].Long, c.Items[1].Long; first <= l.(int64) && l.(int64) <= last {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("seed %d: %v, %v is %v meters from %s and in %d of its ranges for %v", seed, x, y, meters, shape, n, radius)
			}
		}
	}
	if inside < 1000 {
		t.Fatalf("only %d places were near", inside)
	}
}
