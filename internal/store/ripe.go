package store

import "logkeep/internal/segment"

// Row groups are what queries open, and what they pay for: 128 Ki rows in one cost
// less than in two. So where one table has most of what waits, a flush begins when
// its rows fill groups, a little before so that requests on their way find room:
// from half of FlushBytes on, and at half as much again at the latest. Rows that
// a flush is taking away do not count: what came meanwhile would be cut into a
// small segment as soon as it ends.
const (
	fullGroup = segment.GroupRows / 8 * 7
	mostOf    = 4 // a table has most if the others have less than one part of so many
)

// ripe reports whether it is time to flush, after rows for t came. It needs mu.
func (s *Store) ripe(t *tableState) bool {
	growing := s.tail.bytes - s.leaving
	switch {
	case growing < s.cfg.FlushBytes/2:
		return false
	case growing >= s.cfg.FlushBytes+s.cfg.FlushBytes/2:
		return true
	}
	var own size
	for _, c := range t.chunks {
		own.rows += c.rows
		own.bytes += c.bytes
	}
	if own.bytes < growing-growing/mostOf {
		return growing >= s.cfg.FlushBytes
	}
	if own.rows%segment.GroupRows >= fullGroup {
		return true
	}
	return growing >= s.cfg.FlushBytes && own.rows < segment.GroupRows
}

// isRipe asks of the table that has most. It is asked again when a flush is about
// to begin: the one before may have taken its time.
func (s *Store) isRipe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Budget.pressed() {
		return true
	}
	var widest *tableState
	most := int64(-1)
	for _, t := range s.tables {
		var bytes int64
		for _, c := range t.chunks {
			bytes += c.bytes
		}
		if bytes > most {
			widest, most = t, bytes
		}
	}
	return widest != nil && s.ripe(widest)
}
