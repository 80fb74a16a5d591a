package sample_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"logkeep/internal/sample"
	"logkeep/internal/schema"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestGeneratedRowsFitTheirColumnsAndRepeat(t *testing.T) {
	first := slices.Collect(sample.Generated(7, 3000, noon))
	if !reflect.DeepEqual(first, slices.Collect(sample.Generated(7, 3000, noon))) {
		t.Error("the same seed gave other rows")
	}
	if reflect.DeepEqual(first, slices.Collect(sample.Generated(8, 3000, noon))) {
		t.Error("another seed gave the same rows")
	}
	columns := map[string]schema.Type{}
	for _, c := range sample.Columns() {
		columns[c.Name] = c.Type
	}
	var before time.Time
	sources := map[string]int{}
	for _, row := range first {
		var fields map[string]any
		if err := json.Unmarshal(row, &fields); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		for name, value := range fields {
			kind := map[schema.Type]string{schema.DateTime: "string", schema.String: "string", schema.Int: "float64", schema.Real: "float64", schema.Dynamic: "map"}[columns[name]]
			if !strings.HasPrefix(reflect.TypeOf(value).String(), kind) || kind == "" {
				t.Fatalf("%s: %s is %T, column %v", row, name, value, columns[name])
			}
		}
		at, err := time.Parse(time.RFC3339, fields["TimeGenerated"].(string))
		if err != nil || at.After(noon.Add(time.Hour)) || at.Before(noon.Add(-25*time.Hour)) || at.Before(before.Add(-time.Hour)) {
			t.Fatalf("time %v (%v)", at, err)
		}
		before = at
		sources[fields["Source"].(string)]++
	}
	if len(sources) != 5 || sources["nginx"] < 1000 {
		t.Errorf("sources: %v", sources)
	}
}

func TestMachineLogsBecomeRows(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"dpkg.log":      "2026-01-02 03:04:05 status installed libc6:amd64 2.36\n2026-01-02 03:04:06 trigproc failed\n",
		"apt/term.log":  "Log started: 2026-01-02  03:04:05\nSetting up \"ü\"\t\\ ...\n\n",
		"apt/a.log.gz":  "\x1f\x8b\x08 no text",
		"wtmp":          "a\x00b",
		"empty.log":     "",
		"app/other.log": "plain\nbytes \xff\xfe\n",
	} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logs := slices.DeleteFunc(sample.Logs(t.Context(), dir), func(l sample.Log) bool { return l.Path == sample.Journal })
	var paths []string
	for _, l := range logs {
		paths = append(paths, strings.TrimPrefix(l.Path, dir+"/"))
	}
	if want := []string{"dpkg.log", "apt/term.log", "app/other.log"}; !slices.Equal(paths, want) {
		t.Fatalf("logs %v, want %v", paths, want)
	}
	var rows []map[string]any
	for row := range sample.Machine(t.Context(), logs, 100) {
		var fields map[string]any
		if err := json.Unmarshal(row, &fields); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		rows = append(rows, fields)
	}
	if len(rows) != 6 {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	local := time.Date(2026, 1, 2, 3, 4, 6, 0, time.Local).UTC().Format(time.RFC3339)
	if rows[1]["TimeGenerated"] != local || rows[1]["Level"] != "Error" || rows[0]["Level"] != "Information" {
		t.Errorf("row %v", rows[1])
	}
	if rows[3]["Message"] != "Setting up \"ü\"\t\\ ..." || rows[3]["TimeGenerated"] != rows[2]["TimeGenerated"] {
		t.Errorf("row %v", rows[3])
	}
	if n := len(slices.Collect(sample.Machine(t.Context(), logs[:1], 1))); n != 1 {
		t.Errorf("%d rows where 1 was the limit", n)
	}
}

func TestFilesAreReadAsLinesOrArrays(t *testing.T) {
	read := func(content string) (rows []string, err error) {
		path := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for row, e := range sample.File(path, nil) {
			if e != nil {
				return rows, e
			}
			rows = append(rows, string(row))
		}
		return rows, nil
	}
	for content, want := range map[string][]string{
		"{\"a\":1}\n{\"a\":2}\n":                  {`{"a":1}`, `{"a":2}`},
		"\xef\xbb\xbf[{\"a\":1},\n {\"b\":[{}]}]": {`{"a":1}`, `{"b":[{}]}`},
		"[] [{\"a\":1}] {\"b\":2}":                {`{"a":1}`, `{"b":2}`},
		"":                                        nil,
	} {
		if got, err := read(content); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
	for content, want := range map[string]string{
		`{"a":1} 7`:      "row is a JSON object",
		`["x"]`:          "row is a JSON object",
		`[{"a":1}`:       "EOF",
		`[{"a":1},{"b":`: "EOF",
		`{"a":1} {nope}`: "invalid",
		`[[{"a":1}]] x`:  "row is a JSON object",
	} {
		if _, err := read(content); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.json") {
			t.Errorf("%q: error %v, want one with %q", content, err, want)
		}
	}
	for _, err := range sample.File(filepath.Join(t.TempDir(), "none"), nil) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	for row := range sample.File("-", strings.NewReader(`{"in":1}`)) {
		if string(row) != `{"in":1}` {
			t.Errorf("standard input gave %s", row)
		}
	}
}

func TestShapeIsTheNarrowestTableThatFits(t *testing.T) {
	var s sample.Shape
	rows := []string{
		`{"TimeGenerated [UTC]":"2/4/2021, 11:57:45.162 PM","n":1,"x":1,"ok":true,"when":"2026-01-02T03:04:05Z","mix":1,"deep":{"a":1},"none":null,"TenantId":"t","a.b":"c","a_b":"d","_ResourceId":"/r"}`,
		`{"TimeGenerated [UTC]":"2026-01-02T03:04:05Z","n":-9000000000,"x":1.5,"ok":null,"when":"2026-01-02T03:04:06.5Z","mix":"one","deep":[1],"9lives":"cat","OK":7,"` + strings.Repeat("long", 20) + `":1}`,
	}
	for _, row := range rows {
		if err := s.Add([]byte(row)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range s.Columns() {
		got = append(got, c.Name+":"+c.Type.String())
	}
	want := []string{"TimeGenerated:datetime", "n:long", "x:real", "ok:bool", "when:datetime", "mix:dynamic", "deep:dynamic", "none:string",
		"TenantId_s:string", "a_b:string", "a_b_2:string", "SourceResourceId:string", "lives:string", "OK_2:long", "longlonglonglonglonglonglonglonglonglonglo:long"}
	if !slices.Equal(got, want) {
		t.Errorf("columns\n%v, want\n%v", got, want)
	}
	fit, err := s.Fit([]byte(rows[0]))
	if err != nil || !strings.HasPrefix(string(fit), `{"n":1,`) || !strings.Contains(string(fit), `"TenantId_s":"t","a_b":"c","a_b_2":"d","SourceResourceId":"/r"}`) {
		t.Errorf("row %s, %v", fit, err)
	}
	if fit, _ := s.Fit([]byte(rows[1])); !strings.HasPrefix(string(fit), `{"TimeGenerated":"2026-01-02T03:04:05Z"`) {
		t.Errorf("row %s", fit)
	}
	for _, bad := range []string{`[]`, `7`, `{"a":`, ``} {
		if err := s.Add([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a row", bad)
		}
	}
	var empty sample.Shape
	if c := empty.Columns(); len(c) != 1 || c[0].Name != schema.TimeGenerated {
		t.Errorf("columns of nothing: %v", c)
	}
}
