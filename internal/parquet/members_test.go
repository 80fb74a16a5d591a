package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
)

// objects are records of n rows with the text that row makes of a row's number; nulls
// where it is empty.
func objects(t testing.TB, n int, row func(i int) string) []arrow.RecordBatch {
	sc, err := batch.Schema([]schema.Column{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "P", Type: schema.Dynamic}})
	if err != nil {
		t.Fatal(err)
	}
	var recs []arrow.RecordBatch
	for at := 0; at < n; {
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		for end := min(at+700, n); at < end; at++ {
			b.Field(0).(*array.Int64Builder).Append(int64(at))
			if text := row(at); text != "" {
				b.Field(1).(*array.StringBuilder).Append(text)
			} else {
				b.Field(1).AppendNull()
			}
		}
		recs = append(recs, b.NewRecordBatch())
	}
	return recs
}

// withMembers writes two row groups, with those members whose values all fit: found on
// the way, or read beforehand. stored reports whether the objects are stored by templates.
func withMembers(t testing.TB, recs []arrow.RecordBatch, members []batch.Member, onTheWay bool) (file []byte, kept []string, stored bool) {
	refs, err := batch.ByTime(recs)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, recs[0].Schema(), Options{Compress: true, Dictionary: true, Sorted: schema.TimeGenerated, Pages: true, Templates: true})
	if err != nil {
		t.Fatal(err)
	}
	half := len(refs) / 2 / Stripe * Stripe
	groups := []*Group{w.Begin(recs, refs[:half]), w.Begin(recs, refs[half:])}
	further := make([][]Further, len(groups))
	var carriers []schema.Column
	if onTheWay {
		var made [][]*Made
		stored = true
		for _, g := range groups {
			cells, is, err := g.Members(1, members)
			if err != nil {
				t.Fatal(err)
			}
			stored = stored && is
			made = append(made, cells)
		}
		for i, m := range members {
			if made[0] == nil || made[1] == nil || !made[0][i].Fits || !made[1][i].Fits {
				continue
			}
			carriers, kept = append(carriers, m.Carrier()), append(kept, m.Key)
			for g := range groups {
				further[g] = append(further[g], Further{Made: made[g][i]})
			}
		}
	} else {
		fit, arrays, err := batch.Extract(members, recs, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range fit {
			carriers, kept = append(carriers, m.Carrier()), append(kept, m.Key)
			for g := range groups {
				further[g] = append(further[g], Further{Arrays: arrays[i]})
			}
		}
	}
	err = w.Extend(carriers)
	for i, g := range groups {
		err = errors.Join(err, g.End(further[i]...))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), kept, stored
}

func member(key string, t schema.Type) batch.Member {
	return batch.Member{Column: "P", Key: key, Type: t}
}

