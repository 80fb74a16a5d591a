package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"logkeep/internal/cli/client"
)

// With memory for few processes, customers of several clusters take turns: every
// row is taken and every query answered in the end, and there are never more
// processes than have room.
func TestClustersShareLittleMemory(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Memory = 512 << 20 // six parts: two writers and a reader
	s.spawn()
	b := s.makeSecond()
	w := s.makeWorkspace("ws-b")
	target := s.makeTable(w, events, "dcr-b")
	b.link(w)
	patiently := func(what string, do func() error) {
		t.Helper()
		eventually(t, limit, what, func() error {
			err := do()
			if r, ok := errors.AsType[*azcore.ResponseError](err); ok && r.StatusCode != http.StatusTooManyRequests {
				t.Errorf("%s: %v", what, err)
				return nil
			}
			return err
		})
		if n := len(children(t, s.exe.Process.Pid)) - 1; n > 1+6 { // the vault, too
			t.Errorf("%d processes", n)
		}
	}
	for round := range 4 {
		for id, to := range map[string]client.Target{s.Workspace.CustomerID: s.Target, w.CustomerID: target} {
			patiently("rows", func() error {
				_, err := s.Upload(t.Context(), to, rows(fmt.Sprint("r", round), 10), nil)
				return err
			})
			patiently("a query", func() error {
				n, err := s.Count(t.Context(), id, "Events_CL | count")
				if err == nil && n != 10*(round+1) {
					t.Errorf("round %d: %d rows", round, n)
				}
				return err
			})
		}
	}
}
