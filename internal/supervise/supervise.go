// Package supervise is the keeper's side of workers: it starts them when they
// are needed, keeps them alive while every key that they hold is leased, and
// ends them at once when one is denied.
//
// There are two kinds. Of writers each key domain has at most one: it alone
// changes what lies on the disk. Readers answer queries; each has a Holding. A
// process lives on the leases of all clusters whose keys it may have, and on the
// service key's, since it holds keys under that, too. The earliest of them is
// its deadline, which the kernel enforces even if this process is gone (see
// worker/deadline). Who lacks a valid lease has no process and can't get one.
package supervise

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/tunnel"
	"logkeep/internal/worker/deadline"
	"logkeep/internal/worker/wire"
)

// ErrNoLease is the answer when a domain's keys don't allow it a worker.
var ErrNoLease = errors.New("the key domain has no valid lease")

// A Host answers what workers ask of the keeper.
type Host interface {
	// Accounts lists what the domain's writer has to open.
	Accounts(ctx context.Context, domain schema.ClusterID) ([]wire.Account, error)
	// Account says what a reader must know to open one, as it is now.
	Account(ctx context.Context, h Holding, id schema.AccountID) (wire.Account, error)
	// Manifest is an account's manifest as it is now, for a reader.
	Manifest(ctx context.Context, h Holding, of wire.ManifestOf) (wire.Manifest, error)
	// Token gives a token of an identity whose keys the process needs.
	Token(ctx context.Context, clusters []schema.ClusterID, r wire.TokenRequest) (wire.Token, error)
	// Commit makes a change of an account's manifest durable.
	Commit(ctx context.Context, domain schema.ClusterID, c wire.Commit) error
	// SpoolKey takes a new key pair for an account's spool into use.
	SpoolKey(ctx context.Context, domain schema.ClusterID, k wire.SpoolKey) error
	// Objects serves the process the objects of accounts that lie in a bucket; nil if
	// they lie on the disk. It is asked before the process starts.
	Objects(h Holding) http.Handler
	// Spooled notes that a file of a spool was imported.
	Spooled(ctx context.Context, domain schema.ClusterID, s wire.Spooled) error
}

// A Config says how workers run.
type Config struct {
	Command  []string // that becomes a worker
	Runtime  string   // folder for sockets, 0700
	Accounts string   // folder of all accounts' data: DOMAIN/ACCOUNT
	Service  string   // URI of the service's own vault
	Roots    []byte   // PEM: authorities of vaults' certificates
	Signer   []byte   // PKIX: whose signature wrap records must have
	Memory   int64    // bytes that all workers together may have; 0: a GiB
	Flush    wire.Flush
	Policy   *tunnel.Policy
	Host     Host
	Now      func() time.Time // the clock of leases: keyring.BootClock
	Log      *slog.Logger

	// Revoked is told how long after Revoke a process that lived on the key
	// was gone; may be nil.
	Revoked func(key schema.ClusterID, took time.Duration)
}

// A Supervisor holds the workers. It is safe for concurrent use.
type Supervisor struct {
	cfg     Config
	mu      sync.Mutex
	seats   map[string]*seat
	leases  map[schema.ClusterID]time.Time // their ends; the service key's is the service's
	sockets int
	closed  bool
}

// A seat is what a process is started for, and the process, if there is one.
type seat struct {
	name    string // of a writer: its domain
	holding Holding
	worker  *Worker   // that answers; nil if there is none
	process *Worker   // the newest, from its start until it is gone: there are never two
	start   *start    // not nil while a worker is being started
	begun   int       // starts, of all time
	crashes int       // starts that failed and workers that ended young, in a row
	rest    time.Time // no new start before
	failed  error     // why the last one failed

	uses  int                // queries that a reader is held for
	first []schema.AccountID // that a query names: a new reader begins with them
	used  time.Time          // when it was held last
	idle  *time.Timer        // ends a reader that nobody uses
}

// A start is one attempt to start a worker. Whoever needs one waits for it.
type start struct {
	done   chan struct{} // closed when it is over; then the others are set
	worker *Worker
	err    error
}

// end kills the seat's process, if any, ready or not.
func (d *seat) end(reason string) {
	if d.process != nil {
		d.process.kill(reason)
	}
	d.worker = nil
}

// ready reports whether the seat's worker can be called.
func (d *seat) ready() bool { return d.worker != nil && !d.worker.asked() }

// New returns a Supervisor without workers.
func New(cfg Config) *Supervisor {
	return &Supervisor{cfg: cfg, seats: map[string]*seat{}, leases: map[schema.ClusterID]time.Time{}}
}

// writer is the seat of a domain's writer.
func (s *Supervisor) writer(id schema.ClusterID) *seat {
	return s.seat(string(id), Holding{Clusters: []schema.ClusterID{id}})
}

func (s *Supervisor) seat(name string, h Holding) *seat {
	d := s.seats[name]
	if d == nil {
		d = &seat{name: name, holding: h}
		s.seats[name] = d
	}
	return d
}

// Renew extends the lease of a cluster's key, or of the service key, to until.
func (s *Supervisor) Renew(key schema.ClusterID, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	back := s.leases[key].IsZero() && key != schema.ServiceCluster
	s.leases[key] = until
	for _, d := range s.seats {
		if !d.holding.lives(key) {
			continue
		}
		if back {
			d.crashes, d.rest = 0, time.Time{} // the key is back: what failed for want of it may work now
		}
		s.move(d)
	}
}

