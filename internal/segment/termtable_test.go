package segment

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"logkeep/internal/parquet"
)

// What the tables say of stripes is held against the texts themselves: rare
// terms, terms that many stripes have, texts that repeat so much that they are
// numbered, and columns with rows in some stripes only.
func TestStripesOfTerms(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 3))
	const rows = 9*parquet.Stripe + 700
	for name, word := range map[string]func(row int) string{
		"unique":       func(row int) string { return fmt.Sprintf("w%x", row*7919) },
		"some stripes": func(row int) string { return fmt.Sprintf("w%d", row/parquet.Stripe/3) },
		"everywhere":   func(row int) string { return fmt.Sprintf("w%d", r.IntN(2000)) },
		"few":          func(row int) string { return fmt.Sprintf("w%d", r.IntN(40)) },
		"mixed":        func(row int) string { return fmt.Sprintf("w%d", int(1/(r.Float64()+1e-6))) },
	} {
		t.Run(name, func(t *testing.T) {
			messages, props := make([]string, rows), make([]string, rows)
			where := map[string]Stripes{}
			for i := range messages {
				w := word(i)
				messages[i] = strings.Repeat("the same ", r.IntN(3)) + w + " end"
				if name != "few" {
					messages[i] += fmt.Sprintf(" u%d", i)
				}
				where[w] |= 1 << (i / parquet.Stripe)
				if i/parquet.Stripe == 4 {
					props[i] = fmt.Sprintf(`{"only":"here%d"}`, i)
				}
			}
			o, in := written(t, texts(t, messages, props))
			s := opened(t, o, in)
			had, claimed := 0, 0
			for w, in := range where {
				got := candidates(t, s, 0, "Message", w)
				if got&in != in {
					t.Fatalf("%s is in stripes %b, and told to be in %b", w, in, got)
				}
				if in.Count() <= mostPlaces {
					had, claimed = had+in.Count(), claimed+got.Count()
				}
			}
			if name != "few" && claimed > had*12/10+10 {
				t.Errorf("%d stripes are told for the %d that have rare terms", claimed, had)
			}
			both := []Need{{{{Column: "Message", Terms: []string{"end"}}}}, {{{Column: "Props", Terms: []string{"only"}}}}}
			if got, err := s.Candidates(t.Context(), 0, both); err != nil || got != 1<<4 {
				t.Errorf("the stripe of two conditions is %b, %v", got, err)
			}
			either := []Need{{{{Column: "Props", Terms: []string{"here8200"}}}, {{Column: "Message", Terms: []string{word(0)}}}}}
			if got, err := s.Candidates(t.Context(), 0, either); err != nil || !got.Has(8200) {
				t.Errorf("the stripes of either are %b, %v", got, err)
			}
			if got, err := s.Candidates(t.Context(), 0, nil); err != nil || got != stripesOf(rows) {
				t.Errorf("without needs: %b, %v", got, err)
			}
		})
	}
}

// Pages of all columns begin at stripes, and are where they are said to be.
func TestPagesOfASegment(t *testing.T) {
	rec := rows(t, 3*parquet.Stripe+5, forwards)
	o, in := written(t, rec)
	s := opened(t, o, in)
	for i, c := range s.columns {
		chunk := s.chunks[0][i]
		pages, err := s.pages(0, i)
		if err != nil {
			t.Fatal(err)
		}
		at, row := chunk.off, 0
		for k, p := range pages {
			if p.Offset != at || p.First != row || p.Rows == 0 && k > 0 || p.First%parquet.Stripe != 0 {
				t.Errorf("%s: page %d is %+v", c.Name, k, p)
			}
			at, row = at+p.Size, row+p.Rows
		}
		if at != chunk.off+chunk.size || row != 3*parquet.Stripe+5 {
			t.Errorf("%s: pages end at %d, row %d", c.Name, at, row)
		}
	}
	for name, want := range map[string]bool{"NoSuchColumn": false, "Message": true} {
		if pages, err := s.Pages(0, name); len(pages) > 0 != want || err != nil {
			t.Errorf("%s has %d pages, %v", name, len(pages), err)
		}
	}
}

