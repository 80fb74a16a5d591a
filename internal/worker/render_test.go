package worker

import (
	"database/sql/driver"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

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
