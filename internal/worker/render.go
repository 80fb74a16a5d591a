package worker

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// A rendering is the answer of the query API while it grows.
type rendering struct {
	bytes.Buffer
	columns []schema.Column // of the table that is being written
	tables  int
	rows    int // of that table
	total   int
	maxRows int
	maxSize int64
}

// A mark is where a rendering was.
type mark struct{ length, tables, total int }

func (b *rendering) mark() mark { return mark{b.Len(), b.tables, b.total} }

// undo takes back what was written since the mark.
func (b *rendering) undo(m mark) {
	b.Truncate(m.length)
	b.tables, b.total = m.tables, m.total
}

// begin writes everything before the first row of a table.
func (b *rendering) begin(table string) error {
	if b.tables++; b.tables == 1 {
		b.WriteString(`{"tables":[`)
	} else {
		b.WriteByte(',')
	}
	b.rows = 0
	name, err := jsontext.AppendQuote(nil, table)
	if err != nil {
		return fmt.Errorf("internal error: table name: %w", err)
	}
	fmt.Fprintf(b, `{"name":%s,"columns":[`, name)
	for i, c := range b.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := jsontext.AppendQuote(nil, c.Name)
		if err != nil {
			return fmt.Errorf("internal error: column name: %w", err)
		}
		fmt.Fprintf(b, `{"name":%s,"type":%q}`, name, c.Type)
	}
	b.WriteString(`],"rows":[`)
	return nil
}

// row writes one row.
func (b *rendering) row(values []driver.Value) error {
	b.rows++
	if b.total++; b.total > b.maxRows {
		return fault.New(fault.QueryLimitsExceeded, "The result has more than %d rows. Add a filter, summarize, or take.", b.maxRows)
	}
	if b.rows > 1 {
		b.WriteByte(',')
	}
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := b.value(b.columns[i], v); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	if int64(b.Len()) > b.maxSize {
		return fault.New(fault.QueryLimitsExceeded, "The result is larger than %d MB. Select fewer columns or rows.", b.maxSize>>20)
	}
	return nil
}

// value writes one cell in the words of the query API: times as ISO text,
// dynamic as text, numbers that JSON has no form for as text.
func (b *rendering) value(c schema.Column, v driver.Value) error {
	out := b.AvailableBuffer()
	switch v := v.(type) {
	case nil:
		out = append(out, "null"...)
	case bool:
		out = strconv.AppendBool(out, v)
	case int32:
		out = strconv.AppendInt(out, int64(v), 10)
	case int64:
		switch c.Type {
		case schema.DateTime:
			out = strconv.AppendQuote(out, schema.Ticks(v).String())
		case schema.TimeSpan:
			out = strconv.AppendQuote(out, schema.Span(v).String())
		default:
			out = strconv.AppendInt(out, v, 10)
		}
	case float64:
		switch {
		case math.IsNaN(v):
			out = append(out, `"NaN"`...)
		case math.IsInf(v, 1):
			out = append(out, `"Infinity"`...)
		case math.IsInf(v, -1):
			out = append(out, `"-Infinity"`...)
		default:
			number, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("internal error: %w", err)
			}
			out = append(out, number...)
		}
	case string:
		if c.Type == schema.Decimal {
			out = strconv.AppendQuote(out, v)
			break
		}
		var err error
		if out, err = jsontext.AppendQuote(out, v); err != nil {
			return fmt.Errorf("internal error: a %s value is no UTF-8", c.Type)
		}
	default:
		return fmt.Errorf("internal error: the engine answered a %s column with %T", c.Type, v)
	}
	b.Write(out)
	return nil
}

// end writes everything after the last table.
func (b *rendering) end(extra map[string]any) error {
	b.WriteByte(']')
	for _, name := range [...]string{"statistics", "render"} {
		if v, ok := extra[name]; ok {
			text, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("internal error: %w", err)
			}
			fmt.Fprintf(b, `,%q:%s`, name, text)
		}
	}
	b.WriteByte('}')
	return nil
}

// rowSource is what a query's rows come from.
type rowSource interface{ Next([]driver.Value) error }

// fill writes a table.
func (b *rendering) fill(table string, columns []schema.Column, rows rowSource) error {
	b.columns = columns
	if err := b.begin(table); err != nil {
		return err
	}
	values := make([]driver.Value, len(b.columns))
	for {
		err := rows.Next(values)
		if err == io.EOF {
			b.WriteString("]}")
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.row(values); err != nil {
			return err
		}
	}
}
