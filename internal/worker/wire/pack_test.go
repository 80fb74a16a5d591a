package wire

import (
	"bytes"
	"io"
	"reflect"
	"testing"

	"logkeep/internal/schema"
)

func TestOpenTravelsAsItIs(t *testing.T) {
	var many, none Manifest
	for _, s := range segments(300) {
		many.Add(s)
	}
	many.Seq, many.Aside = 9, []schema.SegmentID{"x"}
	want := Open{Accounts: []Account{{ID: "a", Manifest: many}, {ID: "b", Manifest: none}, {ID: "c", Manifest: many}}, Expect: []schema.AccountID{"e"}}
	parts, err := want.Parts()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Accounts[0].Manifest.Packed, many.Packed) {
		t.Error("it was changed by sending it")
	}
	body := bytes.Join(parts, nil)
	got, err := ReadOpen(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Accounts {
		g, w := got.Accounts[i], want.Accounts[i]
		if g.ID != w.ID || g.Manifest.Seq != w.Manifest.Seq || !reflect.DeepEqual(g.Manifest.Tables, w.Manifest.Tables) || !bytes.Equal(g.Manifest.Packed, w.Manifest.Packed) {
			t.Errorf("account %s came as %s, %d bytes", w.ID, g.ID, len(g.Manifest.Packed))
		}
	}
	if !reflect.DeepEqual(got.Expect, want.Expect) {
		t.Error(got.Expect)
	}
	for _, n := range []int{0, 1, len(parts[0]) - 1, len(parts[0]), len(body) - 1} {
		if _, err := ReadOpen(bytes.NewReader(body[:n])); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(body))
		}
	}
}

func TestAManifestTravelsAsItIs(t *testing.T) {
	for _, n := range []int{0, 300} {
		want := Manifest{Seq: 4, Since: 2, Removed: []schema.SegmentID{"gone"}}
		for _, s := range segments(n) {
			want.Add(s)
		}
		parts, err := want.Parts()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadManifest(bytes.NewReader(bytes.Join(parts, nil)))
		if err != nil || got.Since != 2 || !reflect.DeepEqual(got.Removed, want.Removed) || !bytes.Equal(got.Packed, want.Packed) || got.Behind != 0 {
			t.Errorf("%d segments: %v", n, err)
		}
	}
}

// A manifest that goes on being added to knows its tables after it was packed.
func TestAPackIsAddedTo(t *testing.T) {
	all := segments(120)
	var m Manifest
	for _, s := range all[:60] {
		m.Add(s)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Unpack(b); err != nil {
		t.Fatal(err)
	}
	if m, _, err = m.Without(map[schema.SegmentID]bool{all[7].ID: true}); err != nil {
		t.Fatal(err)
	}
	tables := len(m.Tables)
	for _, s := range all[60:] {
		m.Add(s)
	}
	m.Add(all[7])
	got, err := m.Segments()
	if want := append(append(append([]Segment{}, all[:7]...), all[8:]...), all[7]); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d segments, %v", len(got), err)
	}
	for i, x := range m.Tables {
		for _, y := range m.Tables[:i] {
			if reflect.DeepEqual(x, y) {
				t.Fatalf("%d tables, of which two are the same; %d before", len(m.Tables), tables)
			}
		}
	}
}

// Whatever a catalog or a keeper says, it is read or refused.
func FuzzUnpack(f *testing.F) {
	var m Manifest
	for _, s := range segments(5) {
		m.Add(s)
	}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	parts, err := m.Parts()
	if err != nil {
		f.Fatal(err)
	}
	open, err := Open{Accounts: []Account{{ID: "a", Manifest: m}}}.Parts()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[packHeader:])
	f.Add(bytes.Join(parts, nil))
	f.Add(bytes.Join(open, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		ReadOpen(bytes.NewReader(b))
		if m, err := ReadManifest(io.LimitReader(bytes.NewReader(b), 1<<20)); err == nil {
			m.Segments()
		}
		whole := append([]byte("LKM\x01\x00\x00\x00\x00\x00\x00\x00\x00"), b...)
		if len(b) >= 4 {
			copy(whole[8:12], b) // the size of the tables
		}
		sum := packSum(whole[packHeader-4:])
		whole[4], whole[5], whole[6], whole[7] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		m, err := Unpack(whole)
		if err != nil {
			return
		}
		all, err := m.Segments()
		if err != nil {
			return
		}
		var again Manifest
		for _, s := range all {
			again.Add(s)
		}
		if same, err := again.Segments(); err != nil || !reflect.DeepEqual(same, all) {
			t.Errorf("%d segments, then %d: %v", len(all), len(same), err)
		}
	})
}
