package supervise

import (
	"io"
	"sync"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/worker/wire"
)

// All workers share one budget (design 0042). Each process has parts of it, a
// reader several, since it keeps columns and computes; and the parts are the
// larger the fewer processes there are. There are never so many that a part would
// be too small to work with: who needs one more takes the place of one that
// nobody asks anything, and if there is none, is told to come again.
const (
	writerParts = 1
	readerParts = 4
	leastPart   = 64 << 20
	leastIdle   = 2 * time.Second // how long a writer was asked nothing whose place is taken
)

func (d *seat) parts() int64 {
	if d.holding.Reads {
		return readerParts
	}
	return writerParts
}

// parts are those of all processes that there are or will be. It needs mu.
func (s *Supervisor) parts() (n int64) {
	for _, d := range s.seats {
		if d.process != nil || d.start != nil {
			n += d.parts()
		}
	}
	return n
}

// budget is what all workers may have; one of each kind fits in any case.
func (s *Supervisor) budget() int64 {
	total := s.cfg.Memory
	if total == 0 {
		total = 1 << 30
	}
	return max(total, (writerParts+readerParts)*leastPart)
}

// share is what a seat's process may have at this moment. It needs mu.
func (s *Supervisor) share(d *seat) wire.Memory {
	return wire.Share(s.budget()/max(1, s.parts())*d.parts(), d.holding.Reads)
}

// balance tells every process its share. It needs mu.
func (s *Supervisor) balance() {
	for _, d := range s.seats {
		if d.process != nil {
			m := s.share(d)
			d.process.tell(func(l *wire.Lease) { l.Memory = m })
		}
	}
}

// place makes sure that a seat's process has enough memory, with one more than
// there are. If another one leaves for it, the channel is closed when it is gone.
// It needs mu.
func (s *Supervisor) place(d *seat) (leaving <-chan struct{}, err error) {
	if (s.parts()+d.parts())*leastPart <= s.budget() {
		return nil, nil
	}
	var idlest *seat
	for _, other := range s.seats {
		switch {
		case other.process == nil || other.start != nil:
		case other.process.asked(): // it is leaving
			return other.process.gone, nil
		case other.idleSince().IsZero():
		case idlest == nil, other.parts() > idlest.parts(),
			other.parts() == idlest.parts() && other.idleSince().Before(idlest.idleSince()):
			idlest = other
		}
	}
	if idlest == nil {
		return nil, fault.New(fault.TooManyRequests, "The memory of this server is in use by requests under other keys. Try again when they have ended.").WithRetryAfter(5)
	}
	leaving = idlest.process.gone
	s.cfg.Log.Info("a worker leaves, for its memory", "for", idlest.name, "next", d.name)
	if idlest.holding.Reads {
		idlest.end("another one needs its memory")
		s.leave(idlest)
		return leaving, nil
	}
	idlest.worker = nil
	w := idlest.process
	w.stop() // in order; what is only in its journals stays there
	time.AfterFunc(5*time.Second, func() { w.kill("it did not stop when asked") })
	return leaving, nil
}

// idleSince is since when nobody asks the seat's process anything; zero if
// somebody does.
func (d *seat) idleSince() time.Time {
	if d.holding.Reads {
		if d.uses > 0 {
			return time.Time{}
		}
		return d.used
	}
	w := d.process
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls > 0 || time.Since(w.asking) < leastIdle {
		return time.Time{}
	}
	return w.asking
}

// touch notes that somebody is about to ask the worker.
func (w *Worker) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asking = time.Now()
}

func (w *Worker) begun() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.asking = time.Now()
}

func (w *Worker) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls--
	w.asking = time.Now()
}

// An answering is an answer that is being read.
type answering struct {
	io.ReadCloser
	worker *Worker
	once   sync.Once
}

// Close implements io.Closer.
func (a *answering) Close() error {
	a.once.Do(a.worker.done)
	return a.ReadCloser.Close()
}
