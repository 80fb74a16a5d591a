package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// An object is a sealed object in memory.
type object struct{ bytes.Buffer }

func (o *object) WriteSealed(s seal.Sealed) error { _, err := s.WriteTo(&o.Buffer); return err }

var (
	account = seal.Place{Tenant: "t", Cluster: "c"}
	info    = Info{ID: "0123456789abcdef0123456789abcdef", Account: "c-0", Workspace: "w", Table: "T_CL"}
	columns = []schema.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Level", Type: schema.String},
		{Name: "Message", Type: schema.String}, {Name: "Code", Type: schema.Int}, {Name: "Ok", Type: schema.Bool},
		{Name: "Took", Type: schema.TimeSpan}, {Name: "Ratio", Type: schema.Real}, {Name: "Props", Type: schema.Dynamic},
	}
)

func keys(t testing.TB) seal.Keys {
	k, err := seal.ImportKey(slices.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return seal.Keys{Inner: k, Generation: 3}
}

// rows makes n rows; order gives the second of each.
func rows(t testing.TB, n int, order func(i int) int) arrow.RecordBatch {
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, uint64(n)))
	base, _ := schema.ParseTicks("2026-01-01T00:00:00Z")
	for i := range n {
		at := base + schema.Ticks(order(i))*schema.TicksPerSecond
		fmt.Fprintf(&b, `{"TimeGenerated":%q,"Level":%q,"Message":"message %d of %x"`, at, []string{"Information", "Warning", "Error"}[i%3], i, r.Uint64())
		if i%4 != 0 {
			fmt.Fprintf(&b, `,"Code":%d,"Ok":%t,"Took":"00:00:%02d","Ratio":%g,"Props":{"n":%d}`, r.IntN(50), i%2 == 0, i%60, r.Float64(), i%7)
		}
		b.WriteString("}\n")
	}
	p, err := batch.Parse(strings.NewReader(b.String()), schema.Table{Name: "T_CL", Columns: columns}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p.Record
}

func forwards(i int) int { return i }

func written(t testing.TB, recs ...arrow.RecordBatch) (*object, Info) {
	var o object
	in, err := Write(t.Context(), &o, keys(t), account, info, recs)
	if err != nil {
		t.Fatal(err)
	}
	return &o, in
}

