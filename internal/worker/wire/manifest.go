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
	Behind int             `json:"behind,omitempty"` // so many bytes of Packed follow behind the JSON

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
	if m.known == nil {
		m.known = map[tableName][]int{}
		for i, t := range m.Tables {
			name := tableName{t.Workspace, t.Table}
			m.known[name] = append(m.known[name], i)
		}
	}
	name, of := tableName{s.Workspace, s.Table}, -1
	for _, i := range m.known[name] {
		if slices.Equal(m.Tables[i].Columns, s.Columns) {
			of = i
			break
		}
	}
	if of < 0 {
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
	err := m.each(func(_ []byte, id []byte, v [7]int64) error {
		if v[0] < 0 || v[0] >= int64(len(m.Tables)) || v[1] < 0 || v[1] > math.MaxUint32 {
			return errManifest
		}
		t := &m.Tables[v[0]]
		all = append(all, Segment{
			ID: schema.SegmentID(id), Workspace: t.Workspace, Table: t.Table, Columns: t.Columns, Generation: uint32(v[1]), Rows: v[2], Bytes: v[3],
			MinTime: schema.Ticks(v[4]), MaxTime: schema.Ticks(v[5]), Created: time.Unix(0, v[6]).UTC(),
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Without returns the manifest without some of its segments, and how many it has.
func (m Manifest) Without(gone map[schema.SegmentID]bool) (Manifest, int, error) {
	var packed []byte
	if len(gone) > 0 {
		packed = make([]byte, 0, len(m.Packed))
	}
	n := 0
	err := m.each(func(whole, id []byte, v [7]int64) error {
		if v[0] < 0 || v[0] >= int64(len(m.Tables)) {
			return errManifest
		}
		if len(gone) > 0 {
			if gone[schema.SegmentID(id)] {
				return nil
			}
			packed = append(packed, whole...)
		}
		n++
		return nil
	})
	if len(gone) > 0 {
		m.Packed = packed
	}
	return m, n, err
}

// each calls f with each packed segment, its id and its numbers.
func (m Manifest) each(f func(whole, id []byte, numbers [7]int64) error) error {
	for b := m.Packed; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return errManifest
		}
		id, rest := b[n:n+int(size)], b[n+int(size):]
		var v [7]int64
		for i := range v {
			if v[i], n = binary.Varint(rest); n <= 0 {
				return errManifest
			}
			rest = rest[n:]
		}
		if err := f(b[:len(b)-len(rest)], id, v); err != nil {
			return err
		}
		b = rest
	}
	return nil
}
