package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/go-json-experiment/json/jsontext"

	"logkeep/internal/schema"
)

// maxText is the longest text that a string cell keeps: 64 KiB, as documented
// for the ingestion service. What is longer is cut and counted.
const maxText = 64 << 10

// A Parsed is what Parse made of some rows.
type Parsed struct {
	Record  arrow.RecordBatch // columns in the table's order; may have no rows
	Unknown int64             // fields that the table has no column for, ignored
	Cut     int64             // string cells cut at 64 KiB
	CutIn   []string          // the columns of these
	Refused int64             // rows that were left out: see Good
	Reasons []RowError        // of the first of them
}

// noObject is what is wrong with a row that is no object.
const noObject = "is no JSON object; every row is an object whose fields are columns"

// A RowError says which cell can't be stored and why. It never holds the
// cell's value, so that it may be logged.
type RowError struct {
	Row    int64 // counted from 1
	Column string
	Reason string
}

func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row %d %s", e.Row, e.Reason)
	}
	return fmt.Sprintf("row %d, column %s: %s", e.Row, e.Column, e.Reason)
}

// A SyntaxError says where the rows stop being JSON. It never holds the text.
type SyntaxError struct {
	Row    int64 // counted from 1
	Offset int64 // bytes from the beginning
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("row %d, byte %d: %s", e.Row, e.Offset, e.Reason)
}

// Parse reads all rows of r into columns of t. A row without TimeGenerated
// gets now. Errors are *RowError, *SyntaxError, or what r returned. Rows that
// are in a *bytes.Buffer are read where they are, which is fastest; the buffer
// may be used for something else afterwards.
func Parse(r io.Reader, t schema.Table, now schema.Ticks) (Parsed, error) {
	if _, ok := t.Column(schema.TimeGenerated); !ok {
		return Parsed{}, fmt.Errorf("internal error: table %s has no column %s", t.Name, schema.TimeGenerated)
	}
	p, err := newParser(r, t, now)
	if err != nil {
		return Parsed{}, err
	}
	if p.time == nil {
		return Parsed{}, fmt.Errorf("internal error: column %s of table %s is no datetime", schema.TimeGenerated, t.Name)
	}
	return p.parse(r)
}

// ParseStream is Parse for rows that are to be changed before they are stored:
// they need no time, and no type for it.
func ParseStream(r io.Reader, columns []schema.Column, now schema.Ticks) (Parsed, error) {
	if len(columns) == 0 {
		return Parsed{}, errors.New("internal error: a stream without columns")
	}
	p, err := newParser(r, schema.Table{Columns: columns}, now)
	if err != nil {
		return Parsed{}, err
	}
	return p.parse(r)
}

func (p *parser) parse(r io.Reader) (Parsed, error) {
	if whole, ok := r.(*bytes.Buffer); ok {
		if p.quick(whole.Bytes()) {
			return p.finish()
		}
		again, err := newParser(r, p.table, p.now)
		if err != nil {
			return Parsed{}, err
		}
		p = again
	}
	if err := p.rows(); err != nil {
		return Parsed{}, err
	}
	return p.finish()
}

// A column is where the cells of one column of the table go.
type column struct {
	schema.Column
	cells
	put    func(*parser, *column, jsontext.Value) (reason string)
	last   int64  // the last row that gave the column a value
	cut    bool   // a value of it was
	quoted []byte // the name and a quote, as rows spell it
}

type parser struct {
	dec     *jsontext.Decoder
	table   schema.Table
	size    int64 // of the input; 0 if it is not known
	schema  *arrow.Schema
	columns []column
	index   map[string]int
	time    *column
	now     schema.Ticks
	row     int64 // the row being read, from 1
	scratch []byte
	unknown int64
	cut     int64
}

func newParser(r io.Reader, t schema.Table, now schema.Ticks) (*parser, error) {
	sc, err := Schema(t.Columns)
	if err != nil {
		return nil, err
	}
	p := &parser{
		// Names are compared here, where a duplicate can be told with its row;
		// inside dynamic values they stay as given.
		dec:     jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true)),
		table:   t,
		schema:  sc,
		columns: make([]column, len(t.Columns)),
		index:   make(map[string]int, len(t.Columns)),
		now:     now,
	}
	if sized, ok := r.(interface{ Len() int }); ok {
		p.size = int64(sized.Len())
	}
	for i, c := range t.Columns {
		p.columns[i] = column{Column: c, put: puts[c.Type], quoted: append([]byte(c.Name), '"')}
		if _, twice := p.index[c.Name]; twice {
			return nil, fmt.Errorf("internal error: table %s has column %s twice", t.Name, c.Name)
		}
		p.index[c.Name] = i
		if isTime(c) {
			p.time = &p.columns[i]
		}
	}
	return p, nil
}