func opened(t testing.TB, o *object, in Info) *Reader {
	s, err := Open(bytes.NewReader(o.Bytes()), int64(o.Len()), keys(t), account, in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(columns []schema.Column) []string {
	var n []string
	for _, c := range columns {
		n = append(n, c.Name)
	}
	return n
}

// read reads a Parquet file as an engine does: by its path and its own footer.
func read(t testing.TB, path string) arrow.Table {
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return table(t, f)
}

func table(t testing.TB, f *file.Reader) arrow.Table {
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// cells returns a column's cells as text.
func cells(chunks *arrow.Chunked) []string {
	var all []string
	for _, a := range chunks.Chunks() {
		for i := range a.Len() {
			all = append(all, a.ValueStr(i))
		}
	}
	return all
}

// holds compares a Parquet file with rows of a record, given by their numbers.
func holds(t *testing.T, tab arrow.Table, want []string, rec arrow.RecordBatch, refs []batch.Ref) {
	t.Helper()
	var got []string
	for _, f := range tab.Schema().Fields() {
		got = append(got, f.Name)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("columns %v, want %v", got, want)
	}
	for i, name := range got {
		col := rec.Column(rec.Schema().FieldIndices(name)[0])
		have := cells(tab.Column(i).Data())
		if len(have) != len(refs) {
			t.Fatalf("%s: %d cells, want %d", name, len(have), len(refs))
		}
		for k, ref := range refs {
			if have[k] != col.ValueStr(int(ref.Row)) {
				t.Fatalf("%s, row %d: %q, want %q", name, k, have[k], col.ValueStr(int(ref.Row)))
			}
		}
	}
}

func TestSegmentIsSortedAndCutIntoGroups(t *testing.T) {
	const n = GroupRows + 5000
	// Late rows: every second block of a thousand stands before the one it follows.
	rec := rows(t, n, func(i int) int { return (i/1000^1)*1000 + i%1000 })
	o, in := written(t, rec.NewSlice(0, 70000), rec.NewSlice(70000, n))
	if in.Rows != n || in.Bytes != int64(o.Len()) || in.Generation != 3 || !slices.Equal(in.Columns, columns) {
		t.Errorf("info %+v", in)
	}
	first, last, err := batch.Span(rec)
	if err != nil || in.MinTime != first || in.MaxTime != last {
		t.Errorf("times %v to %v, want %v to %v (%v)", in.MinTime, in.MaxTime, first, last, err)
	}
	s := opened(t, o, in)
	if !slices.Equal(s.Columns(), columns) {
		t.Errorf("columns %v", s.Columns())
	}
	g := s.Groups()
	if len(g) != 2 || g[0].Rows != GroupRows || g[1].Rows != n-GroupRows || g[0].MinTime != first || g[1].MaxTime != last || g[0].MaxTime >= g[1].MinTime {
		t.Fatalf("groups %+v", g)
	}
	refs, err := batch.ByTime([]arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	c := NewCache(1 << 30)
	defer c.Close()
	images, err := c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: []string{"Code"}}, {Segment: s, Group: 1, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release(images)
	holds(t, read(t, images[0].Path()), []string{"Code"}, rec, refs[:GroupRows])
	holds(t, read(t, images[1].Path()), names(columns), rec, refs[GroupRows:])
}

// Each column alone is readable, so the byte range taken for it, dictionary
// included, is whole; and nothing else of the segment is in the image.
func TestImageHoldsWhatWasAskedFor(t *testing.T) {
	rec := rows(t, 3000, forwards)
	o, in := written(t, rec)
	s := opened(t, o, in)
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	dictionaries := 0
	for _, col := range columns {
		c := NewCache(1 << 30)
		images, err := c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: []string{col.Name, "NotThere"}}})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{col.Name}
		if got := names(images[0].Columns()); !slices.Equal(got, want) {
			t.Errorf("columns %v, want %v", got, want)
		}
		holds(t, read(t, images[0].Path()), want, rec, refs)
		b, err := os.ReadFile(images[0].Path())
		if err != nil {
			t.Fatal(err)
		}
		for k, r := range s.chunks[0][:len(columns)] { // members have no part in it
			// Texts that are stored by templates lie elsewhere, plain.
			there := slices.Contains(want, columns[k].Name) && !s.footer.Groups[0].Chunks[k].Templates
			if empty := len(bytes.Trim(b[r.off:r.off+r.size], "\x00")) == 0; empty == there {
				t.Errorf("%s asked for: column %s empty: %t", col.Name, columns[k].Name, empty)
			}
		}
		if pages, err := s.Pages(0, col.Name); err != nil {
			t.Fatal(err)
		} else if pages[0].Rows == 0 {
			dictionaries++
		}
		c.Release(images)
		c.Close()
	}
	if dictionaries < 2 || dictionaries == len(columns) {
		t.Errorf("%d of %d columns have a dictionary; the test needs both kinds", dictionaries, len(columns))
	}
}

// A reader that opened an image goes on reading while columns are added, and
// one that opens it later sees them.
func TestImageGrowsUnderItsReaders(t *testing.T) {
	rec := rows(t, 2000, forwards)
	o, in := written(t, rec)
	s := opened(t, o, in)
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	c := NewCache(1 << 30)
	defer c.Close()
	var readers []*file.Reader
	var want [][]string
	for i := range columns {
		images, err := c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: []string{columns[len(columns)-1-i].Name}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release(images)
		f, err := file.OpenParquetFile(images[0].Path(), false)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		readers, want = append(readers, f), append(want, names(images[0].Columns()))
	}
	for i, f := range readers {
		holds(t, table(t, f), want[i], rec, refs)
	}
	if len(c.images) != 1 || len(want[len(want)-1]) != len(columns) {
		t.Errorf("%d images, columns at last %v", len(c.images), want[len(want)-1])
	}
}

// Columns of nothing but nulls or empty text, and segments of one row, have
// chunks like any other.
func TestColumnsWithoutValues(t *testing.T) {
	for _, n := range []int{1, 3, 5000} {
		p, err := batch.Parse(strings.NewReader(strings.Repeat("{}", n)), schema.Table{Name: "T_CL", Columns: columns}, 1)
		if err != nil {
			t.Fatal(err)
		}
		o, in := written(t, p.Record)
		s := opened(t, o, in)
		c := NewCache(1 << 30)
		images, err := c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: names(columns)}})
		if err != nil {
			t.Fatal(err)
		}
		refs, _ := batch.ByTime([]arrow.RecordBatch{p.Record})
		holds(t, read(t, images[0].Path()), names(columns), p.Record, refs)
		c.Release(images)
		c.Close()
	}
}

