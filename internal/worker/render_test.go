package worker

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/duck"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// given are rows that were thought up.
type given struct{ rows [][]driver.Value }

func (g *given) Next(dest []driver.Value) error {
	if len(g.rows) == 0 {
		return io.EOF
	}
	copy(dest, g.rows[0])
	g.rows = g.rows[1:]
	return nil
}

func rendered(t *testing.T, columns []schema.Column, rows ...[]driver.Value) (string, error) {
	t.Helper()
	out := &rendering{maxRows: 3, maxSize: 1 << 20, form: apiForm{}}
	err := out.form.start(out, nil)
	if err == nil {
		err = out.fill("PrimaryResult", columns, &given{rows})
	}
	if err == nil {
		err = out.form.end(out, nil)
	}
	return out.String(), err
}

func TestEveryTypeHasItsJSON(t *testing.T) {
	for _, test := range []struct {
		kind  schema.Type
		value driver.Value
		want  string
	}{
		{schema.Bool, true, `true`},
		{schema.Bool, nil, `null`},
		{schema.Int, int32(math.MinInt32), `-2147483648`},
		{schema.Long, int64(math.MaxInt64), `9223372036854775807`},
		{schema.Long, int64(math.MinInt64), `-9223372036854775808`},
		{schema.Real, 0.1, `0.1`},
		{schema.Real, math.Copysign(0, -1), `-0`},
		{schema.Real, 1e300, `1e+300`},
		{schema.Real, math.NaN(), `"NaN"`},
		{schema.Real, math.Inf(1), `"Infinity"`},
		{schema.Real, math.Inf(-1), `"-Infinity"`},
		{schema.Decimal, "12345678901234567890.123456789", `"12345678901234567890.123456789"`},
		{schema.String, "", `""`},
		{schema.String, "a\"b\\c\n\t\x00\u2028😀</script>", `"a\"b\\c\n\t\u0000` + "\u2028" + `😀</script>"`},
		{schema.DateTime, int64(0), `"0001-01-01T00:00:00Z"`},
		{schema.DateTime, int64(schema.MaxTicks), `"9999-12-31T23:59:59.9999999Z"`},
		{schema.DateTime, nil, `null`},
		{schema.TimeSpan, int64(1), `"00:00:00.0000001"`},
		{schema.TimeSpan, int64(-864000000000), `"-1.00:00:00"`},
		{schema.TimeSpan, int64(math.MinInt64), `"-10675199.02:48:05.4775808"`},
		{schema.GUID, "00000000-0000-0000-0000-000000000001", `"00000000-0000-0000-0000-000000000001"`},
		{schema.Dynamic, `{"a":[1,"x"]}`, `"{\"a\":[1,\"x\"]}"`},
		{schema.Dynamic, nil, `null`},
	} {
		got, err := rendered(t, []schema.Column{{Name: "c", Type: test.kind}}, []driver.Value{test.value})
		want := `{"tables":[{"name":"PrimaryResult","columns":[{"name":"c","type":"` + test.kind.String() + `"}],"rows":[[` + test.want + `]]}]}`
		if err != nil || got != want {
			t.Errorf("%s %v is rendered as\n%s (%v), want\n%s", test.kind, test.value, got, err, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s %v is no JSON", test.kind, test.value)
		}
	}
}

func TestAnAnswerIsJSONWhateverColumnsAreCalled(t *testing.T) {
	names := []string{`"`, `\`, "a\nb", `</script>`, "ключ", ""}
	columns := make([]schema.Column, len(names))
	for i, n := range names {
		columns[i] = schema.Column{Name: n, Type: schema.Long}
	}
	got, err := rendered(t, columns)
	var answer struct {
		Tables []struct{ Columns []struct{ Name string } }
	}
	if err != nil || json.Unmarshal([]byte(got), &answer) != nil {
		t.Fatalf("%s %v", got, err)
	}
	for i, c := range answer.Tables[0].Columns {
		if c.Name != names[i] {
			t.Errorf("%q became %q", names[i], c.Name)
		}
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	column := []schema.Column{{Name: "c", Type: schema.String}}
	row := []driver.Value{"x"}
	if _, err := rendered(t, column, row, row, row); err != nil {
		t.Errorf("as many rows as allowed: %v", err)
	}
	if got, err := rendered(t, column, row, row, row); err != nil || strings.Contains(got, "error") {
		t.Errorf("as many rows as allowed are said to be too many: %s %v", got, err)
	}
	for _, test := range []struct{ what, want string }{{"3 records", `"rows":[["x"],["x"],["x"]]`}, {"1048576 bytes", `"rows":[["x"]]`}} {
		rows := [][]driver.Value{row, row, row, row}
		if strings.Contains(test.what, "bytes") {
			rows[1] = []driver.Value{strings.Repeat("x", 1<<20)}
		}
		got, err := rendered(t, column, rows...)
		var answer struct{ Error fault.Error }
		if err != nil || json.Unmarshal([]byte(got), &answer) != nil || !strings.Contains(got, test.want) {
			t.Fatalf("%s: %s %v", test.what, got, err)
		}
		if e := answer.Error; e.Code != partialError || e.Details[0].Inner.Code != resultTooLargeCode || !strings.Contains(e.Details[0].Inner.Message, test.what) {
			t.Errorf("%s: %+v", test.what, e)
		}
	}
}

func TestWhatTheEngineMustNotAnswerIsAnErrorWithoutTheValue(t *testing.T) {
	for _, value := range []driver.Value{"secret \xff", []byte("secret")} {
		_, err := rendered(t, []schema.Column{{Name: "c", Type: schema.String}}, []driver.Value{value})
		if err == nil || !strings.Contains(err.Error(), "internal error") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%T: %v", value, err)
		}
	}
}

// Texts are quoted as jsontext quotes them, whatever stands where in them.
func TestQuotesAreThoseOfJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(52, 4))
	pieces := []string{`"`, `\`, "\n", "\x00", "\x1f", "\x7f", " ", "é", "\u2028", "😀", "\xff", "\xe2\x80", "<", "!", "a", "plain text ", `{"key":"value","n":1}`}
	for i := range 20_000 {
		var s strings.Builder
		for range r.IntN(12) {
			s.WriteString(pieces[r.IntN(len(pieces)-i%2*6)])
		}
		want, wantErr := jsontext.AppendQuote([]byte("before"), s.String())
		got, err := appendQuote([]byte("before"), s.String())
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != string(want) {
			t.Fatalf("%q is %s (%v) and not %s (%v)", s.String(), got, err, want, wantErr)
		}
	}
}

// full is a client that takes nothing any more.
type full struct{ asked int }

func (f *full) Write([]byte) (int, error) { f.asked++; return 0, io.ErrClosedPipe }

// Who takes nothing holds nobody up, and is asked once.
func TestAnOutletThatIsClosed(t *testing.T) {
	to := &full{}
	begun := 0
	o := newOutlet(to, func() { begun++ })
	if o.begun() || (*outlet)(nil).begun() {
		t.Error("it has begun before there was anything")
	}
	for range 100 {
		o.put(append(o.room(), "a piece"...))
	}
	if err := o.close(); !errors.Is(err, io.ErrClosedPipe) || to.asked != 1 || begun != 1 {
		t.Errorf("%v; asked %d times, begun %d times", err, to.asked, begun)
	}
}

// plain hides that rows may be had in chunks.
type plain struct{ rows *duck.Rows }

func (p plain) Next(values []driver.Value) error { return p.rows.Next(values) }

// An answer is the same whether it is read in chunks or row by row, also where it is
// cut.
func TestChunksAreRenderedAsRowsAre(t *testing.T) {
	engine, err := openEngine(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	const text = `SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END, CASE WHEN i % 5 = 0 THEN NULL ELSE CAST(i - 3000 AS INTEGER) END,
		CASE WHEN i % 11 = 3 THEN NULL ELSE i * 1234567890123 END, CASE WHEN i % 3 = 0 THEN NULL ELSE (i - 99) / 7.0::DOUBLE END,
		CASE WHEN i % 13 = 0 THEN NULL WHEN i % 13 = 1 THEN '' ELSE repeat('ä"\ ' || i, i % 9) END FROM range(5000) r(i) ORDER BY i`
	columns := []schema.Column{{Name: "b", Type: schema.Bool}, {Name: "i", Type: schema.Int}, {Name: "t", Type: schema.DateTime}, {Name: "r", Type: schema.Real}, {Name: "s", Type: schema.String}}
	for _, bounds := range []rendering{{maxRows: 1 << 20, maxSize: 1 << 30}, {maxRows: 2048, maxSize: 1 << 30}, {maxRows: 3001, maxSize: 1 << 30}, {maxRows: 1 << 20, maxSize: 100_000}} {
		var answers []string
		for _, way := range []string{"chunks", "rows", "pieces"} {
			rows, err := engine.Query(t.Context(), text, nil)
			if err != nil {
				t.Fatal(err)
			}
			if forms, ok := rows.Forms(); !ok || len(forms) != len(columns) {
				t.Fatalf("forms: %v", forms)
			}
			out := &rendering{maxRows: bounds.maxRows, maxSize: bounds.maxSize, form: apiForm{}}
			var from rowSource = rows
			if way == "rows" {
				from = plain{rows}
			}
			var taken bytes.Buffer
			if way == "pieces" {
				out.outlet, out.flows = newOutlet(&taken, func() {}), true
			}
			if err := errors.Join(out.form.start(out, nil), out.fill("T", columns, from), rows.Close()); err != nil {
				t.Fatal(err)
			}
			if out.outlet.begun() {
				size := out.Len()
				out.outlet.put(out.Bytes())
				if err := out.outlet.close(); err != nil || taken.Len() != size || out.Buffer.Len() > 2*pieceSize {
					t.Fatalf("%d bytes were taken of %d, %d at last: %v", taken.Len(), size, out.Buffer.Len(), err)
				}
				answers = append(answers, taken.String()+out.cut)
				continue
			}
			answers = append(answers, out.String()+out.cut)
		}
		if answers[0] != answers[1] || answers[0] != answers[2] || len(answers[0]) < 50_000 {
			t.Errorf("%d bytes by chunks, %d by rows, %d in pieces, and they are not the same", len(answers[0]), len(answers[1]), len(answers[2]))
		}
	}
	rows, err := engine.Query(t.Context(), "SELECT 1::HUGEINT", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if _, ok := rows.Forms(); ok {
		t.Error("a number of 128 bits is of no form that is read in chunks")
	}
}
