// Package batch turns rows of JSON into typed columns, and columns into bytes
// for the journal and back. It holds the one mapping between column types and
// Arrow types that segments, the journal and the engine share:
//
//	bool             boolean
//	int              int32
//	long             int64
//	real             float64
//	datetime         int64, ticks of 100 ns since 0001-01-01
//	timespan         int64, ticks of 100 ns
//	string           utf8, never null: absent is ""
//	decimal  guid    utf8, canonical text
//	dynamic          utf8, JSON text without blanks between tokens
//
// A field's metadata carries the column type's name, because three of them are
// the same int64 and four the same utf8: a record can always be told back to
// the columns of its table. TimeGenerated is never null either.
//
// Rows come as a JSON array of objects, as one object, or as objects one after
// another (NDJSON). They are read once, without keeping a row and without
// allocating for a cell. Parse either takes all rows or none.
package batch

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

// typeKey names the column type in a field's metadata. It is on disk.
const typeKey = "logkeep.type"

// Physical returns the Arrow type that carries t.
func Physical(t schema.Type) (arrow.DataType, error) {
	switch t {
	case schema.Bool:
		return arrow.FixedWidthTypes.Boolean, nil
	case schema.Int:
		return arrow.PrimitiveTypes.Int32, nil
	case schema.Long, schema.DateTime, schema.TimeSpan:
		return arrow.PrimitiveTypes.Int64, nil
	case schema.Real:
		return arrow.PrimitiveTypes.Float64, nil
	case schema.String, schema.Decimal, schema.GUID, schema.Dynamic:
		return arrow.BinaryTypes.String, nil
	}
	return nil, fmt.Errorf("internal error: no Arrow type for column type %d", uint8(t))
}

// Nullable reports whether a cell of the column may be null.
func Nullable(c schema.Column) bool {
	return c.Type != schema.String && !isTime(c)
}

// isTime tells the column that every stored row has a time in.
func isTime(c schema.Column) bool { return c.Name == schema.TimeGenerated && c.Type == schema.DateTime }

// Schema returns the Arrow schema of columns.
func Schema(columns []schema.Column) (*arrow.Schema, error) {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		t, err := Physical(c.Type)
		if err != nil {
			return nil, err
		}
		fields[i] = arrow.Field{
			Name: c.Name, Type: t, Nullable: Nullable(c),
			Metadata: arrow.NewMetadata([]string{typeKey}, []string{c.Type.String()}),
		}
	}
	return arrow.NewSchema(fields, nil), nil
}

// Columns tells the columns of a schema that Schema made, and refuses others.
func Columns(s *arrow.Schema) ([]schema.Column, error) {
	columns := make([]schema.Column, s.NumFields())
	seen := make(map[string]bool, len(columns))
	for i, f := range s.Fields() {
		name, ok := f.Metadata.GetValue(typeKey)
		if !ok {
			return nil, fmt.Errorf("field %d carries no column type", i)
		}
		t, err := schema.ParseType(name)
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		physical, err := Physical(t)
		if err != nil {
			return nil, err
		}
		columns[i] = schema.Column{Name: f.Name, Type: t}
		if f.Type.ID() != physical.ID() || f.Nullable != Nullable(columns[i]) {
			return nil, fmt.Errorf("field %d: a %s column is not carried by %s", i, t, f.Type)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("field %d: its name occurs twice", i)
		}
		seen[f.Name] = true
	}
	return columns, nil
}

// Times returns the TimeGenerated cells of a record.
func Times(rec arrow.RecordBatch) ([]int64, error) {
	at := rec.Schema().FieldIndices(schema.TimeGenerated)
	if len(at) == 1 {
		if times, ok := rec.Column(at[0]).(*array.Int64); ok && times.NullN() == 0 {
			return times.Int64Values(), nil
		}
	}
	return nil, fmt.Errorf("record has no usable %s column", schema.TimeGenerated)
}

// Span returns the first and the last time of a record with at least one row.
func Span(rec arrow.RecordBatch) (first, last schema.Ticks, err error) {
	times, err := Times(rec)
	if err != nil {
		return 0, 0, err
	}
	if len(times) == 0 {
		return 0, 0, fmt.Errorf("record has no rows")
	}
	lo, hi := times[0], times[0]
	for _, t := range times[1:] {
		lo, hi = min(lo, t), max(hi, t)
	}
	return schema.Ticks(lo), schema.Ticks(hi), nil
}
