package segment

import (
	"bufio"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"logkeep/internal/batch"
	"logkeep/internal/parquet"
	"logkeep/internal/schema"
)

// A Tail is rows that are not in a segment yet, as a file in memory for the
// engine: Parquet without compression, in no order, with all columns.
type Tail struct {
	file    *os.File
	path    string
	columns []schema.Column
	rows    int64
	bytes   int64
}

// NewTail writes the rows of recs, which have the same columns.
func NewTail(recs []arrow.RecordBatch) (*Tail, error) {
	columns, err := batch.Columns(recs[0].Schema())
	if err != nil {
		return nil, err
	}
	f, err := newMemfd("logkeep-tail")
	if err != nil {
		return nil, err
	}
	t := &Tail{file: f, path: path(f), columns: columns}
	if err := t.write(recs); err != nil {
		f.Close()
		return nil, fmt.Errorf("show rows to the engine: %w", err)
	}
	return t, nil
}

func (t *Tail) write(recs []arrow.RecordBatch) error {
	w := bufio.NewWriterSize(t.file, 256<<10)
	f, err := parquet.NewWriter(w, recs[0].Schema(), parquet.Options{})
	if err != nil {
		return err
	}
	for _, rec := range recs {
		t.rows += rec.NumRows()
	}
	if err := f.Rows(recs); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	t.bytes = f.Size()
	return w.Flush()
}

// Path returns the name by which the engine in this process opens the file.
func (t *Tail) Path() string { return t.path }

// Columns returns the file's columns. The caller must not change them.
func (t *Tail) Columns() []schema.Column { return t.columns }

// Rows returns the number of rows.
func (t *Tail) Rows() int64 { return t.rows }

// Bytes returns the memory that the file takes.
func (t *Tail) Bytes() int64 { return t.bytes }

// Close gives the memory back once the engine has closed it too.
func (t *Tail) Close() error { return t.file.Close() }
