package transform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/kql/transform"
	"logkeep/internal/schema"
)

func columns(t *testing.T, text string) (out []schema.Column) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		name, is, _ := strings.Cut(word, ":")
		typ, err := schema.ParseType(is)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, schema.Column{Name: name, Type: typ})
	}
	return out
}

// The first line of a case's input is the stream, the rest the text.
func TestWhatATransformationMayBe(t *testing.T) {
	datadriven.RunTest(t, "testdata/transform", func(t *testing.T, d *datadriven.TestData) string {
		stream, text, _ := strings.Cut(d.Input, "\n")
		c, err := transform.Compile(text, columns(t, stream), 0)
		if err != nil {
			if _, ok := errors.AsType[*transform.Error](err); !ok {
				t.Fatal(err)
			}
			return err.Error() + "\n"
		}
		var b strings.Builder
		for _, c := range c.Columns {
			fmt.Fprintf(&b, "%s:%s ", c.Name, c.Type)
		}
		if c.Timed {
			b.WriteString("(of its time)")
		}
		return strings.TrimSpace(b.String()) + "\n"
	})
}

func TestColumnsFitTheirTable(t *testing.T) {
	table := columns(t, "TimeGenerated:datetime I:int L:long R:real S:string G:guid D:dynamic B:bool")
	if wrong := transform.Fit(columns(t, "TimeGenerated:datetime L:int R:long G:string S:guid Other:int"), table); wrong != nil {
		t.Errorf("%v", wrong)
	}
	wrong := transform.Fit(columns(t, "TimeGenerated:string I:long D:string S:dynamic B:bool"), table)
	if want := "[{TimeGenerated string datetime} {I long int} {S dynamic string} {D string dynamic}]"; fmt.Sprint(wrong) != want {
		t.Errorf("got  %v\nwant %s", wrong, want)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("source | where A > 1 | extend b = tostring(D.x), now() | project-away A")
	f.Add("print x = 1")
	f.Add("let f = (a:int) { a + 1 }; source | parse S with 'x' y:int * | project z = f(y)")
	stream := []schema.Column{{Name: "A", Type: schema.Long}, {Name: "S", Type: schema.String}, {Name: "D", Type: schema.Dynamic}}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := transform.Compile(text, stream, 0)
		if _, ok := errors.AsType[*transform.Error](err); err != nil && !ok {
			t.Fatalf("%v is no mistake of the text", err)
		}
		if err == nil && slices.ContainsFunc(c.Columns, func(c schema.Column) bool { return c.Type == schema.Invalid }) {
			t.Fatalf("%v", c.Columns)
		}
	})
}

// TestTheDocumentedListCompiles runs over the machine-readable list of what
// transformations support, if it is there.
func TestTheDocumentedListCompiles(t *testing.T) {
	shared := os.Getenv("LOGKEEP_SHARED")
	if shared == "" {
		shared = "../../../../shared"
	}
	raw, err := os.ReadFile(shared + "/kql/azure_monitor_profile.json")
	if err != nil {
		t.Skipf("no reference folder, see LOGKEEP_SHARED: %v", err)
	}
	type entry struct{ Name, Probe string }
	var list struct {
		Tabular   []entry            `json:"tabular_operators"`
		Operators []entry            `json:"string_operators"`
		Functions map[string][]entry `json:"scalar_functions"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	// Probes are spelled as queries are; here the documentation's spelling counts.
	spelling := strings.NewReplacer("base64_encode_tostring", "base64_encodestring", "base64_decode_tostring", "base64_decodestring", "replace_regex", "replace", "week_of_year", "weekofyear",
		"floor(4.5)", "floor(4.5, 1)", // it is bin's other name and wants a size
		"dynamic([1])", "parse_json('[1]')", "dynamic([1,2])", "parse_json('[1,2]')", "dynamic([2])", "parse_json('[2]')", "dynamic([3,4])", "parse_json('[3,4]')")
	all := slices.Concat(list.Tabular, list.Operators)
	for _, group := range list.Functions {
		all = append(all, group...)
	}
	for _, e := range all {
		_, err := transform.Compile(spelling.Replace(e.Probe), nil, 1)
		if (err != nil) != (e.Name == "geo_location") {
			t.Errorf("%s: %s: %v", e.Name, e.Probe, err)
		}
	}
}
