package segment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/template"
)

// logs makes n rows of every kind of column, seconds apart; which row it is
// stands in Code.
func logs(t testing.TB, r *rand.Rand, n, from int) arrow.RecordBatch {
	sc, err := batch.Schema(columns)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i) * schema.TicksPerSecond)
		b.Field(1).(*array.StringBuilder).Append([]string{"Information", "Warning", "Error", "", "verbose"}[r.IntN(5)])
		text := fmt.Sprintf("message %d of %x", r.IntN(2000), r.Uint64())
		switch r.IntN(20) {
		case 0:
			text += " i/o TimeOut"
		case 1:
			text += " größe \u212a41"
		case 2:
			text = ""
		case 3:
			text += strings.Repeat(" on and on", 100)
		}
		b.Field(2).(*array.StringBuilder).Append(text)
		b.Field(3).(*array.Int32Builder).Append(int32(i))
		b.Field(4).(*array.BooleanBuilder).Append(i%2 == 0)
		b.Field(5).(*array.Int64Builder).Append(int64(i))
		b.Field(6).(*array.Float64Builder).Append(float64(i))
		if r.IntN(3) == 0 {
			b.Field(7).AppendNull()
		} else {
			b.Field(7).(*array.StringBuilder).Append([]string{`{"user":"ann","n":1.0}`, `{"user":"Bob"}`, `{"user":"\u0061nn"}`, `["x"]`}[r.IntN(4)])
		}
	}
	return b.NewRecordBatch()
}

// whole is what a text is to a part, told in the slow way.
func holdsPart(text string, p parquet.Part) bool {
	text = strings.ToLower(text)
	word := func(c byte) bool {
		return c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z'
	}
	for at := range text {
		if end := at + len(p.Text); strings.HasPrefix(text[at:], p.Text) &&
			(p.Left == parquet.Open || at == 0 || p.Left == parquet.Word && !word(text[at-1])) &&
			(p.Right == parquet.Open || end == len(text) || p.Right == parquet.Word && !word(text[end])) {
			return true
		}
	}
	return false
}

// wantedRow reports whether a row fulfils the needs, told in the slow way.
func wantedRow(rec arrow.RecordBatch, row int, needs []Need) bool {
	text := func(c Clue) string {
		at := rec.Schema().FieldIndices(c.Column)
		if len(at) == 0 || rec.Column(at[0]).IsNull(row) {
			return ""
		}
		return strings.ReplaceAll(rec.Column(at[0]).(*array.String).Value(row), `\u0061`, "a")
	}
	for _, n := range needs {
		if !slices.ContainsFunc(n, func(all []Clue) bool {
			return !slices.ContainsFunc(all, func(c Clue) bool {
				return slices.ContainsFunc(c.Parts, func(p parquet.Part) bool { return !holdsPart(text(c), p) }) || len(c.By) > 0 && !expressions[c.By[0]].MatchString(text(c))
			})
		}) {
			return false
		}
	}
	return true
}

// expressions are patterns as the library knows them.
var expressions = func() map[*template.Pattern]*regexp.Regexp {
	all := map[*template.Pattern]*regexp.Regexp{}
	for _, expr := range []string{`message 1\d\d\d of [a-f]`, `\d{4}.*[0-3] i/o`, `^$|größe`, `(a|b)*a(a|b){12}`, `and on$`} {
		all[template.Matching(expr)] = regexp.MustCompile(expr)
	}
	return all
}()

func randomPattern(r *rand.Rand) *template.Pattern {
	all := slices.SortedFunc(maps.Keys(expressions), func(a, b *template.Pattern) int { return cmp.Compare(expressions[a].String(), expressions[b].String()) })
	return all[r.IntN(len(all))]
}

func randomNeed(r *rand.Rand) Need {
	var n Need
	for range 1 + r.IntN(2) {
		var all []Clue
		for range 1 + r.IntN(2) {
			all = append(all, []Clue{
				{Column: "Message", Parts: []parquet.Part{{Text: "timeout", Left: parquet.Word, Right: parquet.Word}}},
				{Column: "Message", Parts: []parquet.Part{{Text: "message 7"}, {Text: "f"}}},
				{Column: "Message", Parts: []parquet.Part{{Text: "k4", Left: parquet.Word}}},
				{Column: "Message", Parts: []parquet.Part{{Text: "41", Right: parquet.End}}},
				{Column: "Message", Parts: []parquet.Part{{Text: "nowhere"}}},
				{Column: "Level", Parts: []parquet.Part{{Text: "error", Left: parquet.End, Right: parquet.End}}},
				{Column: "Level", Parts: []parquet.Part{{Text: "i"}}},
				{Column: "Props", Parts: []parquet.Part{{Text: "ann", Left: parquet.Word}}},
				{Column: "Absent", Parts: []parquet.Part{{Text: "a"}}},
				{Column: "Message", By: []*template.Pattern{randomPattern(r)}},
				{Column: "Level", By: []*template.Pattern{randomPattern(r)}},
			}[r.IntN(11)])
		}
		n = append(n, all)
	}
	return n
}

