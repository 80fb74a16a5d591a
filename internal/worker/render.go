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
	"logkeep/internal/kql"
	"logkeep/internal/schema"
)

// A rendering is an answer while it grows.
type rendering struct {
	bytes.Buffer
	form    form
	sizes   []tableSize     // of the tables that are whole
	names   []string        // of all tables
	columns []schema.Column // of the table that is being written
	tables  int
	rows    int // of that table
	total   int
	inline  bool   // dynamic values are JSON of their own, not text
	cut     string // why rows are missing at the end; "" if none are
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
	b.sizes, b.names = b.sizes[:m.tables], b.names[:m.tables]
}

// A form is a protocol of answers: what stands around the rows of tables.
type form interface {
	start(b *rendering, render *kql.Render) error // before the first table
	begin(b *rendering, table string) error       // before the first row of a table
	finish(b *rendering) error                    // after its last row
	end(b *rendering, extra map[string]any) error // after the last table
}

// tableSize tells of one table of the answer.
type tableSize struct {
	Rows  int `json:"tableRowCount"`
	Bytes int `json:"tableSize"`
}

// apiForm is the query API's.
type apiForm struct{}

func (apiForm) start(b *rendering, _ *kql.Render) error {
	b.WriteString(`{"tables":[`)
	return nil
}

func (apiForm) begin(b *rendering, table string) error {
	if b.tables > 1 {
		b.WriteByte(',')
	}
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

// row writes one row. If the answer would become larger than allowed it ends
// before the row, and cut says so.
func (b *rendering) row(values []driver.Value) error {
	if b.total == b.maxRows {
		b.cut = tooLarge(fmt.Sprintf("%d records", b.maxRows))
		return nil
	}
	before := b.Len()
	if b.rows > 0 {
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
		b.Truncate(before)
		b.cut = tooLarge(fmt.Sprintf("%d bytes", b.maxSize))
		return nil
	}
	b.rows++
	b.total++
	return nil
}

// tooLarge is what the service says of an answer that is cut (behaviour 24.3).
func tooLarge(limit string) string {
	return "The results of this query exceed the set limit of " + limit + ", so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). Add a filter, summarize, or take."
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
		if c.Type == schema.Dynamic && b.inline && jsontext.Value(v).IsValid() {
			out = append(out, v...)
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

func (apiForm) finish(b *rendering) error {
	b.WriteString("]}")
	return nil
}

func (apiForm) end(b *rendering, extra map[string]any) error {
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
	if b.cut != "" {
		b.WriteString(`,"error":`)
		if err := b.put(partial(b.cut)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// The codes of an error beside tables. None is ever a status of HTTP.
const (
	partialError       fault.Code = "PartialError"
	engineError        fault.Code = "EngineError"
	resultTooLargeCode fault.Code = "-2133196797" // E_QUERY_RESULT_SET_TOO_LARGE
)

// partial is the error that stands beside tables that are not whole.
func partial(why string) *fault.Error {
	whole := fault.New(partialError, "There were some errors when processing your query.")
	engine := fault.New(engineError, "Something went wrong processing your query on the server.")
	whole.Details = []*fault.Error{engine.WithInner(fault.New(resultTooLargeCode, "%s", why))}
	return whole
}

// rowSource is what a query's rows come from.
type rowSource interface{ Next([]driver.Value) error }

// fill writes a table.
func (b *rendering) fill(table string, columns []schema.Column, rows rowSource) error {
	b.columns, b.rows = columns, 0
	b.tables++
	b.names = append(b.names, table)
	if err := b.form.begin(b, table); err != nil {
		return err
	}
	size := b.Len()
	values := make([]driver.Value, len(b.columns))
	for {
		var err error
		if b.cut == "" {
			err = rows.Next(values)
		}
		if err == io.EOF || b.cut != "" {
			b.sizes = append(b.sizes, tableSize{b.rows, b.Len() - size})
			return b.form.finish(b)
		}
		if err != nil {
			return err
		}
		if err := b.row(values); err != nil {
			return err
		}
	}
}
