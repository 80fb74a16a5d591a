package parquet

import "math/bits"

// Rows are some rows that lie one after another, numbered from 0: a set of them
// in bits.
type Rows []uint64

// NewRows returns an empty set of n rows.
func NewRows(n int) Rows { return make(Rows, (n+63)/64) }

// Add adds a row.
func (s Rows) Add(row int) { s[row>>6] |= 1 << (row & 63) }

// Clear takes the rows before row out.
func (s Rows) Clear(row int) {
	clear(s[:row>>6])
	if row&63 != 0 {
		s[row>>6] &^= ^uint64(0) >> (64 - row&63)
	}
}

// Has reports whether a row is in the set.
func (s Rows) Has(row int) bool { return s[row>>6]>>(row&63)&1 != 0 }

// AddRange adds the rows from from up to end, which is left out.
func (s Rows) AddRange(from, end int) {
	for from < end {
		n := min(64-from&63, end-from)
		s[from>>6] |= ^uint64(0) >> (64 - n) << (from & 63)
		from += n
	}
}

// Next is the first row of the set at or behind row, or end if there is none before it.
func (s Rows) Next(row, end int) int {
	for row < end {
		if w := s[row>>6] >> (row & 63); w != 0 {
			return min(row+bits.TrailingZeros64(w), end)
		}
		row = row&^63 + 64
	}
	return end
}

// Last is the last row of the set, -1 of none.
func (s Rows) Last() int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0 {
			return i*64 + bits.Len64(s[i]) - 1
		}
	}
	return -1
}

// Count counts the rows of the set.
func (s Rows) Count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// CountRange counts those from from up to end.
func (s Rows) CountRange(from, end int) (n int) {
	for from < end {
		m := min(64-from&63, end-from)
		n += bits.OnesCount64(s[from>>6] >> (from & 63) & (^uint64(0) >> (64 - m)))
		from += m
	}
	return n
}

// Union adds the rows of another set of as many rows.
func (s Rows) Union(of Rows) {
	for i, w := range of {
		s[i] |= w
	}
}

// Without takes those of another set out.
func (s Rows) Without(of Rows) {
	for i, w := range of {
		s[i] &^= w
	}
}

// Range is those of the set from base, a multiple of 64, up to end, as a set of
// rows numbered from base.
func (s Rows) Range(base, end int) Rows {
	out := NewRows(end - base)
	copy(out, s[base>>6:])
	if n := (end - base) & 63; n != 0 {
		out[len(out)-1] &= ^uint64(0) >> (64 - n)
	}
	return out
}
