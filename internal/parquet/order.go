package parquet

import (
	"slices"

	"logkeep/internal/batch"
)

// A run is rows that lie one after another in one record.
type run struct{ record, from, end int32 }

// An order is the rows of a group as they are to stand in it. It is found out once,
// for all columns: rows that came almost in order make a run for every row or two.
type order struct {
	rows    int
	runs    []run // none of which goes over the end of a stripe
	stripes []int // where in runs each begins
	sample  []run // of one row each, from all over the group
}

func (o *order) reset() { o.rows, o.runs, o.stripes = 0, o.runs[:0], o.stripes[:0] }

// add appends rows.
func (o *order) add(r run) {
	for r.from < r.end {
		left := Stripe - o.rows%Stripe
		part := run{r.record, r.from, min(r.end, r.from+int32(left))}
		if n := len(o.runs) - 1; left < Stripe && o.runs[n].record == r.record && o.runs[n].end == r.from {
			o.runs[n].end = part.end
		} else {
			if left == Stripe {
				o.stripes = append(o.stripes, len(o.runs))
			}
			o.runs = append(o.runs, part)
		}
		o.rows += int(part.end - part.from)
		r.from = part.end
	}
}

// refs makes it the order of the rows named.
func (o *order) refs(refs []batch.Ref) {
	o.reset()
	o.runs = slices.Grow(o.runs, len(refs)) // rows that are almost in order make one for every row or two
	for _, r := range refs {
		o.add(run{r.Record, r.Row, r.Row + 1})
	}
	o.choose()
}

// choose takes the sample.
func (o *order) choose() {
	o.sample = o.sample[:0]
	step, skip := max(1, o.rows/sampled), 0
	for _, r := range o.runs {
		row := int(r.from) + skip
		for ; row < int(r.end); row += step {
			o.sample = append(o.sample, run{r.record, int32(row), int32(row) + 1})
		}
		skip = row - int(r.end)
	}
}

// of are the runs of so many stripes from one on.
func (o *order) of(stripe, n int) []run {
	if stripe+n >= len(o.stripes) {
		return o.runs[o.stripes[stripe]:]
	}
	return o.runs[o.stripes[stripe]:o.stripes[stripe+n]]
}
