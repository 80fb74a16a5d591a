package parquet

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// traces are texts of which a page takes several sealed chunks.
func traces(t testing.TB, r *rand.Rand, n int) arrow.RecordBatch {
	sc, err := batch.Schema([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "S", Type: schema.String}, {Name: "N", Type: schema.Dynamic}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append([]string{
			fmt.Sprintf("GET /orders/%d took %dms, trace %016x%016x", r.IntN(1e6), r.IntN(2000), r.Uint64(), r.Uint64()),
			fmt.Sprintf("put %016x by x%dy, %d of %d", r.Uint64(), r.Uint32(), i, n),
			fmt.Sprintf("rare %d", i),
		}[min(r.IntN(40)/19, 2)])
		if r.IntN(5) == 0 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf(`{"a":%d,"requestId":"%016x%016x%016x"}`, r.IntN(5000), r.Uint64(), r.Uint64(), r.Uint64()))
		}
	}
	return b.NewRecordBatch()
}

// brokenAt fails for what is read at or behind an offset, and tells how often.
type brokenAt struct {
	io.ReaderAt
	at     int64
	failed int
}

var errBroken = errors.New("the disk is broken")

func (f *brokenAt) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.at {
		f.failed++
		return 0, errBroken
	}
	return f.ReaderAt.ReadAt(b, off)
}

// Of a page alone of which few rows are wanted no more is read than has them, and they
// are the same; what can't be read then is told.
func TestOfAPageAloneWhatHasTheRowsIsRead(t *testing.T) {
	r := rand.New(rand.NewPCG(62, 1))
	const n = 6 * Stripe
	rec := traces(t, r, n)
	_, _, all := woven(t, rec)
	for i := 1; i <= 2; i++ {
		at, err := paged(t, all[i])
		if err != nil || !at.Woven {
			t.Fatal(at.Woven, err)
		}
		texts := rec.Column(i).(*array.String)
		var some, whole int64
		failed := 0
		for range 300 {
			of := NewRows(n)
			for range 1 + r.IntN(4) {
				of.Add(r.IntN(n))
			}
			if r.IntN(2) == 0 { // one near another
				of.Add(min(of.Last()+1+r.IntN(50), n-1))
			}
			pick := func(at Place) (a arrow.Array, read int64, err error) {
				desk := &Desk{}
				c := desk.Column(at)
				defer c.Close()
				cells := c.NewCells(1)
				if err := c.Pick(0, of, cells); err != nil {
					return nil, 0, err
				}
				return cells.Array(), desk.Read, nil
			}
			got, read, err := pick(at)
			if err != nil {
				t.Fatal(err)
			}
			row := of.Next(0, n)
			for k := range got.Len() {
				if a := got.(*array.String); a.IsNull(k) != texts.IsNull(row) || a.Value(k) != texts.Value(row) {
					t.Fatalf("column %d, row %d: %q, want %q", i, row, a.Value(k), texts.Value(row))
				}
				row = of.Next(row+1, n)
			}
			some += read
			plain := at
			plain.Woven = false // pages are read as a whole
			_, read, err = pick(plain)
			if err != nil {
				t.Fatal(err)
			}
			whole += read
			broken := &brokenAt{at.From, at.Offset + r.Int64N(at.Size), 0}
			bad := at
			bad.From = broken
			if _, _, err := pick(bad); broken.failed > 0 && !errors.Is(err, errBroken) || broken.failed == 0 && err != nil {
				t.Fatalf("%d reads failed: %v", broken.failed, err)
			}
			failed += broken.failed
		}
		if some > whole*4/5 {
			t.Errorf("column %d: %d bytes were read, of whole pages %d", i, some, whole)
		}
		if failed == 0 {
			t.Errorf("column %d: nothing failed: this test tests nothing", i)
		}
	}
}

// A search of a page alone that few templates may answer reads these.
func TestOfAPageAloneTemplatesThatMayTellAreRead(t *testing.T) {
	r := rand.New(rand.NewPCG(62, 2))
	const n = 6 * Stripe
	rec := traces(t, r, n)
	_, _, all := woven(t, rec)
	at, err := paged(t, all[1])
	if err != nil || !at.Woven {
		t.Fatal(at.Woven, err)
	}
	texts := rec.Column(1).(*array.String)
	desk, found := &Desk{}, 0
	for page := range 6 {
		part := Part{Text: fmt.Sprintf("rare %d", (page*Stripe+1000)/1000)}
		c := desk.Column(at)
		of, set := NewRows(n), NewRows(n)
		of.AddRange(page*Stripe, (page+1)*Stripe)
		if err := c.Find(NewSearch([]Part{part}, Texts{Plain: true}, part.Pattern()), 0, of, set); err != nil {
			t.Fatal(err)
		}
		if !c.body.some {
			t.Error("all of the page was opened")
		}
		for row := page * Stripe; row < (page+1)*Stripe; row++ {
			if set.Has(row) != part.has(texts.Value(row)) {
				t.Fatalf("row %d: %q, found: %v", row, texts.Value(row), set.Has(row))
			}
		}
		found += set.Count()
		cells := c.NewCells(1) // of a page that is open in part
		if err := c.Pick(0, set, cells); err != nil {
			t.Fatal(err)
		}
		a := cells.Array().(*array.String)
		row := set.Next(0, n)
		for k := range a.Len() {
			if a.Value(k) != texts.Value(row) {
				t.Fatalf("row %d: %q, want %q", row, a.Value(k), texts.Value(row))
			}
			row = set.Next(row+1, n)
		}
		c.Close()
	}
	if found == 0 {
		t.Error("nothing was found: this test tests nothing")
	}
}
