package batch

import (
	"bytes"
	"strings"
	"testing"
)

const sample = `[
{"TimeGenerated":"2026-01-02T03:04:05.678Z","bool":true,"int":1,"long":2,"real":1.5,"decimal":"1.50","string":"añb","datetime":"2026-01-02T03:04:05Z","timespan":"00:00:01","guid":"6F9619FF-8B86-D011-B42D-00CF4FC964FF","dynamic":{"a":[1,2]}},
{"string":"only"},
{"bool":false,"real":"NaN"}]`

func TestEncodedRowsDecode(t *testing.T) {
	for _, rows := range []string{sample, "[]", "[{}]"} {
		p, err := Parse(strings.NewReader(rows), every(), ticks(t, noon))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Encode(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := show(back), show(p.Record); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if _, err := Decode(append(b, b...)); err != nil {
			t.Errorf("bytes after the end mark belong to somebody else: %v", err)
		}
	}
}

// In parts or as a whole, rows are encoded as the same bytes, and cells are not copied.
func TestPartsAreTheWhole(t *testing.T) {
	body, tab := logs(t, 5000)
	for _, rows := range []string{"[]", "[{}]", string(body)} {
		p, err := Parse(strings.NewReader(rows), tab, ticks(t, noon))
		if err != nil {
			t.Fatal(err)
		}
		want, err := Encode(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		b := bytes.NewBufferString("before")
		parts, err := Encoded(b, p.Record)
		if err != nil || !bytes.Equal(bytes.Join(parts, nil), want) {
			t.Fatalf("%d parts are not the whole, %v", len(parts), err)
		}
		if b.Len() > 16<<10 {
			t.Errorf("%d bytes were copied of %d", b.Len(), len(want))
		}
	}
}

func TestCutStreamsAreRefused(t *testing.T) {
	p, err := Parse(strings.NewReader(sample), every(), 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(p.Record)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(b) - 8 { // the last eight bytes are the end mark
		if _, err := Decode(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(b))
		}
	}
}

// Whatever the bytes, Decode returns an error or a record whose every cell
// can be read.
func FuzzDecode(f *testing.F) {
	for _, rows := range []string{sample, "[]", `[{"string":"x"}]`} {
		p, err := Parse(strings.NewReader(rows), every(), ticks(f, noon))
		if err != nil {
			f.Fatal(err)
		}
		b, err := Encode(p.Record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := Decode(b)
		if err != nil {
			return
		}
		show(rec)
		again, err := Encode(rec)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(again); err != nil || show(back) != show(rec) {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
	})
}

// Whatever the bytes, Parse returns an error or one cell for each row and column.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add(`{"decimal":-0012.3400e-2}{"guid":"{6F9619FF8B86D011B42D00CF4FC964FF}"}`)
	f.Add(`[{"dynamic":"\u00e9\\"} , {"long":1e3,"long2":[{}]}]`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(strings.NewReader(s), every(), 0)
		if err != nil {
			return
		}
		b, err := Encode(p.Record)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(b); err != nil || show(back) != show(p.Record) {
			t.Fatalf("what was parsed does not decode: %v", err)
		}
	})
}
