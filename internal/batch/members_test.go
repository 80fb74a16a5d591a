package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

var withObject = schema.Table{Name: "T", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "P", Type: schema.Dynamic}, {Name: "P.Taken", Type: schema.String}}}

// objects parses rows with an object each, in two records.
func objects(t testing.TB, row func(i int) string) []arrow.RecordBatch {
	var recs []arrow.RecordBatch
	for part := range 2 {
		var b strings.Builder
		for i := range 600 {
			fmt.Fprintf(&b, `{"P":%s}`, row(600*part+i))
		}
		p, err := Parse(bytes.NewBufferString(b.String()), withObject, 1)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, p.Record)
	}
	return recs
}

// withMembers returns the records with a column more for each hot key.
func withMembers(recs []arrow.RecordBatch) ([]arrow.RecordBatch, []Member, error) {
	hot, err := HotMembers(recs)
	if err != nil {
		return nil, nil, err
	}
	columns, err := Columns(recs[0].Schema())
	if err != nil {
		return nil, nil, err
	}
	cells := make([][]arrow.Array, len(recs))
	for k, rec := range recs {
		cells[k] = slices.Clone(rec.Columns())
	}
	var all []Member
	for i, members := range hot {
		kept, made, err := Extract(members, recs, i)
		if err != nil {
			return nil, nil, err
		}
		for m := range kept {
			columns = append(columns, kept[m].Carrier())
			for k := range recs {
				cells[k] = append(cells[k], made[m][k])
			}
		}
		all = append(all, kept...)
	}
	sc, err := Schema(columns)
	if err != nil {
		return nil, nil, err
	}
	out := make([]arrow.RecordBatch, len(recs))
	for k, rec := range recs {
		out[k] = array.NewRecordBatch(sc, cells[k], rec.NumRows())
	}
	return out, all, nil
}

