package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"logkeep/internal/schema"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/wire"
)

// A Worker is a running worker process and the client of its socket.
type Worker struct {
	Holding Holding
	PID     int
	Started time.Time

	seat   *seat
	socket string
	http   *http.Client
	input  io.WriteCloser
	lines  chan struct{} // holds one if next was not written yet
	host   *http.Server
	proc   *os.Process

	inBucket bool          // its accounts lie in a bucket
	gone     chan struct{} // closed when the process has been reaped

	mu     sync.Mutex
	next   wire.Lease       // what the process is told next
	calls  int              // that it has not answered to the end
	asking time.Time        // when the last one began, or somebody was given the worker to ask
	reason string           // why it was ended, if we ended it
	denied time.Time        // when a key was, if that was it
	key    schema.ClusterID // whose
}

// deny notes that the process is to end because a key was denied.
func (w *Worker) deny(key schema.ClusterID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.denied.IsZero() {
		w.denied, w.key = time.Now(), key
	}
}

// launch carries out d.start: it starts a worker and has it open its accounts.
func (s *Supervisor) launch(ctx context.Context, d *seat, n int) {
	w, err := s.open(ctx, d, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && (s.closed || w.asked() || !s.until(d).After(s.cfg.Now())) {
		d.end("its lease ended while it started")
		err = ErrNoLease
	}
	switch {
	case err == nil:
		d.worker, d.start.worker = w, w
	case !errors.Is(err, ErrNoLease):
		s.stumbled(d, err)
	}
	d.start.err = err
	close(d.start.done)
	d.start = nil
}

func (s *Supervisor) open(ctx context.Context, d *seat, n int) (*Worker, error) {
	var accounts []wire.Account
	if !d.holding.Reads {
		var err error
		if accounts, err = s.cfg.Host.Accounts(ctx, d.holding.Clusters[0]); err != nil {
			return nil, fmt.Errorf("start a worker for %s: %w", d.name, err)
		}
	}
	w := &Worker{
		Holding: d.holding,
		Started: time.Now(),
		seat:    d,
		socket:  filepath.Join(s.cfg.Runtime, strconv.Itoa(n)+".worker"),
		lines:   make(chan struct{}, 1),
		gone:    make(chan struct{}),
	}
	if err := s.spawn(w, d); err != nil {
		return nil, fmt.Errorf("start a worker for %s: %w", d.name, err)
	}
	s.mu.Lock()
	expect := d.first
	s.mu.Unlock()
	if err := w.Open(ctx, wire.Open{Accounts: accounts, Expect: expect}); err != nil {
		if w.asked() {
			err = ErrNoLease
		}
		w.kill("it could not open its accounts")
		<-w.gone
		return nil, err
	}
	s.cfg.Log.Info("worker started", "for", d.name, "pid", w.PID, "accounts", len(accounts), "took", time.Since(w.Started).Round(time.Millisecond))
	return w, nil
}

// spawn starts the process. On success its reaper runs, and whoever ends the
// domain's lease from now on ends it.
func (s *Supervisor) spawn(w *Worker, d *seat) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.socket, Net: "unix"})
	if err != nil {
		return err
	}
	// The worker alone keeps the socket: when it dies, callers see it at once.
	l.SetUnlinkOnClose(false)
	defer l.Close()
	file, err := l.File()
	if err != nil {
		return err
	}
	defer file.Close()
	host, channel, err := tunnel.Channel()
	if err != nil {
		return err
	}
	defer channel.Close()
	objects := s.cfg.Host.Objects(w.Holding)
	w.inBucket = objects != nil
	w.host = &http.Server{Handler: s.hostFace(w.Holding, objects)}
	go w.host.Serve(host)

	cmd := exec.Command(s.cfg.Command[0], s.cfg.Command[1:]...)
	// The worker can't look for itself how many processors it may use.
	cmd.Env = []string{"GOTRACEBACK=none", "LANG=C.UTF-8", wire.Late, "GOMAXPROCS=" + strconv.Itoa(runtime.GOMAXPROCS(0))}
	folders := w.Holding.folders(s.cfg.Accounts)
	if w.Holding.Reads {
		cmd.Env = append(cmd.Env, wire.ReadVariable+"="+strings.Join(folders, "\n"))
	} else {
		cmd.Env = append(cmd.Env, wire.FolderVariable+"="+folders[0])
	}
	cmd.ExtraFiles = []*os.File{file, channel} // wire.ListenerFD, wire.ChannelFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		w.input, err = cmd.StdinPipe()
	}
	if err == nil && len(w.Holding.Accounts) == 0 {
		err = os.MkdirAll(folders[0], 0o700)
	}
	w.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			c, err := dialer.DialContext(ctx, "unix", w.socket)
			if err != nil {
				return nil, err
			}
			return wideConn{c}, nil
		},
		DisableCompression: true, MaxIdleConnsPerHost: 256, // as many clients may send rows at a time
	}}
	var first []byte
	if err == nil {
		first, err = s.begin(w, d, cmd)
	}
	if err != nil {
		w.host.Close()
		return err
	}
	go w.feed(first)
	go s.reap(cmd, w, stderr)
	return nil
}