// Members that are found by the holes of templates are those that reading finds, and
// the file is the same, byte for byte.
func TestMembersOfTemplates(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 1))
	hex := func() string { // which ends a text of the object, and is long enough that templates pay
		return fmt.Sprintf(`%016x","at":{"line":%d,"file":"f%d.go","took":"%dms","by":[%d,%d]},"to":"%d`, r.Uint64(), r.IntN(900), r.IntN(90), r.IntN(1e4), r.IntN(9), r.IntN(99), r.IntN(1e6))
	}
	app := []batch.Member{member("app", schema.String), member("ms", schema.Long), member("ok", schema.Bool), member("tenant", schema.String)}
	for name, c := range map[string]struct {
		row     func(i int) string
		members []batch.Member
		want    string
		read    bool // not stored by templates: there are no members on the way
	}{
		"as services write them": {row: func(i int) string {
			s := fmt.Sprintf(`{"app":"%s","ms":%d,"id":"%s"`, []string{"kubelet", "sshd", "v1-api"}[r.IntN(3)], r.IntN(5000), hex())
			if i%3 > 0 {
				s += fmt.Sprintf(`,"ok":%t,"tenant":"tenant-%d"`, i%2 == 0, r.IntN(40))
			}
			return s + `,"tags":["prod","tier2"]}`
		}, want: "[app ms ok tenant]"},
		"in any order, and null": {row: func(i int) string {
			return []string{"", "null", "[1,2]", `{}`, `{"ok":null,"app":null}`, `{"ms":-5,"id":"` + hex() + `"}`,
				fmt.Sprintf(`{"ok":true,"id":"%s","app":"a%db"}`, hex(), i%7), fmt.Sprintf(`{"id":"%s","tenant":"","ms":%d}`, hex(), i)}[min(r.IntN(20), 5+i%3)]
		}, want: "[app ms ok tenant]"},
		"the first of a name": {row: func(int) string {
			return fmt.Sprintf(`{"ms":%d,"ms":"x","id":"%s","ok":null,"ok":1}`, r.IntN(9), hex())
		}, want: "[app ms ok tenant]"},
		"keys that vary": {row: func(i int) string {
			return fmt.Sprintf(`{"a%d":%d,"id":"%s"}`, 1+r.IntN(3), r.IntN(1000), hex())
		}, members: []batch.Member{member("a1", schema.Long), member("a3", schema.Long)}, want: "[a1 a3]"},
		"one value too long":   {row: func(i int) string { return fmt.Sprintf(`{"ms":%d,"id":"%s"}`, 1+i/4999*1e18, hex()) }, want: "[app ok tenant]"},
		"one zero with a sign": {row: func(i int) string { return fmt.Sprintf(`{"ms":-%d,"id":"%s"}`, (i-77)*(i-77), hex()) }, want: "[app ok tenant]"},
		"a fraction and a text": {row: func(i int) string {
			return fmt.Sprintf(`{"ms":%s,"ok":true,"tenant":%s,"id":"%s"}`, []string{"12", "1.5", "1e5"}[i%3], []string{`"a1"`, `"a\n1"`}[i%2], hex())
		}, want: "[app ok]"},
		"a list, and an object":     {row: func(i int) string { return fmt.Sprintf(`{"ms":[%d],"ok":{"ms":1},"app":{},"id":"%s"}`, i%9, hex()) }, want: "[tenant]"},
		"a bool in words":           {row: func(i int) string { return fmt.Sprintf(`{"ok":"true","ms":true,"id":"%s"}`, hex()) }, want: "[app tenant]"},
		"a key spelt in an odd way": {row: func(i int) string { return fmt.Sprintf(`{"ms":%d,"\u0061pp":"x","id":"%s"}`, i%9, hex()) }, want: "[]"},
		"texts that differ":         {row: func(i int) string { return fmt.Sprintf(`{"app":"x%d","tenant":"%s"}`, i, hex()) }, want: "[app ms ok tenant]"},
		"beyond ASCII":              {row: func(i int) string { return fmt.Sprintf(`{"app":"größe %d","id":"%s"}`, i%9, hex()) }, want: "[app ms ok tenant]"},
		"few texts":                 {row: func(i int) string { return fmt.Sprintf(`{"app":"x","ms":%d}`, i%9) }, want: "[app ms ok tenant]", read: true},
		"a text too long": {row: func(i int) string {
			return fmt.Sprintf(`{"id":"%s","app":"%s","ms":%d}`, hex(), bytes.Repeat([]byte("ab "), i/4999*2000), i%100)
		}, want: "[app ms ok tenant]"},
	} {
		if c.members == nil {
			c.members = app
		}
		var rows []string
		for i := range 5000 {
			rows = append(rows, c.row(i))
		}
		recs := objects(t, len(rows), func(i int) string { return rows[i] })
		want, kept, _ := withMembers(t, recs, c.members, false)
		if fmt.Sprint(kept) != c.want {
			t.Errorf("%s: members %v, want %v", name, kept, c.want)
		}
		got, found, stored := withMembers(t, recs, c.members, true)
		if stored == c.read {
			t.Errorf("%s: stored by templates: %t", name, stored)
			continue
		}
		if !c.read && (!slices.Equal(found, kept) || !bytes.Equal(got, want)) {
			t.Errorf("%s: members %v, want %v; the same bytes: %t", name, found, kept, bytes.Equal(got, want))
		}
	}
}

// FuzzMembers holds what holes tell of objects to what reading them does.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{"a":"x1","b":17,"c":true,"id":"0123456789abcdef"}`, `{"a1":"x","b":1e5,"a":null}`, `{"b":"\u00e9","c":-0,"b":5}`,
		`{"c":[{"a":"}"}],"a":"\\","b":12345678901234567890}`, `{"b":{"b":1},"c":false,"a":"ab12cd-x7k2p"}`, `[1,"a"]`,
	} {
		f.Add([]byte(seed), []byte(`{"a":"y22","b":-3,"c":false,"id":"fedcba9876543210"}`), uint64(1))
	}
	members := []batch.Member{member("a", schema.String), member("b", schema.Long), member("c", schema.Bool)}
	f.Fuzz(func(t *testing.T, one, other []byte, seed uint64) {
		var texts [2]bytes.Buffer
		for i, b := range [][]byte{one, other} {
			if len(b) > 1000 || !json.Valid(b) || json.Compact(&texts[i], b) != nil {
				return
			}
		}
		r := rand.New(rand.NewPCG(seed, 2))
		// Digits and hex digits are others in each row, as long as it stays JSON.
		vary := func(b []byte) string {
			b = bytes.Clone(b)
			for i, c := range b {
				if escaped := i > 0 && b[i-1] == '\\'; !escaped && c >= '1' && c <= '9' {
					b[i] = '1' + byte(r.IntN(9))
				}
			}
			return string(b)
		}
		recs := objects(t, 2*Stripe+100, func(i int) string { return vary(texts[r.IntN(2)].Bytes()) })
		got, found, stored := withMembers(t, recs, members, true)
		if !stored {
			return
		}
		want, kept, _ := withMembers(t, recs, members, false)
		if !slices.Equal(found, kept) || !bytes.Equal(got, want) {
			t.Fatalf("members %v, want %v; the same bytes: %t", found, kept, bytes.Equal(got, want))
		}
	})
}
