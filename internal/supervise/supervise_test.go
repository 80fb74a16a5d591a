package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/deadline"
	"logkeep/internal/worker/wire"
)

// TestMain lets the test binary be a worker, which behaves as its domain is called.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		play()
	}
	os.Exit(m.Run())
}

func play() {
	lines := bufio.NewReader(os.Stdin)
	first, err := lines.ReadBytes('\n')
	var start wire.Start
	if err != nil || json.Unmarshal(first, &start) != nil {
		os.Exit(3)
	}
	timer, err := deadline.Arm(start.Deadline)
	if err != nil {
		os.Exit(4)
	}
	l, err := net.FileListener(os.NewFile(wire.ListenerFD, "listener"))
	if err != nil {
		os.Exit(5)
	}
	var leases, memory atomic.Int64
	memory.Store(together(start.Memory))
	go func() {
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				os.Exit(0)
			}
			var l wire.Lease
			if json.Unmarshal(line, &l) != nil || timer.Move(l.Deadline) != nil {
				os.Exit(6)
			}
			leases.Add(1)
			if l.Memory != (wire.Memory{}) {
				memory.Store(together(l.Memory))
			}
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(string(start.Domain), "slow"):
			select {} // until it is ended
		case start.Domain == "crash":
			os.Exit(7)
		case start.Domain == "unfit":
			status, body := wire.EncodeFault(fault.New(fault.CustomerManagedKeyDamaged, "no"))
			w.WriteHeader(status)
			w.Write(body)
			return
		case start.Domain == "chatty":
			os.Stderr.WriteString(strings.Repeat("x", 1<<20))
		}
		io.WriteString(w, "{}")
	})
	mux.HandleFunc("POST /flush", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(wire.Flushed{Segments: int(leases.Load())}) // for want of a better word
	})
	mux.HandleFunc("POST /check", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(wire.Checked{Bytes: memory.Load()}) // likewise
	})
	mux.HandleFunc("POST /drop", func(http.ResponseWriter, *http.Request) { os.Exit(8) })
	http.Serve(l, mux)
}

// together is what a process may have; its tail is a part of its heap.
func together(m wire.Memory) int64 { return m.Engine + m.Images + m.Heap }

// host is a keeper that counts starts.
type host struct {
	Host
	mu     sync.Mutex
	starts map[schema.ClusterID]int
}

// Objects implements Host: everything lies on the disk.
func (h *host) Objects(Holding) http.Handler { return nil }

func (h *host) Accounts(_ context.Context, id schema.ClusterID) ([]wire.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.starts[id]++
	if id == "lost" {
		return nil, errors.New("the catalog can't be read")
	}
	return []wire.Account{{ID: schema.AccountID(id) + "-0"}}, nil
}

func (h *host) started(id schema.ClusterID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.starts[id]
}

// A clock stands until it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time               { return time.Unix(0, c.at.Load()) }
func (c *clock) move(d time.Duration)         { c.at.Add(int64(d)) }
func (c *clock) in(d time.Duration) time.Time { return c.now().Add(d) }

func supervisor(t *testing.T) (*Supervisor, *host, *clock) {
	t.Helper()
	runtime, err := os.MkdirTemp("", "s") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h, c := &host{starts: map[schema.ClusterID]int{}}, &clock{}
	c.at.Store(time.Now().UnixNano())
	s := New(Config{
		Command: []string{exe, "worker"}, Runtime: runtime, Accounts: t.TempDir(), Host: h, Now: c.now, Log: slog.New(slog.DiscardHandler), Memory: 16 << 30,
	})
	t.Cleanup(func() {
		s.Close()
		left, err := os.ReadDir(runtime)
		if err != nil || len(left) > 0 {
			t.Errorf("sockets are left: %v %v", left, err)
		}
		os.RemoveAll(runtime)
	})
	return s, h, c
}

// leased is a supervisor whose service key and domain have an hour.
func leased(t *testing.T, ids ...schema.ClusterID) (*Supervisor, *host, *clock) {
	t.Helper()
	s, h, c := supervisor(t)
	s.Renew(schema.ServiceCluster, c.in(time.Hour))
	for _, id := range ids {
		s.Renew(id, c.in(time.Hour))
	}
	return s, h, c
}

