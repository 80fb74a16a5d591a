package batch

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

// A Ref names a row: which record, and which row of it.
type Ref struct{ Record, Row int32 }

// ByTime returns the rows of all records, sorted by TimeGenerated. Rows of the
// same time keep the order in which they stand.
func ByTime(recs []arrow.RecordBatch) ([]Ref, error) {
	type timed struct {
		at  int64
		ref Ref
	}
	var all []timed
	sorted := true
	for i, rec := range recs {
		times, err := Times(rec)
		if err != nil {
			return nil, err
		}
		all = slices.Grow(all, len(times))
		for row, at := range times {
			sorted = sorted && (len(all) == 0 || all[len(all)-1].at <= at)
			all = append(all, timed{at, Ref{int32(i), int32(row)}})
		}
	}
	if !sorted {
		slices.SortStableFunc(all, func(a, b timed) int {
			switch {
			case a.at < b.at:
				return -1
			case a.at > b.at:
				return 1
			}
			return 0
		})
	}
	refs := make([]Ref, len(all))
	for i := range all {
		refs[i] = all[i].ref
	}
	return refs, nil
}

// Gather makes one record of the named rows, in their order. The records have
// the same columns.
func Gather(recs []arrow.RecordBatch, refs []Ref) (arrow.RecordBatch, error) {
	if len(recs) == 0 {
		return nil, fmt.Errorf("internal error: no records to gather rows from")
	}
	columns, err := Columns(recs[0].Schema())
	if err != nil {
		return nil, err
	}
	arrays := make([]arrow.Array, len(columns))
	from := make([]arrow.Array, len(recs))
	for i, c := range columns {
		for k, rec := range recs {
			if from[k] = rec.Column(i); rec.ColumnName(i) != c.Name {
				return nil, fmt.Errorf("internal error: records with different columns gathered into one")
			}
		}
		if arrays[i], err = gather(c.Type, from, refs); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(recs[0].Schema(), arrays, int64(len(refs))), nil
}

func gather(t schema.Type, from []arrow.Array, refs []Ref) (arrow.Array, error) {
	var c cells
	var err error
	switch t {
	case schema.Bool:
		err = pick(&c, t, from, refs, func(a *array.Boolean, row int) error { c.putBool(a.Value(row)); return nil })
	case schema.Int:
		c.i32 = make([]int32, 0, len(refs))
		err = pick(&c, t, from, refs, func(a *array.Int32, row int) error { c.putInt(a.Value(row)); return nil })
	case schema.Long, schema.DateTime, schema.TimeSpan:
		c.i64 = make([]int64, 0, len(refs))
		err = pick(&c, t, from, refs, func(a *array.Int64, row int) error { c.putLong(a.Value(row)); return nil })
	case schema.Real:
		c.f64 = make([]float64, 0, len(refs))
		err = pick(&c, t, from, refs, func(a *array.Float64, row int) error { c.putReal(a.Value(row)); return nil })
	default:
		c.ends = make([]int32, 0, len(refs)+1)
		c.text = make([]byte, 0, textSize(from, refs))
		err = pick(&c, t, from, refs, func(a *array.String, row int) error {
			c.text = append(c.text, a.Value(row)...)
			return c.endText()
		})
	}
	if err != nil {
		return nil, err
	}
	return c.array(t)
}

// textSize counts the bytes of the named cells, so that they are copied once.
func textSize(from []arrow.Array, refs []Ref) (n int) {
	for _, ref := range refs {
		if a, ok := from[ref.Record].(*array.String); ok && a.IsValid(int(ref.Row)) {
			n += a.ValueLen(int(ref.Row))
		}
	}
	return n
}

// pick appends the named cells with put, and nulls itself.
func pick[A arrow.Array](c *cells, t schema.Type, from []arrow.Array, refs []Ref, put func(A, int) error) error {
	typed := make([]A, len(from))
	for i, a := range from {
		var ok bool
		if typed[i], ok = a.(A); !ok {
			return fmt.Errorf("internal error: a %s column is carried by %s", t, a.DataType())
		}
	}
	for _, ref := range refs {
		a := typed[ref.Record]
		if a.IsNull(int(ref.Row)) {
			c.putNull(t)
			continue
		}
		if err := put(a, int(ref.Row)); err != nil {
			return err
		}
	}
	return nil
}
