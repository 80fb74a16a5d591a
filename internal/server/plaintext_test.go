package server_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"logkeep/internal/canary"
	"logkeep/internal/catalog"
	"logkeep/internal/cli/client"
)

// No file holds a row or a query in the clear, in no disguise, while rows come
// in, are flushed and merged, while queries run, after everything was killed,
// and while it starts again. The demo looks at two moments; here the looking
// goes on all the time.
func TestNoPlaintextInAnyFileWhateverHappens(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 1 << 10
	s.spawn()
	row, asked := canary.New(), canary.New()
	scanner, err := canary.NewScanner(row, asked)
	must(t, err)
	scan := func(when string) {
		t.Helper()
		for _, root := range []string{filepath.Dir(s.DataDir), s.temp} {
			report, err := scanner.Tree(t.Context(), root)
			must(t, err)
			for _, hit := range report.Hits {
				t.Errorf("%s: %s", when, hit)
			}
		}
	}

	// The scanner sees what it should.
	trap := filepath.Join(s.DataDir, "trap")
	must(t, os.WriteFile(trap, []byte("so: "+row), 0o600))
	report, err := scanner.Tree(t.Context(), s.DataDir)
	must(t, err)
	if len(report.Hits) == 0 {
		t.Fatal("the scan sees nothing")
	}
	must(t, os.Remove(trap))

	sent := 0
	var mu sync.Mutex
	send := func() error {
		err := s.send(row, 30)
		if f, ok := client.FailureOf(err); ok && f.Status == http.StatusTooManyRequests {
			return nil // flushes of a kilobyte are slower than the network
		}
		if err == nil {
			mu.Lock()
			sent += 30
			mu.Unlock()
		}
		return err
	}
	query := func() error {
		_, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, `Events_CL | where Mark != "`+asked+`" | summarize count() by Mark | top 3 by Mark`, "")
		return err
	}
	// during goes on with work while it scans, at least once and until done.
	during := func(when string, work func() error, done func() bool) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			var err error
			for ctx.Err() == nil && err == nil {
				err = work()
			}
			ended <- err
		}()
		eventually(t, limit, when, func() error {
			scan(when)
			select {
			case err := <-ended:
				t.Fatalf("%s: %v", when, err)
			default:
			}
			if !done() {
				return errNotYet
			}
			return nil
		})
		stop()
		must(t, <-ended)
	}
	look, err := catalog.Open(t.Context(), filepath.Join(s.DataDir, "catalog.db"))
	must(t, err)
	defer look.Close()
	// names are the segments that there are.
	names := func() map[string]bool {
		all := map[string]bool{}
		accounts, err := look.Accounts(t.Context(), "")
		must(t, err)
		for _, a := range accounts {
			segments, err := look.Segments(t.Context(), a.ID)
			must(t, err)
			for _, g := range segments {
				all[string(g.ID)] = true
			}
		}
		return all
	}
	during("ingest", send, func() bool { mu.Lock(); defer mu.Unlock(); return sent > 0 })
	during("flush", send, func() bool { return len(names()) > 0 })
	seen := map[string]bool{}
	during("merge", send, func() bool {
		now := names()
		gone := false
		for id := range seen {
			gone = gone || !now[id]
		}
		for id := range now {
			seen[id] = true
		}
		return gone
	})
	var answered atomic.Int64
	ask := func() error {
		err := query()
		answered.Add(1)
		return err
	}
	during("query", ask, func() bool { return answered.Load() > 2 })

	// Killed in the middle of everything: nobody had a chance to tidy up.
	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for _, work := range []func() error{send, query} {
		busy.Go(func() {
			for ctx.Err() == nil {
				work()
			}
		})
	}
	scan("while all of it goes on")
	family := children(t, s.exe.Process.Pid)
	must(t, s.exe.Process.Kill())
	for _, p := range family {
		p.Kill()
		p.ends(t, limit)
	}
	s.exe.Wait()
	stop()
	busy.Wait()
	scan("crash")

	s.Server.Close()
	s.spawn()
	answered.Store(0)
	during("restart", ask, func() bool { return answered.Load() > 2 })
	n, err := s.count()
	if mu.Lock(); err != nil || n < sent {
		t.Errorf("%d rows, %v; %d were acknowledged", n, err, sent)
	}
	mu.Unlock()
	scan("the end")
}