func TestHotKeys(t *testing.T) {
	for name, c := range map[string]struct {
		row  func(i int) string
		want string
	}{
		"typed":             {func(i int) string { return fmt.Sprintf(`{"b":%t,"s":"v%d","n":%d}`, i%2 == 0, i%9, i-5) }, "b bool s string n long"},
		"text that repeats": {func(i int) string { return fmt.Sprintf(`{"id":"%d","app":"a"}`, i) }, "app string"},
		"rare":              {func(i int) string { return []string{`{"r":1}`, `{}`, `{}`, `{}`, `{"c":1}`, `{"c":2}`}[i%6] }, "c long"},
		"null is absent":    {func(i int) string { return []string{`{"a":null}`, `{"a":"x"}`, `{}`, `null`, `[1]`}[i%5] }, ""},
		"mixed":             {func(i int) string { return []string{`{"m":1,"a":true}`, `{"m":"1","a":false}`}[i%2] }, "a bool"},
		"one odd value": {func(i int) string {
			return map[bool]string{true: `{"n":1.0,"s":"a\nb","a":1}`, false: `{"n":1,"s":"a","a":1}`}[i == 901]
		}, "a long"},
		"one odd key": {func(i int) string { return map[bool]string{true: `{"\u006e":1}`, false: `{"n":1}`}[i == 77] }, ""},
		"nested":      {func(int) string { return `{"o":{"n":1},"l":[1],"n":{"}":"{"},"x":1}` }, "x long"},
		"names":       {func(int) string { return `{"a b":1,"ä":1,"":1,"taken":1,"K":1,"k":1,"_9":1}` }, "K long _9 long"},
		"numbers": {func(int) string {
			return `{"a":0,"b":-0,"c":-1,"d":1234567890123456789,"e":1e3,"f":123456789012345678}`
		}, "a long c long f long"},
		"at most eight":       {func(int) string { return `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}` }, "a long b long c long d long e long f long g long h long"},
		"the first of a name": {func(int) string { return `{"a":1,"a":"x","b":true}` }, "b bool"},
	} {
		recs := objects(t, c.row)
		out, members, err := withMembers(recs)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, m := range members {
			got = append(got, m.Key, m.Type.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: members %q, want %q", name, strings.Join(got, " "), c.want)
		}
		for k, rec := range out {
			for i, m := range members {
				cells := rec.Column(len(withObject.Columns) + i)
				for row := range int(rec.NumRows()) {
					var object map[string]any
					json.Unmarshal([]byte(c.row(600*k+row)), &object) // not an object: it has nothing
					want, there := object[m.Key]
					if text := cells.ValueStr(row); there && want != nil && text != fmt.Sprint(want) && m.Type != schema.Long || (!there || want == nil) != cells.IsNull(row) {
						t.Fatalf("%s: %s of row %d is %s, want %v", name, m.Key, row, text, want)
					}
				}
			}
		}
	}
}

func TestFewRowsHaveNoMembers(t *testing.T) {
	recs := objects(t, func(int) string { return `{"a":1}` })
	if hot, err := HotMembers(recs[:1]); err != nil || hot != nil {
		t.Errorf("%v, %v", hot, err)
	}
}

// FuzzObject holds the quick look at an object to a thorough one.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":"x\"}","b":[1,{"c":"]"}],"d":{}}`, `{"\u0061":1}`, `[]`, `5`, `{"a":"\\"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var compact bytes.Buffer
		if !json.Valid(b) || json.Compact(&compact, b) != nil {
			return
		}
		p, err := Parse(bytes.NewBufferString(`{"P":`+compact.String()+`}`), withObject, 1)
		if err != nil {
			return // deeper or odder than rows may be
		}
		at := p.Record.Column(1)
		if at.IsNull(0) {
			return
		}
		var got []string
		text := []byte(at.ValueStr(0))
		if !Object(text, func(f Field) { got = append(got, string(text[f.Key:f.KeyEnd])+"="+string(text[f.Value:f.End])) }) {
			return
		}
		d := json.NewDecoder(strings.NewReader(at.ValueStr(0)))
		var want []string
		if first, _ := d.Token(); first == json.Delim('{') {
			for d.More() {
				key, _ := d.Token()
				var value json.RawMessage
				d.Decode(&value)
				want = append(want, key.(string)+"="+string(value))
			}
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: %q, want %q", at.ValueStr(0), got, want)
		}
		for _, pair := range want {
			key, value, _ := strings.Cut(pair, "=")
			typ, ok := map[byte]schema.Type{'"': schema.String, '0': schema.Long, 't': schema.Bool}[kindOf([]byte(value))]
			m := Member{Column: "P", Key: key, Type: typ}
			if !ok || strings.HasPrefix(value, `"`) && strings.Contains(value, `\`) || slices.IndexFunc(want, func(w string) bool { return strings.HasPrefix(w, key+"=") }) != slices.Index(want, pair) || !schema.IsMemberKey(key) {
				continue
			}
			// Some rows with room for text, and with other text behind them.
			cols := []memberColumn{{Member: m, quoted: `"` + key + `":`, carrier: m.Carrier().Type}}
			cols[0].text = make([]byte, 0, 64)
			cell := append([]byte(at.ValueStr(0)), `{"x":"text of another row"}`...)
			if !extractRow(cols, cell[:len(at.ValueStr(0))], 0) || cols[0].dropped {
				continue
			}
			told := ""
			switch c := &cols[0]; {
			case c.n != 1:
				t.Fatalf("%s: %d cells", pair, c.n)
			case m.Type == schema.String:
				told = `"` + string(c.text) + `"`
			case m.Type == schema.Long:
				told = fmt.Sprint(c.i64[0])
			default:
				told = fmt.Sprint(c.bits[0] == 1)
			}
			if told != value {
				t.Errorf("%s in %s: %s", pair, at.ValueStr(0), told)
			}
		}
	})
}
