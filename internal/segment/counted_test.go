package segment

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// few are rows whose columns have few values, but for one.
func few(t testing.TB, seed uint64, n int) arrow.RecordBatch {
	r := rand.New(rand.NewPCG(seed, 7))
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var w bytes.Buffer
	for i := range n {
		fmt.Fprintf(&w, `{"TimeGenerated":%q,"Computer":"web-%02d","Level":%q,"Trace":"%016x","Code":%d`, begin.Add(time.Duration(i)*time.Second).Format(time.RFC3339),
			r.IntN(20+int(seed)), []string{"Information", "Error", "", "Warning"}[r.IntN(4)], r.Uint64(), 400+r.IntN(7))
		if r.IntN(3) > 0 {
			fmt.Fprintf(&w, `,"Real":%d.5,"Properties":{"app":"app-%d"}`, r.IntN(3), r.IntN(4))
		}
		w.WriteString("}\n")
	}
	p, err := batch.Parse(&w, schema.Table{Name: "Few_CL", Columns: []schema.Column{
		{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Computer", Type: schema.String}, {Name: "Level", Type: schema.String}, {Name: "Trace", Type: schema.String},
		{Name: "Code", Type: schema.Int}, {Name: "Real", Type: schema.Real}, {Name: "Properties", Type: schema.Dynamic},
	}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p.Record
}

// weighedRows are the weighted rows of segments, with their weights; rows of the same
// times and values are one. It tells how many bytes of segments were read.
func weighedRows(t *testing.T, of []*Reader, want Want, needs []Need, by Weights) (rows map[string]string, opened int64) {
	cache := NewCache(1 << 30)
	defer cache.Close()
	var wants []Want
	for _, s := range of {
		want.Segment = s
		wants = append(wants, want)
	}
	got, err := cache.Weigh(t.Context(), wants, needs, by)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if len(got.Whole) > 0 || len(got.Files) != 1 {
		t.Fatalf("%d row groups were not counted, %d files", len(got.Whole), len(got.Files))
	}
	rows = map[string]string{}
	tab := read(t, got.Files[0].Path())
	var columns [][]string
	for i := range int(tab.NumCols()) {
		columns = append(columns, cells(tab.Column(i).Data()))
	}
	for i := range int(tab.NumRows()) {
		var row []string
		for _, c := range columns[:len(columns)-1] {
			row = append(row, c[i])
		}
		key := strings.Join(row, "|")
		if rows[key] != "" {
			t.Fatalf("%s is there twice", key)
		}
		rows[key] = columns[len(columns)-1][i]
	}
	return rows, got.Read
}

// What was counted when segments were written is what counting their rows gives.
func TestCountedWhenWritten(t *testing.T) {
	var with, without []*Reader
	for seed := range uint64(3) { // of other hosts, so that codes differ
		o, in := written(t, few(t, seed, 9000))
		with, without = append(with, opened(t, o, in)), append(without, opened(t, o, in))
		delete(without[seed].footer.Pairs, parquet.CountsKey)
		if list, err := with[seed].counts(); err != nil || len(list) != 1 {
			t.Fatalf("counts of %d groups, %v", len(list), err)
		}
	}
	is := func(column, text string) []Need {
		return []Need{{{{Column: column, Parts: []parquet.Part{{Text: text, Left: parquet.End, Right: parquet.End}}}}}}
	}
	day := Weights{Bins: []Bin{{Size: schema.Span(24 * schema.TicksPerHour)}}}
	for _, c := range []struct {
		name   string
		want   Want
		needs  []Need
		by     Weights
		counts bool
	}{
		{"a column", Want{Columns: []string{"Level"}}, nil, Weights{}, true},
		{"a number", Want{Columns: []string{"Code"}}, nil, Weights{}, true},
		{"two", Want{Columns: []string{"Computer", "Level"}}, nil, Weights{}, true},
		{"two with a filter", Want{Columns: []string{"Computer", "Level"}}, is("Level", "error"), Weights{}, true},
		{"the other way", Want{Columns: []string{"Level", "Code"}}, is("Level", "warning"), Weights{}, true},
		{"with nulls", Want{Columns: []string{"Real", "Level"}}, is("Level", "warning"), Weights{}, true},
		{"a member", Want{Columns: []string{"Level"}, Members: []Member{{"Properties", "app"}}}, nil, Weights{}, true},
		{"of a day", Want{Columns: []string{"Level", schema.TimeGenerated}}, nil, day, true},
		{"by hour", Want{Columns: []string{"Level", schema.TimeGenerated}}, nil, Weights{Bins: []Bin{{Size: schema.TicksPerHour}}}, false},
		{"from a time on", Want{Columns: []string{"Computer", "Level"}, From: schema.TicksOf(time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC))}, nil, Weights{}, false},
		{"up to a time", Want{Columns: []string{"Computer", "Level"}, To: schema.TicksOf(time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC))}, nil, Weights{}, false},
		{"three", Want{Columns: []string{"Computer", "Level", "Code"}}, is("Level", "error"), Weights{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, read := weighedRows(t, with, c.want, c.needs, c.by)
			want, most := weighedRows(t, without, c.want, c.needs, c.by)
			if !maps.Equal(got, want) {
				t.Errorf("counted %v, of rows %v", got, want)
			}
			if c.counts == (read == most) {
				t.Errorf("%d bytes were read, %d without counts", read, most)
			}
		})
	}
}

// Counts that can't be right are damage, and no answer.
func TestDamagedCounts(t *testing.T) {
	o, in := written(t, few(t, 1, 9000))
	for _, text := range []string{"", "AAI=", "!"} {
		s := opened(t, o, in)
		s.footer.Pairs[parquet.CountsKey] = text
		cache := NewCache(1 << 30)
		_, err := cache.Weigh(t.Context(), []Want{{Segment: s, Columns: []string{"Level"}}}, nil, Weights{})
		if !errors.Is(err, errDamaged) {
			t.Errorf("%q: %v", text, err)
		}
		cache.Close()
	}
}

// A segment of the release that began to count has what its rows have.
func TestCountsOfEarlierReleases(t *testing.T) {
	b, err := os.ReadFile("testdata/v1/counts")
	if err != nil {
		t.Fatal(err)
	}
	var of [2]*Reader
	for i := range of {
		if of[i], err = Open(bytes.NewReader(b), int64(len(b)), keys(t), account, info); err != nil {
			t.Fatal(err)
		}
	}
	delete(of[1].footer.Pairs, parquet.CountsKey)
	want := Want{Columns: []string{"Level", "Code"}}
	got, read := weighedRows(t, of[:1], want, nil, Weights{})
	counted, most := weighedRows(t, of[1:], want, nil, Weights{})
	if !maps.Equal(got, counted) || len(got) != 4*7 || read == most {
		t.Errorf("%d different rows, of %d bytes: %v; counted, of %d bytes: %v", len(got), read, got, most, counted)
	}
}
