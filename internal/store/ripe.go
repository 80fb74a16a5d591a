package store

import (
	"cmp"
	"slices"

	"logkeep/internal/segment"
)

// Row groups are what queries open, and what they pay for: 128 Ki rows in one cost
// less than in two. So where one table has most of what waits, a flush begins when
// its rows fill a group, from half of FlushBytes on, and takes the rows that fill
// groups and no more; with half as much again it begins in any case. Rows that a
// flush is taking away do not count: what came meanwhile would be cut into a
// small segment as soon as it ends.
const mostOf = 4 // a table has most if the others have less than one part of so many

// most reports whether t has most of what grows, and how much that is. It needs mu.
func (s *Store) most(t *tableState) (own size, most bool) {
	for _, c := range t.chunks {
		own.rows += c.rows
		own.bytes += c.bytes
	}
	growing := s.tail.bytes - s.leaving
	return own, own.bytes >= growing-growing/mostOf
}

// ripe reports whether it is time to flush, after rows for t came. It needs mu.
func (s *Store) ripe(t *tableState) bool {
	growing, bound := s.tail.bytes-s.leaving, s.cfg.FlushBytes
	switch {
	case growing < bound/2:
		return false
	case growing >= bound+bound/2:
		return true
	}
	switch own, most := s.most(t); {
	case !most:
		return growing >= bound
	case own.rows >= segment.GroupRows:
		return true
	default: // will they be a group before they are too much?
		return growing >= bound && own.rows < segment.GroupRows*growing/(bound+bound/2)
	}
}

// isRipe asks of the table that has most. It is asked again when a flush is about
// to begin: the one before may have taken its time.
func (s *Store) isRipe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Budget.pressed() {
		return true
	}
	widest := s.widest()
	return widest != nil && s.ripe(widest)
}

// widest is the table of which most grows; nil if none does. It needs mu.
func (s *Store) widest() (widest *tableState) {
	most := int64(0)
	for _, t := range s.tables {
		var bytes int64
		for _, c := range t.chunks {
			bytes += c.bytes
		}
		if bytes > most {
			widest, most = t, bytes
		}
	}
	return widest
}

// all is the number in the journal up to which rows leave with a flush of all. It
// needs mu, and the gate.
func (s *Store) all() uint64 { return s.journal.Last() }

// groups is the number up to which the rows of the table that has most fill row
// groups, with as few rows of the last one missing as appends allow. Where there is
// no such table, or not a group of it, all leave. It needs mu, and the gate.
func (s *Store) groups() uint64 {
	t := s.widest()
	if t == nil {
		return s.all()
	}
	own, most := s.most(t)
	if !most || own.rows < segment.GroupRows {
		return s.all()
	}
	type part struct {
		seq  uint64
		rows int64
	}
	var parts []part
	for _, c := range t.chunks {
		for i, m := range c.marks {
			parts = append(parts, part{m.seq, c.current.recs[i].NumRows()})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.seq, b.seq) })
	left := own.rows / segment.GroupRows * segment.GroupRows
	through := parts[0].seq // one append may have more than a group
	for _, p := range parts {
		if left -= p.rows; left < 0 {
			break
		}
		through = p.seq
	}
	return through
}
