// Package segment holds tables' rows at rest: immutable Parquet files inside
// sealed objects, and what of them a query needs, decrypted in memory.
//
// # Object
//
//	object = seal(Parquet file)      kind "segment", object = the segment's id
//
// The rows are of one table with one set of columns and are sorted by
// TimeGenerated. A row group has at most 128 Ki rows. Pages are compressed with
// zstd; times are packed as differences; text is dictionary-coded where it
// repeats, or stored by templates (package template) where that is smaller. Column types that Parquet does not know stand in the footer's
// key-value pair "logkeep.columns", as JSON. Keys of dynamic columns that are hot
// among the rows have typed columns of their own beside them, which a query may
// read in place of the whole: "logkeep.members". docs/format/segment.md has it all.
//
// # Image
//
// An engine reads files. An Image is an unnamed file in memory that looks like
// the segment's Parquet file, but holds one row group only and of it only the
// column chunks that queries asked for, at their old offsets; holes cost
// nothing. Its footer lists what is there, so an engine can't read a hole.
//
//	PAR1 [hole] chunk [hole] chunk … [hole] footer n … footer 1 footer 0 distance PAR1
//	                                        ^─────────────── distance ──────────────^
//
// Columns that are asked for later are added while other queries read: a new
// footer is written before the older ones, then the four bytes of the distance
// are replaced in one write. The size never changes. Who opened the file
// earlier goes on with the footer it has read; all that it lists is still there.
// What lies behind a footer is not part of it: readers stop at its end.
//
// Texts that are stored by templates, which an engine can't read, lie in an image as
// plain pages, behind all chunks of the segment: as they are, or packed if they would
// take too much of the memory.
//
// A Cache keeps images within a bound, pinned while a query uses them. Images
// are never written to a disk; they end with the process, whatever happens.
//
// # Sieve
//
// Of a row group of which few rows are wanted these alone are read, page by page,
// and handed over in a file in memory with those of other row groups: Cache.Sift.
// It knows which by the texts that a filter looks for, by times, and by the stripes
// that have its terms. docs/design/0046 has the reasons.
package segment

import (
	"encoding/json"
	"fmt"

	"logkeep/internal/batch"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// These numbers and names are on disk.
const (
	kind       = "segment"
	columnsKey = "logkeep.columns"
	wovenKey   = "logkeep.columns.templates" // in place of columnsKey, of a segment with texts stored by templates
	membersKey = "logkeep.members"

	// GroupRows is the most rows that a row group has: large enough that
	// columns compress, small enough that a time range skips most of a segment.
	GroupRows = 128 << 10
)

// Info is what a manifest says of a segment.
type Info struct {
	ID         schema.SegmentID   `json:"id"`
	Account    schema.AccountID   `json:"account"`
	Workspace  schema.WorkspaceID `json:"workspace"`
	Table      schema.TableName   `json:"table"`
	Generation uint32             `json:"generation"` // of the account's key
	Rows       int64              `json:"rows"`
	Bytes      int64              `json:"bytes"` // sealed
	MinTime    schema.Ticks       `json:"minTime"`
	MaxTime    schema.Ticks       `json:"maxTime"`
	Columns    []schema.Column    `json:"columns"`
	Created    schema.Ticks       `json:"created"`
}

// A Group is a row group: the unit that is skipped or decrypted.
type Group struct {
	Rows             int64
	MinTime, MaxTime schema.Ticks
}

// Overlaps reports whether [first, last] has a time in common with [from, to].
// A bound of 0 is open.
func Overlaps(first, last, from, to schema.Ticks) bool {
	return last >= from && (to == 0 || first <= to)
}

// place binds a segment to its account's place, its table and its id.
func place(account seal.Place, workspace schema.WorkspaceID, table schema.TableName, id schema.SegmentID) seal.Place {
	account.Workspace, account.Table, account.Kind, account.Object = workspace, table, kind, string(id)
	return account
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decodeColumns(text string) ([]schema.Column, error) {
	columns, err := decodeList(text, []string{"name", "type"}, func(v []string) (schema.Column, error) {
		t, err := schema.ParseType(v[1])
		return schema.Column{Name: v[0], Type: t}, err
	})
	if err != nil {
		return nil, fmt.Errorf("columns in the footer: %w", err)
	}
	return columns, nil
}

func decodeMembers(text string) ([]batch.Member, error) {
	members, err := decodeList(text, []string{"column", "key", "type"}, func(v []string) (batch.Member, error) {
		t, err := schema.ParseType(v[2])
		return batch.Member{Column: v[0], Key: v[1], Type: t}, err
	})
	if err != nil {
		return nil, fmt.Errorf("members in the footer: %w", err)
	}
	return members, nil
}