func TestSegmentGivesItsRowsBack(t *testing.T) {
	rec := rows(t, 3000, func(i int) int { return i ^ 64 })
	o, in := written(t, rec)
	recs, err := opened(t, o, in).Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, twice := written(t, recs...)
	if twice.Rows != in.Rows || twice.MinTime != in.MinTime || twice.MaxTime != in.MaxTime || !slices.Equal(twice.Columns, columns) {
		t.Errorf("%+v, then %+v", in, twice)
	}
	c := NewCache(1 << 30)
	defer c.Close()
	images, err := c.Acquire(t.Context(), []Want{{Segment: opened(t, again, twice), Group: 0, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release(images)
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	holds(t, read(t, images[0].Path()), names(columns), rec, refs)
}

func TestTailIsReadable(t *testing.T) {
	rec := rows(t, 500, func(i int) int { return -i })
	tail, err := NewTail([]arrow.RecordBatch{rec.NewSlice(0, 200), rec.NewSlice(200, 500)})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	refs := make([]batch.Ref, 500)
	for i := range refs {
		refs[i].Row = int32(i)
	}
	holds(t, read(t, tail.Path()), names(tail.Columns()), rec, refs)
	if tail.Rows() != 500 || tail.Bytes() == 0 || !slices.Equal(tail.Columns(), columns) {
		t.Errorf("%d rows, %d bytes, %v", tail.Rows(), tail.Bytes(), tail.Columns())
	}
}

func TestSegmentOpensAtItsPlaceOnly(t *testing.T) {
	o, in := written(t, rows(t, 10, forwards))
	for name, change := range map[string]func(*Info, *seal.Place, *seal.Keys){
		"workspace":  func(i *Info, _ *seal.Place, _ *seal.Keys) { i.Workspace = "x" },
		"table":      func(i *Info, _ *seal.Place, _ *seal.Keys) { i.Table = "x" },
		"id":         func(i *Info, _ *seal.Place, _ *seal.Keys) { i.ID = "x" },
		"tenant":     func(_ *Info, p *seal.Place, _ *seal.Keys) { p.Tenant = "x" },
		"cluster":    func(_ *Info, p *seal.Place, _ *seal.Keys) { p.Cluster = "x" },
		"generation": func(_ *Info, _ *seal.Place, k *seal.Keys) { k.Generation = 4 },
	} {
		i, p, k := in, account, keys(t)
		change(&i, &p, &k)
		if _, err := Open(bytes.NewReader(o.Bytes()), int64(o.Len()), k, p, i); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// Any changed byte is found when the segment is opened or its columns are
// read, and the damaged image is not used again.
func TestChangedBytesAreFound(t *testing.T) {
	o, in := written(t, rows(t, 2000, forwards))
	want := names(columns)
	for at := 0; at < o.Len(); at += 1 + o.Len()/97 {
		b := bytes.Clone(o.Bytes())
		b[at] ^= 1
		s, err := Open(bytes.NewReader(b), int64(len(b)), keys(t), account, in)
		if err == nil {
			c := NewCache(1 << 30)
			var images []*Image
			if images, err = c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: want}}); err == nil {
				c.Release(images)
			}
			if c.Used() != 0 {
				t.Errorf("byte %d: %d bytes still in use", at, c.Used())
			}
		}
		if !errors.Is(err, seal.ErrTampered) {
			t.Errorf("byte %d of %d changed: %v", at, o.Len(), err)
		}
	}
}

// A segment of format version 1 is read for ever. Its file is never rewritten.
func TestOldSegmentsOpen(t *testing.T) {
	b, err := os.ReadFile("testdata/v1/segment")
	if err != nil {
		t.Fatal(err)
	}
	rec := rows(t, 40, forwards)
	s, err := Open(bytes.NewReader(b), int64(len(b)), keys(t), account, info)
	if err != nil {
		t.Fatal(err)
	}
	c := NewCache(1 << 20)
	defer c.Close()
	images, err := c.Acquire(t.Context(), []Want{{Segment: s, Group: 0, Columns: names(columns)}})
	if err != nil {
		t.Fatal(err)
	}
	refs, _ := batch.ByTime([]arrow.RecordBatch{rec})
	holds(t, read(t, images[0].Path()), names(columns), rec, refs)
	if !slices.Equal(s.Columns(), columns) {
		t.Errorf("columns %v", s.Columns())
	}
	if got := rec.Column(0).(*array.Int64).Value(0); s.Groups()[0].MinTime != schema.Ticks(got) {
		t.Errorf("begins at %v", s.Groups()[0].MinTime)
	}
}

// A later format says so by another name of the list of columns: builds from
// before refuse it in words that tell what it is.
func TestANewerSegmentIsToldAsSuch(t *testing.T) {
	o, in := written(t, rows(t, 100, forwards))
	at := place(account, in.Workspace, in.Table, in.ID)
	r, err := seal.Open(bytes.NewReader(o.Bytes()), int64(o.Len()), keys(t), at)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, r.Size())
	if _, err := r.ReadAt(plain, 0); err != nil {
		t.Fatal(err)
	}
	again := func(plain []byte) error {
		var o object
		w, err := seal.NewWriter(&o, keys(t), at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = Open(bytes.NewReader(o.Bytes()), int64(o.Len()), keys(t), account, in)
		return err
	}
	if err := again(plain); err != nil {
		t.Fatal(err)
	}
	newer := bytes.ReplaceAll(plain, []byte("logkeep.columns"), []byte("logkeep.columnz"))
	if err := again(newer); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "not of the format this build knows") {
		t.Errorf("%v", err)
	}
}
