// Package schema holds the words for data: names that must not be confused,
// column types, columns and tables. It imports nothing of ours.
package schema

import (
	"fmt"
	"strings"
)

// Identifiers. Each has its own type so that one can't be passed for another.
type (
	TenantID    string // Entra tenant, a lower-case guid
	ClusterID   string // immutable id of a cluster, a lower-case guid; ServiceCluster for none
	WorkspaceID string // customerId of a workspace, a lower-case guid
	AccountID   string // storage account of a key domain: one AEK chain, one journal
	TableName   string // as written when the table was made; compared case-sensitively
	SegmentID   string // 32 lower-case hex digits
)

// ServiceCluster is the ClusterID of accounts that no customer key covers.
const ServiceCluster ClusterID = "service"

// TimeGenerated is the column by which every table is sorted and pruned.
const TimeGenerated = "TimeGenerated"

// A Type is the type of a column in the words of the query language.
type Type uint8

// The column types. The order is part of formats: only append.
const (
	Invalid Type = iota
	Bool
	Int      // 32 bits, signed
	Long     // 64 bits, signed
	Real     // IEEE 754 binary64
	Decimal  // decimal128; carried as canonical text
	String   // UTF-8, never null: absent is ""
	DateTime // Ticks
	TimeSpan // int64 count of 100 ns
	GUID     // lower-case text with hyphens
	Dynamic  // JSON text
)

var typeNames = [...]string{"", "bool", "int", "long", "real", "decimal", "string", "datetime", "timespan", "guid", "dynamic"}

// String returns the query language's name of t.
func (t Type) String() string {
	if int(t) < len(typeNames) && t != Invalid {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

var aliases = map[string]Type{
	"bool": Bool, "boolean": Bool, "int": Int, "int32": Int, "long": Long, "int64": Long,
	"real": Real, "double": Real, "decimal": Decimal, "string": String,
	"datetime": DateTime, "date": DateTime, "timespan": TimeSpan, "time": TimeSpan,
	"guid": GUID, "uuid": GUID, "uniqueid": GUID, "dynamic": Dynamic, "object": Dynamic,
}

// ParseType reads a type name of the query language, of a table's schema or of
// a collection rule, in any case.
func ParseType(name string) (Type, error) {
	if t, ok := aliases[strings.ToLower(name)]; ok {
		return t, nil
	}
	return Invalid, fmt.Errorf("unknown column type %q; use one of bool, int, long, real, decimal, string, datetime, timespan, guid, dynamic", name)
}

// A Column is a name and a type.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// MarshalText writes the type's name.
func (t Type) MarshalText() ([]byte, error) {
	if t == Invalid || int(t) >= len(typeNames) {
		return nil, fmt.Errorf("internal error: invalid column type %d", uint8(t))
	}
	return []byte(typeNames[t]), nil
}

// UnmarshalText reads what MarshalText wrote, and the aliases of ParseType.
func (t *Type) UnmarshalText(b []byte) error {
	v, err := ParseType(string(b))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

// A Table is a name and its columns in order. Column names are unique.
type Table struct {
	Name    TableName `json:"name"`
	Columns []Column  `json:"columns"`
}

// Column finds a column by its exact name.
func (t Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}