// The files of a sieve and the images of what it leaves have every row that is
// wanted, with all its cells, once; and of rows out of time none need be there.
func TestSievedRowsAreAllThatAreWanted(t *testing.T) {
	r := rand.New(rand.NewPCG(46, 5))
	var readers []*Reader
	var all []arrow.RecordBatch
	for i := range 4 {
		rec := logs(t, r, 1+r.IntN(9000), i*10_000)
		o, in := written(t, rec)
		in.ID = schema.SegmentID(fmt.Sprintf("%032x", i))
		var ob object
		in, err := Write(t.Context(), &ob, keys(t), account, in, []arrow.RecordBatch{rec})
		if err != nil {
			t.Fatal(err)
		}
		_ = o
		readers, all = append(readers, opened(t, &ob, in)), append(all, rec)
	}
	c := NewCache(1 << 30)
	sifted, left := 0, 0
	for round := range 60 {
		needs := []Need{randomNeed(r)}
		for r.IntN(3) == 0 {
			needs = append(needs, randomNeed(r))
		}
		var from, to schema.Ticks
		if r.IntN(2) == 0 {
			from = schema.Ticks(r.IntN(40_000)) * schema.TicksPerSecond
		}
		if r.IntN(2) == 0 {
			to = from + schema.Ticks(1+r.IntN(20_000))*schema.TicksPerSecond
		}
		var wants []Want
		for _, s := range readers {
			wants = append(wants, Want{Segment: s, Columns: names(columns), From: from, To: to})
		}
		s, err := c.Sift(t.Context(), wants, needs)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		take := func(tab arrow.Table) {
			lists := make([][]string, len(columns))
			for i, c := range columns {
				at := tab.Schema().FieldIndices(c.Name)
				lists[i] = cells(tab.Column(at[0]).Data())
			}
			for row := range lists[0] {
				var line []string
				for i := range lists {
					line = append(line, lists[i][row])
				}
				got[strings.Join(line, "|")]++
			}
		}
		for _, f := range s.Files {
			take(read(t, f.Path()))
			left += int(f.Rows())
		}
		for _, i := range s.Whole {
			images, err := c.Acquire(t.Context(), wants[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			take(read(t, images[0].Path()))
			c.Release(images)
		}
		sifted += len(readers) - len(s.Whole)
		for _, rec := range all {
			for row := range int(rec.NumRows()) {
				at := schema.Ticks(rec.Column(0).(*array.Int64).Value(row))
				if at < from || to != 0 && at > to || !wantedRow(rec, row, needs) {
					continue
				}
				var line []string
				for _, col := range rec.Columns() {
					line = append(line, cells(arrow.NewChunked(col.DataType(), []arrow.Array{array.NewSlice(col, int64(row), int64(row)+1)}))[0])
				}
				if n := got[strings.Join(line, "|")]; n != 1 {
					t.Fatalf("round %d, %v: row %v is there %d times", round, needs, line, n)
				}
			}
		}
		s.Close()
	}
	if sifted < 60 || left == 0 {
		t.Errorf("%d row groups were sifted and %d rows left: this test tests nothing", sifted, left)
	}
	if c.Close(); c.Used() != 0 {
		t.Errorf("%d bytes are still counted", c.Used())
	}
}

// What a sieve needs counts as what queries have decrypted does, and comes back.
func TestSievesKeepWithinTheLimit(t *testing.T) {
	rec := logs(t, rand.New(rand.NewPCG(46, 6)), 20_000, 0)
	o, in := written(t, rec)
	needs := []Need{{{{Column: "Message", Parts: []parquet.Part{{Text: "timeout"}}}}}}
	want := []Want{{Segment: opened(t, o, in), Columns: names(columns)}}
	small := NewCache(100 << 10)
	if _, err := small.Sift(t.Context(), want, needs); !is[*LimitError](err) {
		t.Errorf("with 100 KiB: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	large := NewCache(1 << 30)
	if _, err := large.Sift(ctx, want, needs); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s, err := large.Sift(t.Context(), want, needs)
	if err != nil || s.Kept == 0 || large.Used() == 0 {
		t.Fatalf("%d rows kept, %d bytes used, %v", s.Kept, large.Used(), err)
	}
	s.Close()
	small.Close()
	large.Close()
	if small.Used() != 0 || large.Used() != 0 {
		t.Errorf("%d and %d bytes are still counted", small.Used(), large.Used())
	}
}

func is[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }
