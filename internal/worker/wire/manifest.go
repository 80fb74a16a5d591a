package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"logkeep/internal/schema"
)

// A Manifest is the state of an account's segments as the catalog has it.
//
// An account may have 100,000 segments, and a worker serves nobody before it has
// read them all. So they travel packed: what segments of one table have in
// common once, and of each segment its id and its numbers as varints:
//
//	segment = length id table generation rows bytes minTime maxTime created
//
// table is an index, created are nanoseconds since 1970.
type Manifest struct {
	Seq    uint64          `json:"seq"`
	Floor  uint64          `json:"floor"`
	MAC    []byte          `json:"mac,omitempty"`
	Tables []ManifestTable `json:"tables,omitempty"`
	Packed []byte          `json:"segments,omitempty"`

	// Aside are segments whose objects are gone or can't be used; the next change
	// of the manifest removes them.
	Aside []schema.SegmentID `json:"aside,omitempty"`

	// Since, if it is not 0, says that the segments are those added since that change,
	// and Removed those that went.
	Since   uint64             `json:"since,omitempty"`
	Removed []schema.SegmentID `json:"removed,omitempty"`

	known map[tableName][]int // where in Tables a table's sets of columns are
}

// ManifestOf asks for an account's manifest, or for its difference to the one that
// the asker has, if Since is its number: the whole may be the answer all the same.
type ManifestOf struct {
	Account schema.AccountID `json:"account"`
	Since   uint64           `json:"since,omitempty"`
}

// A ManifestTable is what many segments have in common.
type ManifestTable struct {
	Workspace schema.WorkspaceID `json:"workspace"`
	Table     schema.TableName   `json:"table"`
	Columns   []schema.Column    `json:"columns"`
}

type tableName struct {
	workspace schema.WorkspaceID
	table     schema.TableName
}

var errManifest = errors.New("a manifest's segments can't be read")

// Add adds a segment.
func (m *Manifest) Add(s Segment) {
	name, of := tableName{s.Workspace, s.Table}, -1
	for _, i := range m.known[name] {
		if slices.Equal(m.Tables[i].Columns, s.Columns) {
			of = i
			break
		}
	}
	if of < 0 {
		if m.known == nil {
			m.known = map[tableName][]int{}
		}
		of = len(m.Tables)
		m.known[name] = append(m.known[name], of)
		m.Tables = append(m.Tables, ManifestTable{s.Workspace, s.Table, s.Columns})
	}
	m.Packed = append(binary.AppendUvarint(m.Packed, uint64(len(s.ID))), s.ID...)
	for _, v := range [...]int64{int64(of), int64(s.Generation), s.Rows, s.Bytes, int64(s.MinTime), int64(s.MaxTime), s.Created.UnixNano()} {
		m.Packed = binary.AppendVarint(m.Packed, v)
	}
}

// Segments returns the segments as they were added. Those of one table share
// their columns, which must not be changed.
func (m Manifest) Segments() ([]Segment, error) {
	const usual = 60 // bytes of one
	all := make([]Segment, 0, len(m.Packed)/usual+1)
	for b := m.Packed; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errManifest
		}
		id := schema.SegmentID(b[n : n+int(size)])
		b = b[n+int(size):]
		var v [7]int64
		for i := range v {
			if v[i], n = binary.Varint(b); n <= 0 {
				return nil, errManifest
			}
			b = b[n:]
		}
		if v[0] < 0 || v[0] >= int64(len(m.Tables)) || v[1] < 0 || v[1] > math.MaxUint32 {
			return nil, errManifest
		}
		t := &m.Tables[v[0]]
		all = append(all, Segment{
			ID: id, Workspace: t.Workspace, Table: t.Table, Columns: t.Columns, Generation: uint32(v[1]), Rows: v[2], Bytes: v[3],
			MinTime: schema.Ticks(v[4]), MaxTime: schema.Ticks(v[5]), Created: time.Unix(0, v[6]).UTC(),
		})
	}
	return all, nil
}