// rows reads the whole input: an array of objects, or objects in a row.
func (p *parser) rows() error {
	if p.dec.PeekKind() != '[' {
		for {
			switch err := p.readRow(); {
			case err == io.EOF && p.row == 1:
				return &SyntaxError{Row: 1, Reason: "no JSON; send an array of objects"}
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			}
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return p.broken(err)
	}
	for p.dec.PeekKind() != ']' {
		if err := p.readRow(); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return p.broken(err)
	}
	if _, err := p.dec.ReadToken(); err == nil {
		return &SyntaxError{Row: p.row, Offset: p.dec.InputOffset(), Reason: "more JSON after the array of rows"}
	} else if err != io.EOF {
		return p.broken(err)
	}
	return nil
}

// readRow reads one object into the columns. It returns io.EOF bare when the
// input ended before it.
func (p *parser) readRow() error {
	p.row++
	start, err := p.dec.ReadToken()
	switch {
	case err == io.EOF:
		return io.EOF
	case err != nil:
		return p.broken(err)
	case start.Kind() != '{':
		return &RowError{Row: p.row, Reason: noObject}
	}
	// Rows name their fields in the same order as a rule, so the column after
	// the last one is tried before the index.
	next, filled := 0, 0
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadValue()
		if err != nil {
			return p.broken(err)
		}
		i, known := p.find(name, next)
		if !known {
			p.unknown++
			if err := p.dec.SkipValue(); err != nil {
				return p.broken(err)
			}
			continue
		}
		next = i + 1
		c := &p.columns[i]
		if c.last == p.row {
			return &RowError{Row: p.row, Column: c.Name, Reason: "the field occurs twice in the row"}
		}
		v, err := p.dec.ReadValue()
		if err != nil {
			return p.broken(err)
		}
		if v.Kind() == 'n' {
			continue
		}
		c.last = p.row
		filled++
		if reason := c.put(p, c, v); reason != "" {
			return &RowError{Row: p.row, Column: c.Name, Reason: reason}
		}
	}
	if filled < len(p.columns) {
		p.fill()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return p.broken(err)
	}
	if p.row == foreseen {
		p.reserve(p.dec.InputOffset())
	}
	return nil
}

// foreseen is the number of rows from which the room for all is guessed.
const foreseen = 32

// reserve makes room for the cells to come, as if all rows were like those in
// the bytes read so far: growing by and by would copy every cell several times.
func (p *parser) reserve(read int64) {
	if read < p.size {
		for i := range p.columns {
			p.columns[i].reserve(1.1*float64(p.size)/float64(read) - 1)
		}
	}
}

// fill gives every column that the row left out its absent value.
func (p *parser) fill() {
	for i := range p.columns {
		c := &p.columns[i]
		switch {
		case c.n == int(p.row):
		case c == p.time:
			c.putLong(int64(p.now))
		case c.Type == schema.String:
			c.endOffset()
			c.mark(true)
		default:
			c.putNull(c.Type)
		}
	}
}

// find looks a quoted field name up, the column at guess first.
func (p *parser) find(quoted jsontext.Value, guess int) (int, bool) {
	name := p.unquote(quoted)
	if guess < len(p.columns) && string(name) == p.columns[guess].Name {
		return guess, true
	}
	i, ok := p.index[string(name)]
	return i, ok
}

// unquote returns the text of a JSON string; it is valid until the next call.
func (p *parser) unquote(v jsontext.Value) []byte {
	if inner := v[1 : len(v)-1]; plain(inner) {
		return inner
	}
	// The decoder has just accepted v, so unquoting it can't be refused.
	p.scratch, _ = jsontext.AppendUnquote(p.scratch[:0], v)
	return p.scratch
}

// broken words an error of the decoder without the text that it quotes.
func (p *parser) broken(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		reason := "invalid JSON"
		if errors.Is(err, io.ErrUnexpectedEOF) {
			reason = "JSON ends in the middle of a value"
		}
		return &SyntaxError{Row: max(p.row, 1), Offset: syntax.ByteOffset, Reason: reason}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &SyntaxError{Row: max(p.row, 1), Offset: p.dec.InputOffset(), Reason: "JSON ends in the middle of a value"}
	}
	return fmt.Errorf("read rows: %w", err)
}

func (p *parser) finish() (Parsed, error) {
	arrays := make([]arrow.Array, len(p.columns))
	rows := p.columns[0].n
	for i := range p.columns {
		c := &p.columns[i]
		if c.n != rows {
			return Parsed{}, fmt.Errorf("internal error: column %s has %d cells for %d rows", c.Name, c.n, rows)
		}
		a, err := c.array(c.Type)
		if err != nil {
			return Parsed{}, err
		}
		arrays[i] = a
	}
	out := Parsed{Record: array.NewRecordBatch(p.schema, arrays, int64(rows)), Unknown: p.unknown, Cut: p.cut}
	for i := range p.columns {
		if p.columns[i].cut {
			out.CutIn = append(out.CutIn, p.columns[i].Name)
		}
	}
	return out, nil
}
