package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"logkeep/internal/schema"
)

func segments(n int) (all []Segment) {
	sets := [][]schema.Column{
		{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "A", Type: schema.String}},
		{{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "A", Type: schema.String}, {Name: "B", Type: schema.Long}},
	}
	for i := range n {
		all = append(all, Segment{
			ID: schema.SegmentID(fmt.Sprintf("%032x", i)), Workspace: schema.WorkspaceID(fmt.Sprint("w", i%3)), Table: schema.TableName(fmt.Sprint("T", i%50)),
			Generation: uint32(i % 2), Rows: int64(i), Bytes: int64(2 * i), MinTime: schema.Ticks(i) << 40, MaxTime: schema.Ticks(i)<<40 + 5,
			Columns: sets[i/100%2], Created: time.Date(2026, 1, 2, 3, 4, 5, i, time.UTC),
		})
	}
	return all
}

func carried(t testing.TB, given []Segment) Manifest {
	m := Manifest{Seq: 7, Floor: 9, MAC: []byte{1, 2, 3}}
	for _, s := range given {
		m.Add(s)
	}
	text, err := json.Marshal(Account{ID: "a", Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	var got Account
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got.Manifest
}

func TestManifestsComeBackAsTheyWere(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		want := segments(n)
		m := carried(t, want)
		got, err := m.Segments()
		if err != nil || len(got) != n || n > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%d segments came back as %d, %v", n, len(got), err)
		}
		if m.Seq != 7 || m.Floor != 9 || !bytes.Equal(m.MAC, []byte{1, 2, 3}) || len(m.Tables) > 300 {
			t.Errorf("%+v", m)
		}
	}
}

func TestBrokenManifestsAreRefused(t *testing.T) {
	for name, change := range map[string]func(m *Manifest){
		"cut":                  func(m *Manifest) { m.Packed = m.Packed[:len(m.Packed)-1] },
		"a byte more":          func(m *Manifest) { m.Packed = append(m.Packed, 0) },
		"no table":             func(m *Manifest) { m.Tables = nil },
		"a negative table":     func(m *Manifest) { m.Packed[33] = 1 },
		"an id too long":       func(m *Manifest) { m.Packed = binary.AppendUvarint(nil, 1<<63) },
		"a number too long":    func(m *Manifest) { m.Packed = append(m.Packed[:33], bytes.Repeat([]byte{0xff}, 20)...) },
		"a generation too big": func(m *Manifest) { m.Packed = binary.AppendVarint(m.Packed[:34], 1<<32) },
	} {
		m := carried(t, segments(3))
		change(&m)
		if _, err := m.Segments(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// BenchmarkManifest carries 100,000 segments from the keeper to a worker.
func BenchmarkManifest(b *testing.B) {
	given := segments(100_000)
	for b.Loop() {
		if got, err := carried(b, given).Segments(); err != nil || len(got) != len(given) {
			b.Fatal(err)
		}
	}
}
