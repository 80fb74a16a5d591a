package batch

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

// A Builder makes a record of values, row by row.
type Builder struct {
	schema  *arrow.Schema
	columns []schema.Column
	cells   []cells
	now     schema.Ticks
	rows    int64
	cut     int64
	cutIn   []string
}

// NewBuilder returns a Builder for columns, of which TimeGenerated of type
// datetime is one. A row without it gets now.
func NewBuilder(columns []schema.Column, now schema.Ticks) (*Builder, error) {
	sc, err := Schema(columns)
	if err != nil {
		return nil, err
	}
	if at := sc.FieldIndices(schema.TimeGenerated); len(at) != 1 || columns[at[0]].Type != schema.DateTime {
		return nil, fmt.Errorf("internal error: no datetime column %s", schema.TimeGenerated)
	}
	return &Builder{schema: sc, columns: columns, cells: make([]cells, len(columns)), now: now}, nil
}

// NewTexts returns a Builder of rows that no table has: columns of text of any
// length, with no time among them. Their type is dynamic, which carries a text as
// it is.
func NewTexts(names []string) (*Builder, error) {
	columns := make([]schema.Column, len(names))
	for i, n := range names {
		columns[i] = schema.Column{Name: n, Type: schema.Dynamic}
	}
	sc, err := Schema(columns)
	if err != nil {
		return nil, err
	}
	return &Builder{schema: sc, columns: columns, cells: make([]cells, len(columns))}, nil
}

// Row appends a row: a value for each column, nil for null, or as the engine
// carries it: bool, int32, int64, float64, string. Whole numbers go into columns
// of larger numbers; text that is no guid is null where a guid is wanted; text
// that is too long is cut and counted.
func (b *Builder) Row(values []any) error {
	b.rows++
	for i, c := range b.columns {
		if err := b.put(&b.cells[i], c, values[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) put(c *cells, column schema.Column, v any) error {
	switch v := v.(type) {
	case nil:
		switch {
		case column.Name == schema.TimeGenerated:
			c.putLong(int64(b.now))
		case column.Type == schema.String:
			return c.endText()
		default:
			c.putNull(column.Type)
		}
		return nil
	case bool:
		if column.Type == schema.Bool {
			c.putBool(v)
			return nil
		}
	case int32:
		return b.whole(c, column, int64(v))
	case int64:
		return b.whole(c, column, v)
	case float64:
		if column.Type == schema.Real {
			c.putReal(v)
			return nil
		}
	case string:
		return b.text(c, column, v)
	}
	return fmt.Errorf("internal error: %T does not fit column %s of type %s", v, column.Name, column.Type)
}

func (b *Builder) whole(c *cells, column schema.Column, v int64) error {
	switch column.Type {
	case schema.Int:
		c.putInt(int32(v))
	case schema.Long, schema.DateTime, schema.TimeSpan:
		c.putLong(v)
	case schema.Real:
		c.putReal(float64(v))
	default:
		return fmt.Errorf("internal error: a whole number does not fit column %s of type %s", column.Name, column.Type)
	}
	return nil
}

func (b *Builder) text(c *cells, column schema.Column, v string) error {
	switch column.Type {
	case schema.String:
		if len(v) > maxText {
			end := maxText
			for !utf8.RuneStart(v[end]) {
				end--
			}
			v = v[:end]
			if b.cut++; !slices.Contains(b.cutIn, column.Name) {
				b.cutIn = append(b.cutIn, column.Name)
			}
		}
		c.text = append(c.text, v...)
	case schema.GUID:
		at := len(c.text)
		var ok bool
		if c.text, ok = appendGUID(c.text, []byte(v)); !ok {
			c.text = c.text[:at]
			c.putNull(schema.GUID)
			return nil
		}
	case schema.Dynamic, schema.Decimal:
		c.text = append(c.text, v...)
	default:
		return fmt.Errorf("internal error: text does not fit column %s of type %s", column.Name, column.Type)
	}
	return c.endText()
}

// Done returns the record; the Builder is not used afterwards.
func (b *Builder) Done() (Parsed, error) {
	arrays := make([]arrow.Array, len(b.columns))
	for i, c := range b.columns {
		a, err := b.cells[i].array(c.Type)
		if err != nil {
			return Parsed{}, err
		}
		arrays[i] = a
	}
	return Parsed{Record: array.NewRecordBatch(b.schema, arrays, b.rows), Cut: b.cut, CutIn: b.cutIn}, nil
}
