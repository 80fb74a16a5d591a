package server_test

import (
	"net/http"
	"testing"

	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

func TestHistoryBeforeALinkAndAfterAnUnlinkIsOneAndGoesDarkAsAWhole(t *testing.T) {
	t.Parallel()
	s := linked(t)
	// A workspace of its own, beside one that is linked to the same cluster.
	w := s.makeWorkspace("ws-2")
	s.mustSend("neighbour", 5)
	neighbour := s.Workspace
	s.Workspace = w
	s.Target = s.makeTable(w, events, "dcr-2")
	s.mustSend("before", 10)
	s.holds(10)
	if pid := s.cluster().Logkeep.Worker.PID; pid == 0 {
		t.Fatal("the cluster has no worker")
	}
	s.link(w)
	s.holds(10)
	s.mustSend("during", 20)
	s.holds(30)
	s.unlink(w)
	s.holds(30)
	s.mustSend("after", 40)
	s.holds(70)
	s.link(w) // again to the same
	s.unlink(w)
	s.holds(70)

	worker := s.worker()
	s.enable("", false)
	worker.ends(t, noticed)
	_, err := s.count()
	refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked")
	refused(t, s.send("dark", 1), http.StatusServiceUnavailable, "CustomerManagedKeyRevoked")
	// A workspace that never met the cluster goes on.
	free := s.makeWorkspace("ws-3")
	target := s.makeTable(free, events, "dcr-3")
	if _, err := s.Upload(t.Context(), target, rows("free", 3), nil); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(t.Context(), free.CustomerID, "Events_CL | count"); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
	s.enable("", true)
	s.light(noticed, 70)
	s.halt()
	s.serve()
	s.holds(70)
	if n, err := s.Count(t.Context(), neighbour.CustomerID, "Events_CL | count"); err != nil || n != 5 {
		t.Errorf("the neighbour has %d rows, %v; want 5", n, err)
	}
}

func TestRowsFlowWhileAWorkspaceIsLinked(t *testing.T) {
	t.Parallel()
	s := linked(t)
	w := s.makeWorkspace("ws-2")
	s.Workspace = w
	s.Target = s.makeTable(w, schema.Table{Name: "Events_CL", Columns: events.Columns}, "dcr-2")
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.send("flow", 10); err != nil {
				if f, ok := client.FailureOf(err); ok && f.Status == http.StatusServiceUnavailable {
					continue
				}
				t.Error(err)
				return
			}
			n += 10
		}
	}()
	s.link(w)
	s.unlink(w)
	s.link(w)
	close(stop)
	s.holds(<-sent)
}
