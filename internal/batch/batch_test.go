package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cockroachdb/datadriven"

	"logkeep/internal/schema"
)

const noon = "2026-01-02T12:00:00Z"

func ticks(t testing.TB, s string) schema.Ticks {
	v, err := schema.ParseTicks(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func table(columns ...schema.Column) schema.Table {
	return schema.Table{Name: "T_CL", Columns: append([]schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}, columns...)}
}

// every has a column of each type, named after it.
func every() schema.Table {
	t := table()
	for c := schema.Bool; c <= schema.Dynamic; c++ {
		t.Columns = append(t.Columns, schema.Column{Name: c.String(), Type: c})
	}
	return t
}

// show prints a record, one row a line; text is quoted, null is a dash.
func show(rec arrow.RecordBatch) string {
	var b strings.Builder
	columns, err := Columns(rec.Schema())
	if err != nil {
		return err.Error()
	}
	for row := range int(rec.NumRows()) {
		for i, c := range columns {
			if i > 0 {
				b.WriteString(" | ")
			}
			switch a := rec.Column(i).(type) {
			case *array.String:
				if a.IsNull(row) {
					b.WriteString("-")
				} else {
					fmt.Fprintf(&b, "%q", a.Value(row))
				}
			case *array.Int64:
				switch {
				case a.IsNull(row):
					b.WriteString("-")
				case c.Type == schema.DateTime:
					b.WriteString(schema.Ticks(a.Value(row)).String())
				case c.Type == schema.TimeSpan:
					b.WriteString(schema.Span(a.Value(row)).String())
				default:
					fmt.Fprint(&b, a.Value(row))
				}
			default:
				if a.IsNull(row) {
					b.WriteString("-")
				} else {
					b.WriteString(a.ValueStr(row))
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRows(t *testing.T) {
	datadriven.RunTest(t, "testdata/rows", func(t *testing.T, d *datadriven.TestData) string {
		tab := table()
		for _, arg := range d.CmdArgs {
			typ, err := schema.ParseType(arg.Vals[0])
			if err != nil {
				t.Fatal(err)
			}
			tab.Columns = append(tab.Columns, schema.Column{Name: arg.Key, Type: typ})
		}
		p, err := Parse(strings.NewReader(d.Input), tab, ticks(t, noon))
		if err != nil {
			return fmt.Sprintf("%T: %v\n", err, err)
		}
		out := show(p.Record)
		if out == "" {
			out = "no rows\n"
		}
		if p.Unknown > 0 || p.Cut > 0 {
			out += fmt.Sprintf("unknown=%d cut=%d\n", p.Unknown, p.Cut)
		}
		return out
	})
}

func TestLongTextIsCutAtACharacter(t *testing.T) {
	long := strings.Repeat("a", maxText-1) + "éé"
	p, err := Parse(strings.NewReader(`[{"S":"`+long+`"},{"S":"`+long[:maxText-1]+`"}]`), table(schema.Column{Name: "S", Type: schema.String}), 0)
	if err != nil {
		t.Fatal(err)
	}
	col := p.Record.Column(1).(*array.String)
	if col.Value(0) != long[:maxText-1] || col.Value(1) != long[:maxText-1] || p.Cut != 1 {
		t.Errorf("lengths %d %d, %d cut", len(col.Value(0)), len(col.Value(1)), p.Cut)
	}
}

// No error text repeats what the row held.
func TestErrorsDoNotRepeatValues(t *testing.T) {
	for c := schema.Bool; c <= schema.Dynamic; c++ {
		for _, v := range []string{`"SECRET"`, `{"a":"SECRET"}`, `"SECRET`, `SECRET`, `"\SECRET"`, `["SECRET"}`} {
			_, err := Parse(strings.NewReader(`[{"`+c.String()+`":`+v+`}]`), every(), 0)
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s %s: %v", c, v, err)
			}
		}
	}
}

func TestReadErrorsPassThrough(t *testing.T) {
	broken := errors.New("the line is cut")
	for _, head := range []string{"", "[", `[{"string":"`, `[{"string":"a"}`} {
		_, err := Parse(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), every(), 0)
		if !errors.Is(err, broken) {
			t.Errorf("after %q: %v", head, err)
		}
	}
}

func TestCellsDoNotAllocate(t *testing.T) {
	row := `{"TimeGenerated":"2026-01-02T03:04:05.678Z","bool":true,"int":1,"long":"2","real":1.5,"decimal":"1.50","string":"a\nb","datetime":"2026-01-02T03:04:05Z","guid":"6F9619FF-8B86-D011-B42D-00CF4FC964FF","dynamic":{"a": [1, 2]}}` + "\n"
	const rows = 1000
	body := strings.Repeat(row, rows)
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := Parse(bytes.NewBufferString(body), every(), 0); err != nil {
			t.Fatal(err)
		}
	})
	if perRow := allocs / rows; perRow > 0.5 {
		t.Errorf("%.1f allocations a row", perRow)
	}
}

func TestColumnsSurviveArrow(t *testing.T) {
	sc, err := Schema(every().Columns)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Columns(sc)
	if err != nil || fmt.Sprint(back) != fmt.Sprint(every().Columns) {
		t.Errorf("%v %v", back, err)
	}
	bare := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}}, nil)
	if _, err := Columns(bare); err == nil {
		t.Error("a field without a column type was accepted")
	}
}

