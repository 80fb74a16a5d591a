package domain

import (
	"fmt"
	"testing"

	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

func TestTheLastChangesAreRemembered(t *testing.T) {
	var l changeLog
	mac := func(n uint64) []byte { return fmt.Append(nil, n) }
	note := func(seq uint64, segments int) {
		c := wire.Commit{Account: "a", Seq: seq, MAC: mac(seq), Add: make([]wire.Segment, segments)}
		for i := range c.Add {
			c.Add[i].ID = schema.SegmentID(fmt.Sprintf("%d-%d", seq, i))
		}
		l.note(c)
	}
	check := func(since, to uint64, want int) {
		t.Helper()
		got, ok := l.between("a", since, to, mac(to))
		if ok != (want >= 0) || ok && len(got) != want {
			t.Errorf("from %d to %d: %d, %t; want %d", since, to, len(got), ok, want)
		}
		for i, c := range got {
			if c.Seq != since+1+uint64(i) {
				t.Errorf("from %d to %d: change %d is %d", since, to, i, c.Seq)
			}
		}
	}
	check(3, 3, 0)
	check(0, 1, -1)
	for seq := uint64(5); seq <= 10; seq++ {
		note(seq, 1)
	}
	check(4, 10, 6)
	check(9, 10, 1)
	check(3, 10, -1) // change 4 is not known
	check(5, 9, -1)  // the newest is 10: it is asked for what it is not
	check(11, 10, -1)
	if _, ok := l.between("a", 9, 10, []byte("another")); ok {
		t.Error("another change 10")
	}
	note(12, 1) // 11 was made when nobody listened
	check(10, 12, -1)
	check(11, 12, 1)
	note(13, keptSegments) // too many to be remembered with others
	check(11, 13, -1)
	check(12, 13, 1)
	note(14, keptSegments+1)
	check(13, 14, -1)
	for seq := uint64(15); seq < 15+2*keptChanges; seq++ {
		note(seq, 1)
	}
	newest := uint64(14 + 2*keptChanges)
	check(newest-keptChanges, newest, keptChanges)
	check(newest-keptChanges-1, newest, -1)
	l.forget("a")
	check(newest-1, newest, -1)
}
