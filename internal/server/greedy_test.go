package server_test

import (
	"slices"
	"sync"
	"testing"

	"logkeep/internal/cli/client"
)

// A query that wants more memory than its process may have is told the documented
// error. Others beside it, and rows that come meanwhile, are none the worse: no
// process ends.
func TestAQueryThatWantsTooMuchHurtsNobody(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Memory = 400 << 20 // of which a reader's engine has little
	s.serve()
	s.mustSend("a", 100)
	s.holds(100)
	before := s.cluster().Logkeep.Worker
	const greedy = `range x from 1 to 4000000 step 1 | extend k = strcat("a long key, so that there is something to keep: ", x, " and ", x * 7, " and more of it") | summarize count() by k | where count_ > 5`
	done := make(chan struct{})
	var others sync.WaitGroup
	asked, sent := 0, 0
	others.Go(func() {
		for {
			if n, err := s.count(); err != nil || n < 100 {
				t.Errorf("beside it %d rows are found: %v", n, err)
				return
			}
			asked++
			select {
			case <-done:
				return
			default:
			}
		}
	})
	others.Go(func() {
		for {
			if err := s.send("b", 1); err != nil {
				t.Errorf("beside it rows are refused: %v", err)
				return
			}
			sent++
			select {
			case <-done:
				return
			default:
			}
		}
	})
	_, _, err := s.Explain(t.Context(), s.Workspace.CustomerID, greedy, "")
	if f, ok := client.FailureOf(err); !ok || f.Code != "QueryLimitsExceeded" {
		t.Errorf("it is told %+v (%v)", f, err)
	}
	close(done)
	others.Wait()
	s.holds(100 + sent)
	after := s.cluster().Logkeep.Worker
	if after.PID != before.PID || !slices.Equal(after.Readers, before.Readers) {
		t.Errorf("processes %d and %d before, %d and %d after", before.PID, before.Readers, after.PID, after.Readers)
	}
	t.Logf("%d queries and %d requests beside it", asked, sent)
}