// Segments of earlier releases have sets of terms and no list of pages.
func TestSetsOfEarlierReleases(t *testing.T) {
	b, err := os.ReadFile("testdata/v1/terms")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(bytes.NewReader(b), int64(len(b)), keys(t), account, info)
	if err != nil {
		t.Fatal(err)
	}
	for term, want := range map[string]bool{"message": true, "7": true, "absent": false, "nowhere": false} {
		if got := candidates(t, s, 0, "Message", term); got != 0 != want {
			t.Errorf("%s: %b", term, got)
		}
	}
	pages, err := s.Pages(0, "Message")
	if !excludes(t, s, 0, "Level", "critical") || excludes(t, s, 0, "Level", "warning") || pages != nil || err != nil {
		t.Error("what an earlier release wrote is read otherwise")
	}
	recs, err := s.Records(t.Context())
	if err != nil || recs[0].NumRows() != 1200 {
		t.Errorf("%v", err)
	}
}

// A value that is in a block is found, whatever lies before and behind it.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		w := termWriter{anywhere: r.IntN(2) == 0}
		want := map[uint32]Stripes{}
		for range r.IntN(1 << r.IntN(10)) {
			value, place := uint32(r.IntN(1<<valueBits)), uint32(r.IntN(everywhere+1))
			w.items = append(w.items, value<<(32-valueBits)|place)
			if w.anywhere || place == everywhere {
				want[value] = ^Stripes(0)
			} else {
				want[value] |= 1 << place
			}
		}
		slices.Sort(w.items)
		b := w.block(nil, w.items, 0)
		for range 50 {
			v := uint32(r.IntN(1 << valueBits))
			if len(w.items) > 0 && r.IntN(2) == 0 {
				v = w.items[r.IntN(len(w.items))] >> (32 - valueBits)
			}
			if got := stripesIn(b, w.anywhere, v); got != want[v] {
				t.Fatalf("%d: %b, want %b", v, got, want[v])
			}
		}
	}
}

// A column with more terms than a table has room for has none.
func TestTooManyTerms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w := newTermWriter(columns)
	tell := w.column(2)
	for range mostItems {
		w.items = append(w.items, r.Uint32()&^everywhere)
	}
	tell([]byte("one more"), 3)
	w.done()
	if !slices.Equal(w.index, []byte{0}) || len(w.tables) > 0 || cap(w.items) > 4*mostItems {
		t.Errorf("index %v, %d bytes, room for %d terms", w.index[:1], len(w.tables), cap(w.items))
	}
}

// Whatever a table's bytes are, looking something up ends.
func FuzzStripesIn(f *testing.F) {
	f.Add([]byte{}, true, uint32(0))
	f.Add(bytes.Repeat([]byte{0xff}, 2000), false, uint32(9000))
	f.Add(make([]byte, 300), false, uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, anywhere bool, value uint32) {
		found := stripesIn(b, anywhere, value)
		if anywhere && found != 0 && found != ^Stripes(0) {
			t.Errorf("%b", found)
		}
	})
}

// Whatever the index says, a lookup reads what is inside of the file, or the
// index is refused.
func FuzzTermIndex(f *testing.F) {
	rec := rows(f, 3000, forwards)
	o, in := written(f, rec)
	good := opened(f, o, in)
	index, err := base64.StdEncoding.DecodeString(good.footer.Pairs[tablesKey])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(index)
	f.Add(append(slices.Clone(index), 1))
	f.Add(index[:len(index)-1])
	f.Fuzz(func(t *testing.T, index []byte) {
		s := Reader{data: good.data, end: good.end, columns: good.columns, members: good.members, groups: good.groups}
		if s.readTables(base64.StdEncoding.EncodeToString(index)) != nil {
			return
		}
		for i := range s.columns {
			if table := s.tables[0][i]; table.known {
				for h := range uint64(64) {
					s.lookUp(table, h<<58) // may be an error
				}
			}
		}
	})
}
