package batch

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"logkeep/internal/schema"
)

// A Ref names a row: which record, and which row of it.
type Ref struct{ Record, Row int32 }

// A timed is a row and its time.
type timed struct {
	at  int64
	ref Ref
}

// before orders rows by time, and those of the same time as they stand.
func (a timed) before(b timed) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.ref.Record != b.ref.Record:
		return a.ref.Record < b.ref.Record
	}
	return a.ref.Row < b.ref.Row
}

// ByTime returns the rows of all records, sorted by TimeGenerated. Rows of the
// same time keep the order in which they stand.
//
// Rows come almost in order as a rule: records that overlap a little, of rows
// that are a few places off. So records are put in order first, and rows are
// moved one place at a time for as long as that costs little.
func ByTime(recs []arrow.RecordBatch) ([]Ref, error) {
	times := make([][]int64, len(recs))
	order := make([]int32, 0, len(recs))
	n := 0
	for i, rec := range recs {
		var err error
		if times[i], err = Times(rec); err != nil {
			return nil, err
		}
		if len(times[i]) > 0 {
			order = append(order, int32(i))
			n += len(times[i])
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(times[a][0], times[b][0]) })
	all := make([]timed, 0, n)
	for _, i := range order {
		for row, at := range times[i] {
			all = append(all, timed{at, Ref{i, int32(row)}})
		}
	}
	if !settle(all) {
		slices.SortFunc(all, func(a, b timed) int {
			if a.before(b) {
				return -1
			}
			return 1 // no two are equal
		})
	}
	refs := make([]Ref, len(all))
	for i := range all {
		refs[i] = all[i].ref
	}
	return refs, nil
}

// moves is how many places a row may be moved, on average, before settle gives up.
const moves = 32

// settle sorts rows that are almost in order. It reports false, and leaves them
// somehow, if they are not.
func settle(all []timed) bool {
	left := moves * len(all)
	for i := 1; i < len(all); i++ {
		row, to := all[i], i
		for ; to > 0 && row.before(all[to-1]); to-- {
			all[to] = all[to-1]
		}
		all[to] = row
		if left -= i - to; left < 0 {
			return false
		}
	}
	return true
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
