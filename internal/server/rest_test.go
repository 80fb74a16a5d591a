package server_test

import (
	"fmt"
	"slices"
	"testing"
)

// A query alone starts no writer: its reader finds the rows of a journal whose
// writer is gone. The writer comes after it if there is something to flush.
func TestAQueryNeedsNoWriter(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.serve()
	s.mustSend("a", 3)
	for range 2 {
		worker := watch(t, s.cluster().Logkeep.Worker.PID)
		must(t, worker.Kill())
		worker.ends(t, limit)
		eventually(t, limit, "the rows", func() error {
			n, err := s.count()
			if err == nil && n != 3 {
				t.Fatalf("%d rows, want 3", n)
			}
			return err
		})
		c := s.cluster().Logkeep
		if !slices.Contains(c.Worker.Readers, c.Worker.PID) {
			t.Fatalf("a query had a writer started: process %d, beside %d", c.Worker.PID, c.Worker.Readers)
		}
	}
	for i := range 100 { // more than is left unflushed; the writer is started for the first
		s.mustSend(fmt.Sprintf("b%d", i), 10)
	}
	c := s.cluster().Logkeep
	if slices.Contains(c.Worker.Readers, c.Worker.PID) {
		t.Fatalf("rows were taken by %d, which reads", c.Worker.PID)
	}
	writer := watch(t, c.Worker.PID)
	must(t, writer.Kill())
	writer.ends(t, limit)
	eventually(t, limit, "all rows", func() error {
		n, err := s.count()
		if err == nil && n != 1003 {
			t.Fatalf("%d rows, want 1003", n)
		}
		return err
	})
	// One that ended young is not started again at once; the next query has it started.
	eventually(t, limit, "a writer that flushes", func() error {
		if _, err := s.count(); err != nil {
			return err
		}
		if c := s.cluster().Logkeep; c.Worker.PID == 0 || slices.Contains(c.Worker.Readers, c.Worker.PID) {
			return errNotYet
		}
		return nil
	})
	s.holds(1003)
}
