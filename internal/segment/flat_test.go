package segment

import (
	"encoding/json"
	"reflect"
	"testing"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// FuzzFlat holds what is read of lists in footers equal to what package json reads.
func FuzzFlat(f *testing.F) {
	for _, text := range []string{
		`[{"name":"Level","type":"string"},{"name":"Zähler","type":"long"}]`,
		`[{"name":"a","type":"string"},{"name":"b\"","type":"datetime"}]`,
		`[{"name":"a","type":"string"}] `, `[{"name":"a","type":"nothing"}]`, `[{"type":"int","name":"a"}]`,
		`[{"column":"Props","key":"app","type":"string"},{"column":"Props","key":"n","type":"long"}]`,
		`[]`, `[`, `[{"name":"a","type":"int"},]`, `[{"name":"a","type":"int","type":"long"}]`, `null`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var columns []schema.Column
		wrong := json.Unmarshal([]byte(text), &columns)
		if got, err := decodeColumns(text); (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, columns) {
			t.Fatalf("columns %v, %v; want %v, %v", got, err, columns, wrong)
		}
		var members []batch.Member
		wrong = json.Unmarshal([]byte(text), &members)
		if got, err := decodeMembers(text); (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, members) {
			t.Fatalf("members %v, %v; want %v, %v", got, err, members, wrong)
		}
	})
}

// TestFlat holds that what a segment is written with takes the short way.
func TestFlat(t *testing.T) {
	text, err := encode([]batch.Member{{Column: "Props", Key: "app", Type: schema.String}, {Column: "Props", Key: "n", Type: schema.Long}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if ok, err := unflatten(text, []string{"column", "key", "type"}, func([]string) error { n++; return nil }); !ok || err != nil || n != 2 {
		t.Fatalf("%d of 2 members of %s, %v, %v", n, text, ok, err)
	}
}