func TestRowsOfSeveralRecordsSortByTime(t *testing.T) {
	var recs []arrow.RecordBatch
	for _, rows := range []string{
		`{"TimeGenerated":"2026-01-01T00:00:03Z","string":"c","long":null,"bool":true}{"TimeGenerated":"2026-01-01T00:00:01Z","string":"a","long":1,"bool":false}`,
		`[]`,
		`{"TimeGenerated":"2026-01-01T00:00:01Z","string":"b","real":2.5}{"TimeGenerated":"2026-01-01T00:00:00Z","int":7,"dynamic":[]}`,
	} {
		p, err := Parse(strings.NewReader(rows), every(), 0)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, p.Record)
	}
	refs, err := ByTime(recs)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Ref{{2, 1}, {0, 1}, {2, 0}, {0, 0}}; !slices.Equal(refs, want) {
		t.Errorf("order %v, want %v", refs, want)
	}
	rec, err := Gather(recs, refs)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, ref := range refs {
		want.WriteString(strings.SplitAfter(show(recs[ref.Record]), "\n")[ref.Row])
	}
	if got := show(rec); got != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, want.String())
	}
	if first, last, err := Span(rec); err != nil || last-first != 3*schema.TicksPerSecond {
		t.Errorf("span %v to %v, %v", first, last, err)
	}
}

// Room that is reserved from the first rows changes nothing in what is read,
// whether later rows are like them or not, and wherever they come from.
func TestReservedRoomChangesNothing(t *testing.T) {
	table := schema.Table{Name: "T_CL", Columns: []schema.Column{
		{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Text", Type: schema.String}, {Name: "N", Type: schema.Long},
		{Name: "Yes", Type: schema.Bool}, {Name: "Real", Type: schema.Real}, {Name: "Int", Type: schema.Int}, {Name: "Any", Type: schema.Dynamic},
	}}
	for _, shape := range []func(i int) int{
		func(int) int { return 10 },
		func(i int) int { return i },
		func(i int) int { return max(0, 5000-100*i) },
	} {
		var text bytes.Buffer
		for i := range 3 * foreseen {
			fmt.Fprintf(&text, `{"Text":%q,"N":%d,"Yes":%t,"Real":%d.5,"Int":%d,"Any":[%d]}`+"\n", strings.Repeat("x", shape(i)), i, i%2 == 0, i, i, i)
		}
		var encoded [][]byte
		for _, r := range []io.Reader{bytes.NewBuffer(text.Bytes()), strings.NewReader(text.String()), struct{ io.Reader }{&text}} {
			p, err := Parse(r, table, 7)
			if err != nil || p.Record.NumRows() != 3*foreseen {
				t.Fatalf("%v, %v", p, err)
			}
			payload, err := Encode(p.Record)
			if err != nil {
				t.Fatal(err)
			}
			encoded = append(encoded, payload)
		}
		if !bytes.Equal(encoded[0], encoded[2]) || !bytes.Equal(encoded[1], encoded[2]) {
			t.Error("the same rows became different columns")
		}
	}
}
