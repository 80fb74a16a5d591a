package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func table(columns ...string) schema.Table {
	t := schema.Table{Name: "T_CL"}
	for _, c := range columns {
		name, is, _ := strings.Cut(c, ":")
		kind, err := schema.ParseType(is)
		if err != nil {
			panic(err)
		}
		t.Columns = append(t.Columns, schema.Column{Name: name, Type: kind})
	}
	return t
}

func shaped(t *testing.T, have schema.Table, body string) (rows, need string) {
	t.Helper()
	s := newShaper(have, "when", "", maxName, now)
	out, err := s.shape([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range s.need {
		if c.Name != schema.TimeGenerated {
			columns = append(columns, c.Name+":"+c.Type.String())
		}
	}
	rows = strings.ReplaceAll(strings.TrimSpace(string(out)), `"TimeGenerated":"`+now.Format(time.RFC3339Nano)+`"`, "AT")
	return rows, strings.Join(columns, " ")
}

func TestPropertiesBecomeColumnsWithASuffix(t *testing.T) {
	const guid = "8145d822-13a7-44ad-859c-36f31a84f6dd"
	for name, c := range map[string]struct {
		have       schema.Table
		body       string
		rows, need string
	}{
		"every type": {body: `[{"s":"a","n":1.5,"b":true,"t":"2026-11-20T10:00:00Z","g":"` + guid + `","o":{"x":[1]},"z":null}]`,
			rows: `{"s_s":"a","n_d":1.5,"b_b":true,"t_t":"2026-11-20T10:00:00Z","g_g":"` + guid + `","o_s":"{\"x\":[1]}",AT}`,
			need: "s_s:string n_d:real b_b:bool t_t:datetime g_g:guid o_s:string"},
		"one object":               {body: `{"a":1}`, rows: `{"a_d":1,AT}`, need: "a_d:real"},
		"texts into what is there": {have: table("n_d:real", "b_b:bool"), body: `[{"n":"12","b":"true"}]`, rows: `{"n_d":12,"b_b":true,AT}`},
		"texts into new columns":   {body: `[{"n":"12","b":"true"}]`, rows: `{"n_s":"12","b_s":"true",AT}`, need: "n_s:string b_s:string"},
		"values into text":         {have: table("n_s:string", "b_s:string", "g_s:string"), body: `[{"n":12,"b":false,"g":"` + guid + `"}]`, rows: `{"n_s":"12","b_s":"false","g_s":"` + guid + `",AT}`},
		"no way to convert":        {have: table("n_d:real"), body: `[{"n":"twelve"},{"n":3}]`, rows: "{\"n_s\":\"twelve\",AT}\n{\"n_d\":3,AT}", need: "n_s:string"},
		"casing":                   {have: table("Name_s:string"), body: `[{"name":"x"}]`, rows: `{"Name_s":"x",AT}`},
		"the same column twice":    {body: `[{"a b":"1x","a-b":"2x"}]`, rows: `{"a_b_s":"1x",AT}`, need: "a_b_s:string"},
		"reserved":                 {body: `[{"tenant":"t","TimeGenerated":"2026-11-20T10:00:00Z","RawData":"r","x":"y"}]`, rows: `{"x_s":"y",AT}`, need: "x_s:string"},
		"no rows":                  {body: `[]`},
		"a time of its own":        {body: `[{"when":"2026-11-20T10:00:00Z"}]`, rows: `{"when_t":"2026-11-20T10:00:00Z","TimeGenerated":"2026-11-20T10:00:00Z"}`, need: "when_t:datetime"},
		"a time that is too old":   {body: `[{"when":"2026-11-18T10:00:00Z"}]`, rows: `{"when_t":"2026-11-18T10:00:00Z",AT}`, need: "when_t:datetime"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, need := shaped(t, c.have, c.body)
			if rows != c.rows || need != c.need {
				t.Errorf("got  %s\n     %s\nwant %s\n     %s", rows, need, c.rows, c.need)
			}
		})
	}
}

func TestALongValueIsCutBetweenCharacters(t *testing.T) {
	rows, _ := shaped(t, schema.Table{}, `{"a":"`+strings.Repeat("é", maxValue)+`"}`)
	var row map[string]string
	if err := json.Unmarshal([]byte(strings.ReplaceAll(rows, "AT", `"t":""`)), &row); err != nil || row["a_s"] != strings.Repeat("é", maxValue/2) {
		t.Errorf("%d bytes, %v", len(row["a_s"]), err)
	}
}

func TestWhatIsNoRowsIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, body := range []string{``, `1`, `"secret"`, `[1]`, `[{"a":1}`, `{"a":secret}`, `{"a":1} {"b":2}`, `[[]]`, `[{"":1}]`, `[{"1a":1}]`, `[{"é":1}]`,
		`[{"` + strings.Repeat("a", 44) + `":1}]`, "{\"a\":\"\xff\"}", `{"a"`} {
		_, err := newShaper(schema.Table{}, "", "", maxName, now).shape([]byte(body))
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code != fault.InvalidDataFormat || strings.Contains(fmt.Sprint(f, f.Cause()), "secret") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

func FuzzShape(f *testing.F) {
	f.Add(`[{"a":1,"b":"2","c":{"d":[true]}}]`, "a")
	f.Fuzz(func(t *testing.T, body, timeField string) {
		out, err := newShaper(table("a_d:real"), timeField, "", maxName, now).shape([]byte(body))
		if err != nil {
			if _, ok := errors.AsType[*fault.Error](err); !ok {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
			var row map[string]any
			if err := d.Decode(&row); err != nil || row["TimeGenerated"] == nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	})
}
