package server_test

import (
	"slices"
	"testing"
	"time"
)

// A query alone has no writer started: its reader finds the rows of a journal whose
// writer is gone. The writer comes after it if there is something to flush.
func TestAQueryNeedsNoWriter(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Age = time.Hour
	s.serve()
	rows := func(want int) {
		t.Helper()
		eventually(t, limit, "the rows", func() error {
			n, err := s.count()
			if err == nil && n != want {
				t.Fatalf("%d rows, want %d", n, want)
			}
			return err
		})
	}
	s.mustSend("a", 3)
	for range 2 {
		s.killAll()
		rows(3)
		// One that ended young is not started again at once; another query has it started.
		eventually(t, limit, "a writer, for the rows in the journal", func() error {
			rows(3)
			if c := s.cluster().Logkeep.Worker; c.PID == 0 || slices.Contains(c.Readers, c.PID) {
				return errNotYet
			}
			return nil
		})
	}
	s.mustSend("b", 2)
	if _, ok := s.flushed(); !ok {
		t.Fatal("nothing was flushed")
	}
	rows(5)
	s.halt()
	s.serve()
	for range 3 {
		rows(5)
		if c := s.cluster().Logkeep.Worker; !slices.Equal(c.Readers, []int{c.PID}) {
			t.Fatalf("a query of rows in segments had a writer started: process %d, beside %d", c.PID, c.Readers)
		}
	}
}

// killAll ends all processes that have the cluster's keys.
func (s *site) killAll() {
	s.t.Helper()
	c := s.cluster().Logkeep.Worker
	for _, pid := range append(c.Readers, c.PID) {
		if pid != 0 {
			one := watch(s.t, pid)
			one.Kill() // it may be gone: the writer's place is the reader's where nobody writes
			one.ends(s.t, limit)
		}
	}
}
