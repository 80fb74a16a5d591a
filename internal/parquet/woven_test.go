package parquet

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/schema"
)

// What a search finds is the same whether texts are stored by templates or as they
// are, also if templates alone tell.
func TestTemplatesTellWhatTextsTell(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 5))
	const n = 6000
	rec := statements(t, r, n)
	_, _, byTemplates := woven(t, rec)
	var b bytes.Buffer
	w, err := NewWriter(&b, rec.Schema(), Options{Compress: true, Sorted: schema.TimeGenerated, Pages: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Rows([]arrow.RecordBatch{rec}), w.Close()); err != nil {
		t.Fatal(err)
	}
	asTheyAre := places(t, b.Bytes())
	parts := []Part{
		{Text: "timeout", Left: Word, Right: Word}, {Text: "orders/1"}, {Text: "get /orders", Left: End}, {Text: "ms", Right: End}, {Text: "took 1"}, {Text: "k4"}, {Text: "words"},
		{Text: "ever", Left: Word, Right: End}, {Text: "0"}, {Text: "trace "}, {Text: "ms, trace a"}, {Text: `"success":true`}, {Text: "durationms"}, {Text: "nowhere"}, {Text: "i/o"}, {Text: "s"},
	}
	var desk Desk
	found := 0
	for range 150 {
		all := []Part{parts[r.IntN(len(parts))]}
		for r.IntN(3) == 0 {
			all = append(all, parts[r.IntN(len(parts))])
		}
		if r.IntN(3) == 0 {
			all = append(all, randomPart(r))
		}
		of, _ := some(r, n, 1+r.IntN(3))
		for i := 1; i <= 2; i++ {
			search := NewSearch(all, Texts{JSON: i == 2 || r.IntN(2) == 0, Plain: r.IntN(2) == 0})
			var sets []Rows
			for _, place := range []Place{byTemplates[i], asTheyAre[i]} {
				c := desk.Column(place)
				set := NewRows(n)
				if err := c.Find(search, 0, of, set); err != nil {
					t.Fatal(err)
				}
				c.Close()
				sets = append(sets, set)
			}
			if !slices.Equal(sets[0], sets[1]) {
				t.Fatalf("%+v in column %d: %d rows by templates, %d by texts", all, i, sets[0].Count(), sets[1].Count())
			}
			found += sets[0].Count()
		}
	}
	if found < n {
		t.Errorf("%d rows were found: this test tests nothing", found)
	}
}
