package worker

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/duck"
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

	outlet *outlet // takes pieces before all is there; nil: none
	flows  bool    // nothing that is written from now on is taken back
	sent   int     // bytes that the outlet took
}

// Len is how many bytes the answer has, those that were handed on already among them.
func (b *rendering) Len() int { return b.sent + b.Buffer.Len() }

// flow hands on what was written, if that is enough for a piece and is sure to stay.
func (b *rendering) flow() {
	if !b.flows || b.outlet == nil || b.Buffer.Len() < pieceSize {
		return
	}
	b.sent += b.Buffer.Len()
	b.outlet.put(b.Bytes())
	b.Buffer = *bytes.NewBuffer(b.outlet.room())
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

// row writes one row, of which cell appends each. If the answer would become larger
// than allowed it ends before the row, and cut says so.
func (b *rendering) row(cell func(out []byte, column int) ([]byte, error)) (err error) {
	if b.total == b.maxRows {
		b.cut = tooLarge(fmt.Sprintf("%d records", b.maxRows))
		return nil
	}
	out := b.AvailableBuffer()
	if b.rows > 0 {
		out = append(out, ',')
	}
	out = append(out, '[')
	for i := range b.columns {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = cell(out, i); err != nil {
			return err
		}
	}
	out = append(out, ']')
	if int64(b.Len()+len(out)) > b.maxSize {
		b.cut = tooLarge(fmt.Sprintf("%d bytes", b.maxSize))
		return nil
	}
	b.Write(out)
	b.rows++
	b.total++
	b.flow()
	return nil
}

// tooLarge is what the service says of an answer that is cut (behaviour 24.3).
func tooLarge(limit string) string {
	return "The results of this query exceed the set limit of " + limit + ", so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). Add a filter, summarize, or take."
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

// rowSource is what a query's rows come from: one at a time, or many if it is a
// chunkSource and all its columns are of forms that it knows.
type rowSource interface{ Next([]driver.Value) error }

type chunkSource interface {
	Forms() ([]duck.Form, bool)
	Chunk() (*duck.Chunk, error)
}

// fill writes a table.
func (b *rendering) fill(table string, columns []schema.Column, rows rowSource) error {
	b.columns, b.rows = columns, 0
	b.tables++
	b.names = append(b.names, table)
	if err := b.form.begin(b, table); err != nil {
		return err
	}
	size := b.Len()
	fill := b.byRow
	if chunks, ok := rows.(chunkSource); ok {
		if forms, ok := chunks.Forms(); ok && len(forms) == len(columns) {
			fill = func(rowSource) error { return b.byChunk(chunks, forms) }
		}
	}
	if err := fill(rows); err != nil {
		return err
	}
	b.sizes = append(b.sizes, tableSize{b.rows, b.Len() - size})
	return b.form.finish(b)
}

// byRow writes rows until there are no more, or enough.
func (b *rendering) byRow(rows rowSource) error {
	values := make([]driver.Value, len(b.columns))
	cell := func(out []byte, i int) ([]byte, error) { return b.value(out, b.columns[i], values[i]) }
	for b.cut == "" {
		if err := rows.Next(values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := b.row(cell); err != nil {
			return err
		}
	}
	return nil
}

// byChunk is byRow, of chunks.
func (b *rendering) byChunk(rows chunkSource, forms []duck.Form) error {
	for b.cut == "" {
		c, err := rows.Chunk()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		row := 0
		cell := func(out []byte, i int) ([]byte, error) {
			column := b.columns[i]
			switch {
			case c.Null(i, row):
				return append(out, "null"...), nil
			case forms[i] == duck.Text:
				return b.text(out, column, c.Text(i, row))
			case forms[i] == duck.Int64:
				return wide(out, column, c.Int64(i, row)), nil
			case forms[i] == duck.Int32:
				return strconv.AppendInt(out, int64(c.Int32(i, row)), 10), nil
			case forms[i] == duck.Float64:
				return real(out, c.Float64(i, row))
			}
			return strconv.AppendBool(out, c.Bool(i, row)), nil
		}
		for ; row < c.Rows() && b.cut == ""; row++ {
			if err := b.row(cell); err != nil {
				return err
			}
		}
	}
	return nil
}
