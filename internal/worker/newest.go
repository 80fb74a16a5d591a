package worker

import (
	"logkeep/internal/schema"
	"logkeep/internal/store"
)

// A query that few late rows may answer is tried on these first: on so few that only
// the last pages of a row group are decrypted, then on about as many as it has.
const (
	fewRows    = 8 << 10
	fewTimes   = 4  // as many as are asked for, since a filter may drop some
	moreTimes  = 16 // as many in the next try
	mostOfRows = 3  // a try of more than one in three rows is not worth it
)

// tries lists the times from which on rows are read, one try after another, for
// a query that wants the newest n rows. The last is 0: all.
func tries(held []store.Extent, n int64) (since []schema.Ticks) {
	all := int64(0)
	for _, e := range held {
		all += e.Rows
	}
	for rows := max(fewRows, fewTimes*n); rows <= all/mostOfRows; rows *= moreTimes {
		if t := newest(held, rows); len(since) == 0 || t < since[len(since)-1] {
			since = append(since, t)
		}
	}
	return append(since, 0)
}

// newest is a time from which on there are about so many rows, taken that the
// rows of an extent lie evenly in it. There are at least so many held.
func newest(held []store.Extent, rows int64) schema.Ticks {
	lo, hi := held[0].First, held[0].Last
	for _, e := range held {
		lo, hi = min(lo, e.First), max(hi, e.Last)
	}
	for lo < hi { // the latest time since which there are enough
		mid := hi - (hi-lo)/2
		if since(held, mid) >= float64(rows) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// since is about how many rows are not before t.
func since(held []store.Extent, t schema.Ticks) (rows float64) {
	for _, e := range held {
		switch {
		case e.First >= t:
			rows += float64(e.Rows)
		case e.Last >= t:
			rows += float64(e.Rows) * float64(e.Last-t+1) / float64(e.Last-e.First+1)
		}
	}
	return rows
}
