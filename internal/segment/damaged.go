package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"logkeep/internal/parquet"
	"logkeep/internal/schema"
	"logkeep/internal/seal"
)

// A DamagedError reports a segment whose object is missing, or is not what was
// written. Everything else can be read.
type DamagedError struct {
	Segment schema.SegmentID
	Table   schema.TableName
	Err     error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("segment %s of table %s is damaged: %v; restore its object from a backup, or set it aside (logkeep storage check --repair)", e.Segment, e.Table, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// damage says of an error that the segment is damaged, if that is what it means.
func damage(id schema.SegmentID, table schema.TableName, err error) error {
	for _, sign := range []error{seal.ErrTampered, errDamaged, parquet.ErrDamaged, io.EOF, io.ErrUnexpectedEOF, fs.ErrNotExist, syscall.EIO} {
		if errors.Is(err, sign) {
			return &DamagedError{id, table, err}
		}
	}
	return err
}
