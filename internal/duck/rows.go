package duck

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Rows is the answer to a query. It is used by one goroutine and must be closed.
type Rows struct {
	rows   driver.Rows
	conn   *sql.Conn
	free   func()
	closed bool
	chunk  mapping.DataChunk // that is open, if there is one
}

// Columns returns the names of the columns.
func (r *Rows) Columns() []string { return r.rows.Columns() }

// Next fills dest, which has as many elements as there are columns, with the
// next row and returns io.EOF after the last. Values are nil, bool, int32,
// int64, float64 or string; dest is reused by the caller, the values are not.
func (r *Rows) Next(dest []driver.Value) error {
	err := r.rows.Next(dest)
	if err != nil && !errors.Is(err, io.EOF) {
		return classify(err)
	}
	return err
}

// Close frees the answer. Closing twice is harmless.
func (r *Rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	defer r.free()
	r.drop()
	return errors.Join(r.rows.Close(), r.conn.Close())
}
