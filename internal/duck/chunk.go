package duck

import (
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// A Chunk is some rows of an answer, column by column, where the engine has them. It
// is valid until the next one is asked for, or the answer is closed.
type Chunk struct {
	rows    int
	columns []column
}

// A column is a vector of a chunk.
type column struct {
	data  unsafe.Pointer
	valid unsafe.Pointer // bits in words of 64; nil: no row is without a value
}

// A Form is what values of a column are.
type Form uint8

// The forms.
const (
	Bool Form = iota + 1
	Int32
	Int64
	Float64
	Text
)

var forms = map[mapping.Type]Form{
	mapping.TypeBoolean: Bool, mapping.TypeInteger: Int32, mapping.TypeBigInt: Int64, mapping.TypeDouble: Float64, mapping.TypeVarchar: Text,
}

// Forms tells of each column what its values are, if Chunk can be used: else, if
// there is a column of another form, the answer is to be read by Next. Of one answer
// only one of both is used.
func (r *Rows) Forms() (of []Form, ok bool) {
	res := resultOf(r.rows)
	if res == nil {
		return nil, false
	}
	for i := range mapping.ColumnCount(res) {
		form := forms[mapping.ColumnType(res, i)]
		if form == 0 {
			return nil, false
		}
		of = append(of, form)
	}
	return of, len(of) > 0
}

// resultOf is the engine's answer inside of the driver's rows, which hand it over
// one value at a time only; nil if a newer driver has it elsewhere.
func resultOf(rows driver.Rows) *mapping.Result {
	v := reflect.ValueOf(rows)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		field := v.Elem().FieldByName("res")
		if field.IsValid() && field.Type() == reflect.TypeFor[mapping.Result]() {
			return (*mapping.Result)(field.Addr().UnsafePointer())
		}
	}
	return nil
}

// Chunk returns the next rows, and io.EOF after the last.
func (r *Rows) Chunk() (*Chunk, error) {
	res := resultOf(r.rows)
	if res == nil {
		return nil, errors.New("internal error: the driver's answers are not of the version that this was written for")
	}
	for {
		r.drop()
		r.chunk = mapping.FetchChunk(*res)
		if r.chunk.Ptr == nil {
			return nil, io.EOF
		}
		c := &Chunk{rows: int(mapping.DataChunkGetSize(r.chunk))}
		if c.rows == 0 {
			continue
		}
		for i := range mapping.DataChunkGetColumnCount(r.chunk) {
			v := mapping.DataChunkGetVector(r.chunk, i)
			c.columns = append(c.columns, column{mapping.VectorGetData(v), mapping.VectorGetValidity(v)})
		}
		return c, nil
	}
}

func (r *Rows) drop() {
	if r.chunk.Ptr != nil {
		mapping.DestroyDataChunk(&r.chunk)
	}
}

// Rows is how many rows the chunk has, one at least.
func (c *Chunk) Rows() int { return c.rows }

// Null reports whether a cell is without a value. Other methods must not be asked
// of it, nor of columns of another form than they are for.
func (c *Chunk) Null(column, row int) bool {
	v := c.columns[column].valid
	return v != nil && *(*uint64)(unsafe.Add(v, row>>6*8))>>(row&63)&1 == 0
}

// Bool is a cell of a column of the form Bool; so are the others of theirs.
func (c *Chunk) Bool(column, row int) bool { return *at[byte](c, column, row) != 0 }

// Int32 is a cell.
func (c *Chunk) Int32(column, row int) int32 { return *at[int32](c, column, row) }

// Int64 is a cell.
func (c *Chunk) Int64(column, row int) int64 { return *at[int64](c, column, row) }

// Float64 is a cell.
func (c *Chunk) Float64(column, row int) float64 { return *at[float64](c, column, row) }

// Text is a cell, valid as long as the chunk is.
func (c *Chunk) Text(column, row int) string { return at[cell](c, column, row).text() }

func at[T any](c *Chunk, column, row int) *T {
	if row < 0 || row >= c.rows {
		panic("internal error: a row is asked for that the chunk does not have")
	}
	var one T
	return (*T)(unsafe.Add(c.columns[column].data, row*int(unsafe.Sizeof(one))))
}