// Revoke ends the lease of a cluster's key, or of the service key, and kills
// every worker that lived on it. It does not wait for their end; Gone tells it.
func (s *Supervisor) Revoke(key schema.ClusterID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, key)
	for _, d := range s.seats {
		if d.holding.lives(key) {
			if d.process != nil {
				d.process.deny(key)
			}
			d.end(reason)
		}
	}
}

// until is when the first of the seat's leases ends; zero if it lacks one.
func (s *Supervisor) until(d *seat) time.Time {
	end := s.leases[schema.ServiceCluster]
	for _, key := range d.holding.Clusters {
		if at := s.leases[key]; at.Before(end) {
			end = at
		}
	}
	return end
}

// deadline says a time of the leases' clock in the words of the kernel.
func (s *Supervisor) deadline(until time.Time) deadline.Boottime {
	return deadline.After(until.Sub(s.cfg.Now()))
}

// move tells the seat's process, if any, its new deadline.
func (s *Supervisor) move(d *seat) {
	if d.process == nil {
		return
	}
	until := s.until(d)
	if !until.After(s.cfg.Now()) {
		d.end("its lease has ended")
		return
	}
	at := s.deadline(until)
	d.process.tell(func(l *wire.Lease) { l.Deadline = at })
}

// Worker returns the domain's writer and starts one if need be. The error is
// ErrNoLease if the keys don't allow one.
func (s *Supervisor) Worker(ctx context.Context, id schema.ClusterID) (*Worker, error) {
	return s.sit(ctx, func() *seat { return s.writer(id) })
}

// sit returns the worker of a seat, which is looked up with mu held.
func (s *Supervisor) sit(ctx context.Context, which func() *seat) (*Worker, error) {
	for {
		w, begun, leaving, err := s.next(ctx, which)
		switch {
		case w != nil || err != nil:
			return w, err
		case begun != nil:
			select {
			case <-begun.done:
				return begun.worker, begun.err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		select {
		case <-leaving:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// next is what to do for a worker: use this one, wait for this start, or come
// again when the one before is gone.
func (s *Supervisor) next(ctx context.Context, which func() *seat) (w *Worker, begun *start, leaving <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := which()
	now := s.cfg.Now()
	switch {
	case s.closed:
		return nil, nil, nil, http.ErrServerClosed
	case !s.until(d).After(now):
		return nil, nil, nil, ErrNoLease
	case d.start != nil:
		return nil, d.start, nil, nil
	case d.ready():
		d.worker.touch()
		return d.worker, nil, nil, nil
	case d.process != nil:
		return nil, nil, d.process.gone, nil
	case now.Before(d.rest):
		return nil, nil, nil, d.failed
	}
	if leaving, err = s.place(d); leaving != nil || err != nil {
		return nil, nil, leaving, err
	}
	d.start = &start{done: make(chan struct{})}
	d.begun++
	s.sockets++
	// The start is not the caller's alone: others wait for it.
	go s.launch(context.WithoutCancel(ctx), d, s.sockets)
	return nil, d.start, nil, nil
}

// Settled returns the domain's writer, if it has one, when none is starting or
// ending. It is for who changes what a worker is told at its start.
func (s *Supervisor) Settled(ctx context.Context, id schema.ClusterID) (w *Worker, ok bool, err error) {
	for {
		s.mu.Lock()
		d := s.writer(id)
		var over <-chan struct{}
		switch {
		case d.start != nil:
			over = d.start.done
		case d.ready():
			w = d.worker
		case d.process != nil:
			over = d.process.gone
		}
		s.mu.Unlock()
		if over == nil {
			return w, w != nil, nil
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// Running returns the domain's writer if there is one.
func (s *Supervisor) Running(id schema.ClusterID) (*Worker, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.seats[string(id)]
	if d == nil || !d.ready() {
		return nil, false
	}
	return d.worker, true
}

// Resting reports whether the domain has no writer, nor one that is starting or
// ending, and how many were started before. While the number stays the same,
// nobody changes what lies on the disk.
func (s *Supervisor) Resting(id schema.ClusterID) (begun int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.writer(id)
	return d.begun, d.start == nil && d.process == nil
}

// young is how long a worker must live for its end not to count as a failure to start.
const young = 5 * time.Second

// ended is called when a worker's process is gone.
func (s *Supervisor) ended(d *seat, w *Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.worker, d.process = nil, nil
	s.balance()
	switch {
	case time.Since(w.Started) > young:
		d.crashes, d.rest = 0, time.Time{}
	case !w.asked():
		s.stumbled(d, fault.New(fault.ServiceUnavailable, "The part of the service that holds this data ends soon after its start. The operator finds the cause in the server's log.").Because(ErrGone))
	}
	s.leave(d)
}

// stumbled puts the next start off, longer each time, up to ten seconds, so
// that a start that can't succeed is not tried for every request.
func (s *Supervisor) stumbled(d *seat, err error) {
	d.crashes++
	d.rest, d.failed = s.cfg.Now().Add(min(time.Duration(d.crashes)*250*time.Millisecond, 10*time.Second)), err
}

// Close stops every worker: each flushes nothing, loses nothing (its journal is
// durable), and is gone when Close returns.
func (s *Supervisor) Close() {
	s.mu.Lock()
	s.closed = true
	var all []*Worker
	var begun []*start
	for _, d := range s.seats {
		if d.start != nil {
			begun = append(begun, d.start)
		}
		if d.process != nil {
			all = append(all, d.process)
			d.worker = nil
		}
	}
	s.mu.Unlock()
	for _, w := range all {
		w.stop()
	}
	for _, w := range all {
		select {
		case <-w.gone:
		case <-time.After(5 * time.Second):
			w.kill("it did not stop when asked")
			<-w.gone
		}
	}
	for _, b := range begun {
		<-b.done
	}
}