func worker(t *testing.T, s *Supervisor, id schema.ClusterID) *Worker {
	t.Helper()
	w, err := s.Worker(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// gone insists that the process ends in time.
func gone(t *testing.T, w *Worker, within time.Duration) {
	t.Helper()
	begin := time.Now()
	select {
	case <-w.Gone():
	case <-time.After(within):
		t.Fatalf("worker %d lives after %s", w.PID, time.Since(begin))
	}
	if err := syscall.Kill(w.PID, 0); err == nil {
		t.Errorf("process %d was not reaped", w.PID)
	}
}

const limit = 20 * time.Second

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

func TestOneProcessForManyCallers(t *testing.T) {
	s, h, _ := leased(t, "a")
	var group sync.WaitGroup
	pids := make([]int, 20)
	for i := range pids {
		group.Go(func() { pids[i] = worker(t, s, "a").PID })
	}
	group.Wait()
	for _, pid := range pids {
		if pid == 0 || pid != pids[0] {
			t.Errorf("pids %v", pids)
			break
		}
	}
	if h.started("a") != 1 {
		t.Errorf("%d starts", h.started("a"))
	}
	if w, ok := s.Running("a"); !ok || w.PID != pids[0] {
		t.Error("the worker is not known")
	}
}

func TestNoWorkerWithoutBothLeases(t *testing.T) {
	s, h, c := supervisor(t)
	refuse := func(why string, id schema.ClusterID) {
		t.Helper()
		if _, err := s.Worker(t.Context(), id); !errors.Is(err, ErrNoLease) {
			t.Errorf("%s: %v", why, err)
		}
	}
	refuse("nothing is leased", "a")
	refuse("nothing is leased", schema.ServiceCluster)
	s.Renew("a", c.in(time.Minute))
	refuse("the service's key is not leased", "a")
	s.Renew(schema.ServiceCluster, c.in(time.Minute))
	refuse("another cluster has no lease", "b")
	worker(t, s, schema.ServiceCluster)
	w := worker(t, s, "a")
	c.move(time.Minute)
	refuse("both leases have ended", "a")
	s.Renew("a", c.in(time.Minute))
	gone(t, w, limit) // told of a lease that is worth nothing, since the service's has ended
	refuse("the service's lease has ended", "a")
	if n := h.started("a"); n != 1 {
		t.Errorf("%d starts", n)
	}
}

func TestTheKernelEndsAWorkerAtTheEarlierLease(t *testing.T) {
	s, _, c := supervisor(t)
	const lease = 1500 * time.Millisecond
	s.Renew(schema.ServiceCluster, c.in(time.Hour))
	s.Renew("a", c.in(lease))
	begin := time.Now()
	w := worker(t, s, "a")
	if err := syscall.Kill(w.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	gone(t, w, limit)
	if took := time.Since(begin); took < lease-100*time.Millisecond {
		t.Errorf("it ended after %s, before its lease of %s", took, lease)
	}
	if _, ok := s.Running("a"); ok {
		t.Error("a worker that is gone is shown")
	}
}

func TestARenewalMovesTheDeadline(t *testing.T) {
	s, _, c := supervisor(t)
	s.Renew(schema.ServiceCluster, c.in(2*time.Second))
	s.Renew("a", c.in(2*time.Second))
	w := worker(t, s, "a")
	heard := func() int { f, _ := w.Flush(t.Context()); return f.Segments }
	n := heard()
	s.Renew("a", c.in(time.Hour))
	until(t, "the lease is heard", func() bool { return heard() > n })
	n = heard()
	s.Renew(schema.ServiceCluster, c.in(time.Hour)) // only now the earlier of them is an hour
	until(t, "the service's lease is heard", func() bool { return heard() > n })
	begin := time.Now()
	select {
	case <-w.Gone():
		t.Errorf("it ended %s after its lease was made longer", time.Since(begin))
	case <-time.After(2500 * time.Millisecond):
	}
	s.Renew("a", c.in(100*time.Millisecond)) // a stricter policy shortens
	gone(t, w, limit)
}

func TestADenialEndsAWorkerWithinASecond(t *testing.T) {
	s, _, c := leased(t, "a", "b", "stopped", "slow")
	a, b, stopped, service := worker(t, s, "a"), worker(t, s, "b"), worker(t, s, "stopped"), worker(t, s, schema.ServiceCluster)
	if err := syscall.Kill(stopped.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.Revoke("a", "denied")
	s.Revoke("stopped", "denied")
	gone(t, a, time.Second)
	gone(t, stopped, time.Second)
	if _, err := s.Worker(t.Context(), "a"); !errors.Is(err, ErrNoLease) {
		t.Errorf("a revoked domain: %v", err)
	}
	// One that is still starting has keys, too.
	failed := make(chan error, 1)
	go func() { _, err := s.Worker(context.Background(), "slow"); failed <- err }()
	var slow *Worker
	until(t, "it is starting", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d := s.seats["slow"]; d != nil {
			slow = d.process
		}
		return slow != nil
	})
	s.Revoke("slow", "denied")
	gone(t, slow, time.Second)
	if err := <-failed; !errors.Is(err, ErrNoLease) {
		t.Errorf("who waited for it was told %v", err)
	}
	s.Revoke(schema.ServiceCluster, "denied")
	gone(t, b, time.Second)
	gone(t, service, time.Second)

	// The key is back: another process, at once, and never two.
	s.Renew(schema.ServiceCluster, c.in(time.Hour))
	s.Renew("a", c.in(time.Hour))
	if again := worker(t, s, "a"); again.PID == a.PID {
		t.Error("the worker rose from the dead")
	}
}

func TestADomainNeverHasTwoProcesses(t *testing.T) {
	s, _, c := leased(t, "a")
	w := worker(t, s, "a")
	for range 5 {
		s.Revoke("a", "denied")
		s.Renew("a", c.in(time.Hour))
		next := worker(t, s, "a")
		select {
		case <-w.Gone():
		default:
			t.Fatal("a worker was started beside one that is not gone")
		}
		w = next
	}
	w.End("it can't be trusted")
	if next := worker(t, s, "a"); next == w {
		t.Error("a worker that was ended was handed out")
	}
}

func TestAWorkerThatEndsYoungIsNotStartedForEveryRequest(t *testing.T) {
	s, h, c := leased(t, "crash", "unfit", "lost", "chatty")
	ask := func(id schema.ClusterID) error {
		_, err := s.Worker(t.Context(), id)
		if err == nil {
			t.Fatalf("%s started", id)
		}
		return err
	}
	for _, test := range []struct {
		id   schema.ClusterID
		want error
	}{{"crash", fault.ServiceUnavailable}, {"unfit", fault.CustomerManagedKeyDamaged}, {"lost", nil}} {
		for range 3 {
			if err := ask(test.id); test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s: %v", test.id, err)
			}
		}
		if n := h.started(test.id); n != 1 {
			t.Errorf("%s was started %d times at once", test.id, n)
		}
		c.move(11 * time.Second)
		ask(test.id)
		ask(test.id)
		if n := h.started(test.id); n != 2 {
			t.Errorf("%s was started %d times after a rest", test.id, n)
		}
		// With a new lease after a denial the count begins anew.
		s.Revoke(test.id, "denied")
		s.Renew(test.id, c.in(time.Hour))
		ask(test.id)
		if n := h.started(test.id); n != 3 {
			t.Errorf("%s was not tried when its key came back", test.id)
		}
	}
	worker(t, s, "chatty") // a line without end on its standard error does not hang it
}

func TestTheEndOfAWorkerUnderACallIsAFaultToTryAgain(t *testing.T) {
	s, _, _ := leased(t, "a")
	w := worker(t, s, "a")
	err := w.Drop(t.Context(), wire.Drop{}) // of which this worker dies
	if !errors.Is(err, ErrGone) || !errors.Is(err, fault.ServiceUnavailable) {
		t.Errorf("%v", err)
	}
	gone(t, w, limit)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Query(ctx, wire.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away: %v", err)
	}
}

func TestSettledWaitsForAStart(t *testing.T) {
	s, _, _ := leased(t, "slow", "a")
	if w, ok, err := s.Settled(t.Context(), "a"); ok || err != nil {
		t.Errorf("%v %v", w, err)
	}
	a := worker(t, s, "a")
	if w, ok, err := s.Settled(t.Context(), "a"); !ok || err != nil || w != a {
		t.Errorf("%v %t %v", w, ok, err)
	}
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		s.Worker(context.Background(), "slow")
	}()
	until(t, "it is starting", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		d := s.seats["slow"]
		return d != nil && d.process != nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := s.Settled(ctx, "slow"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it starts: %v", err)
	}
	s.Revoke("slow", "denied")
	if _, ok, err := s.Settled(t.Context(), "slow"); ok || err != nil {
		t.Errorf("after its end: %t %v", ok, err)
	}
	<-begun
}

func TestCloseEndsEverythingThatWasStarted(t *testing.T) {
	s, _, _ := leased(t, "a", "slow")
	a := worker(t, s, "a")
	failed := make(chan error, 1)
	go func() { _, err := s.Worker(context.Background(), "slow"); failed <- err }()
	var slow *Worker
	until(t, "it is starting", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d := s.seats["slow"]; d != nil {
			slow = d.process
		}
		return slow != nil
	})
	s.Close()
	for _, w := range []*Worker{a, slow} {
		select {
		case <-w.Gone():
		default:
			t.Errorf("worker %d outlives Close", w.PID)
		}
	}
	if err := <-failed; err == nil {
		t.Error("a worker was handed out by a closed supervisor")
	}
	if _, err := s.Worker(t.Context(), "a"); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("after Close: %v", err)
	}
}
