package journal

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"logkeep/internal/schema"
)

// groupBytes is a group as it is sealed.
func groupBytes(group []*request) []byte {
	heads := groupOverhead
	for _, r := range group {
		heads += headSize(r.entries)
	}
	return bytes.Join(groupParts(nil, make([]byte, 0, heads), group), nil)
}

func TestGroupRoundTrip(t *testing.T) {
	entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
		e := Entry{
			Workspace: schema.WorkspaceID(rapid.String().Draw(t, "workspace")),
			Table:     schema.TableName(rapid.String().Draw(t, "table")),
			Payload:   rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		copy(e.Batch[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "batch"))
		return e
	}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		var group []*request
		var want [][]Entry
		inParts := rapid.Bool().Draw(t, "parts")
		size := groupOverhead
		for _, unit := range rapid.SliceOfN(entries, 1, 5).Draw(t, "units") {
			want = append(want, unit)
			if inParts {
				unit = slices.Clone(unit)
				for i, e := range unit {
					cut := len(e.Payload) / 3
					unit[i].Payload, unit[i].Parts = nil, [][]byte{e.Payload[:cut], nil, e.Payload[cut:]}
				}
			}
			group = append(group, &request{entries: unit})
			size += unitSize(unit)
		}
		b := groupBytes(group)
		if len(b) != size {
			t.Fatalf("%d bytes, %d were foreseen", len(b), size)
		}
		got, err := parseGroup(b)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("read %v, %v, want %v", got, err, want)
		}
		for n := range b {
			if _, err := parseGroup(b[:n]); err == nil {
				t.Fatalf("read a group cut at %d of %d", n, len(b))
			}
		}
	})
}

func FuzzParseGroup(f *testing.F) {
	f.Add(groupBytes([]*request{{entries: []Entry{{Workspace: "w", Table: "t", Payload: []byte("p")}}}}))
	f.Add([]byte{1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		units, err := parseGroup(b)
		if err != nil {
			return
		}
		var group []*request
		for _, u := range units {
			group = append(group, &request{entries: u})
		}
		if !bytes.Equal(groupBytes(group), b) {
			t.Fatal("reads as what would be written otherwise")
		}
	})
}
