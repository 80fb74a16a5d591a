package parquet

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/schema"
	"logkeep/internal/template"
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
			by := make([]*template.Pattern, len(all))
			for k, p := range all {
				by[k] = p.Pattern()
			}
			patterned := NewSearch(all, Texts{JSON: search.escapes, Plain: !search.beyond}, by...)
			var sets []Rows
			for k, place := range []Place{byTemplates[i], asTheyAre[i], byTemplates[i]} {
				if k == 2 {
					search = patterned
				}
				c := desk.Column(place)
				set := NewRows(n)
				if err := c.Find(search, 0, of, set); err != nil {
					t.Fatal(err)
				}
				c.Close()
				sets = append(sets, set)
			}
			if !slices.Equal(sets[0], sets[1]) || !slices.Equal(sets[0], sets[2]) {
				t.Fatalf("%+v in column %d: %d rows by templates, %d by texts, %d by patterns", all, i, sets[0].Count(), sets[1].Count(), sets[2].Count())
			}
			found += sets[0].Count()
		}
	}
	if found < n {
		t.Errorf("%d rows were found: this test tests nothing", found)
	}
}

// paged is a place of which it is known where its pages are.
func paged(t testing.TB, at Place) (Place, error) {
	t.Helper()
	c := (&Desk{}).Column(at)
	defer c.Close()
	if _, err := c.know(at.Rows - 1); err != nil {
		return at, err
	}
	if c.dict.page.Size > 0 {
		at.Pages = append(at.Pages, c.dict.page)
	}
	at.Pages, at.Woven = append(at.Pages, c.pages...), c.readTemplates() == nil
	return at, nil
}

// Of pages of which templates tell all that is asked only the beginnings are read, and
// whatever is asked in whatever order, the answers are as those of all of a page.
func TestBeginningsOfPagesTellAsMuch(t *testing.T) {
	r := rand.New(rand.NewPCG(58, 3))
	const n = 6 * Stripe
	rec := statements(t, r, n)
	_, _, all := woven(t, rec)
	parts := []Part{{Text: "timeout", Left: Word, Right: Word}, {Text: "get /orders", Left: End}, {Text: "nowhere"}, {Text: "took 1"}, {Text: "4"}, {Text: "durationms"}, {Text: "words"}}
	rows, begun := NewRows(n), 0
	rows.AddRange(0, n)
	for i := 1; i <= 2; i++ {
		at, err := paged(t, all[i])
		if err != nil {
			t.Fatal(err)
		}
		desk := &Desk{}
		c := desk.Column(at)
		if err := c.Find(NewSearch(parts[2:3], Texts{}), 0, rows, NewRows(n)); err != nil {
			t.Fatal(err)
		}
		if c.body.begun {
			begun++
		}
		c.Close()
		for range 12 {
			first, second := desk.Column(at), (&Desk{}).Column(all[i]) // the other reads whole pages
			searches := make([]*Search, 3)
			for k := range searches {
				part := parts[r.IntN(len(parts))]
				var by []*template.Pattern
				if r.IntN(2) == 0 {
					by = append(by, part.Pattern())
				}
				searches[k] = NewSearch([]Part{part}, Texts{Plain: true}, by...)
			}
			for range 12 {
				of, _ := some(r, n, 1+r.IntN(4))
				row := r.IntN(n)
				switch s := searches[r.IntN(len(searches))]; r.IntN(4) {
				case 0, 1:
					var found [2]Rows
					for k, c := range []*Column{first, second} {
						found[k] = NewRows(n)
						if err := c.Find(s, 0, of, found[k]); err != nil {
							t.Fatal(err)
						}
					}
					if !slices.Equal(found[0], found[1]) {
						t.Fatalf("%+v: %d rows and %d", s.parts, found[0].Count(), found[1].Count())
					}
				case 2:
					from, codes, err := first.Looked(row, searches)
					codes = slices.Clone(codes)
					from2, want, err2 := second.Looked(row, searches)
					if from != from2 || err != err2 || !slices.Equal(codes, want) {
						t.Fatalf("codes from row %d: %v, %v", from, err, err2)
					}
				case 3:
					a, err := first.Text(row)
					b, err2 := second.Text(row)
					if err != nil || err2 != nil || !bytes.Equal(a, b) {
						t.Fatalf("row %d: %q and %q, %v, %v", row, a, b, err, err2)
					}
				}
			}
			first.Close()
			second.Close()
		}
	}
	if begun == 0 { // pages of one of them may be packed
		t.Error("for what no template has more than the beginning of the last page was opened")
	}
}
