package schema

// A Stay is how long rows have been here: those of one segment.
//
// A row is as old as its TimeGenerated says. Rows that come more than lateness
// after it are history that somebody brings in, and as old as their stay (design
// 0040). Which of the two a segment has is told by when it was made.
type Stay struct {
	First, Last Ticks // of TimeGenerated
	Created     Ticks // when the first of the rows came
}

const (
	lateness = 2 * TicksPerDay
	// overdue is for how long rows behind the edge may stay beside others: no
	// segment is written anew more than once in this time.
	overdue = TicksPerDay
	// apart is how far apart histories may have come to be merged.
	apart = TicksPerDay
)

// History reports whether rows came late.
func (s Stay) History() bool { return s.First < s.Created-lateness }

// Alike reports whether rows of both can be in one segment, whose Created is the
// earlier one.
func (s Stay) Alike(t Stay) bool {
	if s.History() != t.History() {
		return false
	}
	return !s.History() || max(s.Created, t.Created)-min(s.Created, t.Created) < apart
}

// Edge is the time before which rows are older than what lies on the edge of
// their table's retention; 0 if none is.
func (s Stay) Edge(edge Ticks) Ticks {
	if s.First >= edge || s.History() && s.Created >= edge {
		return 0
	}
	return edge
}

// HistoryFrom is the time since which rows from before an edge came as history, of
// which none is due.
func HistoryFrom(edge Ticks) Ticks { return edge + lateness }

// Expired reports whether all rows are behind an edge.
func (s Stay) Expired(edge Ticks) bool { return s.Last < s.Edge(edge) }

// Due reports whether rows behind the edge are to leave the disk now.
func (s Stay) Due(edge Ticks) bool { return s.Expired(edge) || s.First < s.Edge(max(edge-overdue, 0)) }
