package worker

import (
	"database/sql/driver"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// answered renders two tables in a form; ids that differ from run to run are X.
func answered(t *testing.T, f wire.Form) string {
	t.Helper()
	out := &rendering{maxRows: 9, maxSize: 1 << 20, form: formOf(f, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	if err := out.form.start(out, &kql.Render{Visualization: "timechart", Properties: map[string]string{"title": "x", "ycolumns": "a,b", "accumulate": "True"}}); err != nil {
		t.Fatal(err)
	}
	columns := []schema.Column{{Name: "n\"", Type: schema.Long}, {Name: "d", Type: schema.Dynamic}}
	if err := out.fill("PrimaryResult", columns, &given{[][]driver.Value{{int64(1), `{"a":[1]}`}, {nil, `"text"`}}}); err != nil {
		t.Fatal(err)
	}
	if err := out.fill("Second", columns[:1], &given{}); err != nil {
		t.Fatal(err)
	}
	if err := out.form.end(out, nil); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, out.Bytes())
	}
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(out.String(), "X")
}

func TestAnswersOfTheKustoProtocol(t *testing.T) {
	one := answered(t, wire.FormKusto1)
	for _, want := range []string{
		`{"Tables":[{"TableName":"Table_0","Columns":[{"ColumnName":"n\"","DataType":"Int64","ColumnType":"long"},{"ColumnName":"d","DataType":"Object","ColumnType":"dynamic"}],"Rows":[[1,"{\"a\":[1]}"],[null,"\"text\""]]},{"TableName":"Table_1",`,
		`"Rows":[[0,"QueryResult","PrimaryResult","X",""],[1,"QueryResult","Second","X",""],[2,"QueryProperties","@ExtendedProperties","X",""],[3,"QueryStatus","QueryStatus","X",""]]}]}`,
		`\"Title\":\"x\"`, `\"YColumns\":[\"a\",\"b\"]`, `\"Accumulate\":true`, `\"Visualization\":\"timechart\"`, `\"Ymin\":\"NaN\"`,
	} {
		if !strings.Contains(one, want) {
			t.Errorf("version 1 lacks %s\n%s", want, one)
		}
	}
	two := answered(t, wire.FormKusto2)
	for _, want := range []string{
		`[{"FrameType":"DataSetHeader","IsProgressive":false,"Version":"v2.0","IsFragmented":false,"ErrorReportingPlacement":"InData"},{"FrameType":"DataTable","TableId":0,"TableKind":"QueryProperties"`,
		`{"FrameType":"DataTable","TableId":1,"TableKind":"PrimaryResult","TableName":"PrimaryResult","Columns":[{"ColumnName":"n\"","ColumnType":"long"},{"ColumnName":"d","ColumnType":"dynamic"}],"Rows":[[1,{"a":[1]}],[null,"text"]]}`,
		`{"FrameType":"DataTable","TableId":2,"TableKind":"PrimaryResult","TableName":"Second","Columns":[{"ColumnName":"n\"","ColumnType":"long"}],"Rows":[]}`,
		`{"FrameType":"DataTable","TableId":3,"TableKind":"QueryCompletionInformation"`,
		`{"FrameType":"DataSetCompletion","HasErrors":false,"Cancelled":false}]`,
	} {
		if !strings.Contains(two, want) {
			t.Errorf("version 2 lacks %s\n%s", want, two)
		}
	}
	lines := strings.Split(answered(t, wire.FormKustoFragments), "\r\n")
	var frames []string
	for _, l := range lines[:len(lines)-2] {
		var frame struct{ FrameType string }
		if err := json.Unmarshal([]byte(l[1:]), &frame); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		frames = append(frames, frame.FrameType)
	}
	want := "DataSetHeader DataTable TableHeader TableFragment TableCompletion TableHeader TableFragment TableCompletion DataTable DataSetCompletion"
	if got := strings.Join(frames, " "); got != want || lines[len(lines)-2] != "]" || lines[len(lines)-1] != "" {
		t.Errorf("frames %s, then %q", got, lines[len(lines)-2:])
	}
}

// An answer that is too large is cut, and every version of the protocol says so
// where its clients look.
func TestAnswersOfTheKustoProtocolThatAreCut(t *testing.T) {
	for form, wants := range map[wire.Form][]string{
		wire.FormKusto1:         {`"Rows":[[1],[2]]`, `"Exceptions":["The results of this query exceed the set limit of 2 records`, `2,"Error",-2133196797`},
		wire.FormKusto2:         {`"Rows":[[1],[2],{"OneApiErrors":[{"error":{`, `"HasErrors":true,"Cancelled":false,"OneApiErrors":[{"error":{`, `"code":"LimitsExceeded"`},
		wire.FormKustoFragments: {`"Rows":[[1],[2]]}`, `"RowCount":2,"OneApiErrors":[{"error":{`, `"HasErrors":true`},
	} {
		out := &rendering{maxRows: 2, maxSize: 1 << 20, form: formOf(form, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
		if err := out.form.start(out, nil); err != nil {
			t.Fatal(err)
		}
		rows := &given{[][]driver.Value{{int64(1)}, {int64(2)}, {int64(3)}, {int64(4)}}}
		if err := out.fill("PrimaryResult", []schema.Column{{Name: "n", Type: schema.Long}}, rows); err != nil {
			t.Fatal(err)
		}
		if err := out.form.end(out, nil); err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("no JSON: %v\n%s", err, out.Bytes())
		}
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("form %v lacks %s\n%s", form, want, out.String())
			}
		}
	}
}