// begin starts the command if the seat still has its leases, and words what the
// process reads first.
func (s *Supervisor) begin(w *Worker, d *seat, cmd *exec.Cmd) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := s.until(d)
	if s.closed || !until.After(s.cfg.Now()) {
		return nil, ErrNoLease
	}
	w.next = wire.Lease{Deadline: s.deadline(until), Memory: s.share(d)}
	first, err := json.Marshal(wire.Start{
		Domain: w.Holding.Clusters[0], Reads: w.Holding.Reads, Deadline: w.next.Deadline,
		Service: s.cfg.Service, Roots: s.cfg.Roots, Signer: s.cfg.Signer, Memory: w.next.Memory, Flush: s.cfg.Flush, InBucket: w.inBucket,
	})
	if err != nil {
		panic("internal error: a start can't be written: " + err.Error())
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w.proc, w.PID = cmd.Process, cmd.Process.Pid
	d.process = w
	s.balance()
	return first, nil
}

// feed writes the start and then every new deadline to the worker's input.
func (w *Worker) feed(first []byte) {
	defer w.input.Close()
	if _, err := w.input.Write(append(first, '\n')); err != nil {
		return
	}
	for {
		select {
		case <-w.lines:
			w.mu.Lock()
			line, _ := json.Marshal(w.next)
			w.mu.Unlock()
			if _, err := w.input.Write(append(line, '\n')); err != nil {
				return
			}
		case <-w.gone:
			return
		}
	}
}

// reap logs what the worker says, waits for its end and cleans up after it.
func (s *Supervisor) reap(cmd *exec.Cmd, w *Worker, stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		s.cfg.Log.Warn("worker says", "for", w.seat.name, "pid", w.PID, "text", lines.Text())
	}
	io.Copy(io.Discard, stderr) // after a line too long to be one: a full pipe would stop the worker
	err := cmd.Wait()
	ended := time.Now()
	w.host.Close()
	w.http.CloseIdleConnections()
	os.Remove(w.socket)
	s.ended(w.seat, w)
	close(w.gone)
	w.mu.Lock()
	reason, denied, key := w.reason, w.denied, w.key
	w.mu.Unlock()
	if !denied.IsZero() && s.cfg.Revoked != nil {
		s.cfg.Revoked(key, ended.Sub(denied))
	}
	switch {
	case reason != "":
		s.cfg.Log.Info("worker ended", "for", w.seat.name, "pid", w.PID, "reason", reason)
	case err != nil:
		s.cfg.Log.Error("worker ended by itself", "for", w.seat.name, "pid", w.PID, "how", err.Error())
	default:
		s.cfg.Log.Info("worker ended", "for", w.seat.name, "pid", w.PID)
	}
}

// tell hands on a deadline, or a share of the memory: what was not written yet is
// replaced.
func (w *Worker) tell(change func(*wire.Lease)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.next
	if change(&w.next); w.next == before {
		return
	}
	select {
	case w.lines <- struct{}{}:
	default: // the line that is written next has it
	}
}

// kill ends the process now.
func (w *Worker) kill(reason string) {
	w.mu.Lock()
	if w.reason == "" {
		w.reason = reason
	}
	w.mu.Unlock()
	w.proc.Kill()
}

// End ends a worker that can't be trusted with its work any more.
func (w *Worker) End(reason string) { w.kill(reason) }

// stop asks the process to end: it closes its input.
func (w *Worker) stop() {
	w.mu.Lock()
	if w.reason == "" {
		w.reason = "the server stops"
	}
	w.mu.Unlock()
	w.input.Close()
}

// asked reports whether we ended it.
func (w *Worker) asked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason != ""
}

// Gone is closed when the process has ended and was reaped.
func (w *Worker) Gone() <-chan struct{} { return w.gone }
