package supervise

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// A Holding is what a process may have. A writer's is its domain.
type Holding struct {
	// Clusters are those whose leases it lives on and whose identities' tokens
	// it may ask for: at least one, ServiceCluster if no customer's key is needed.
	Clusters []schema.ClusterID
	// Accounts are those that a reader may open; none means all of its only
	// cluster's domain.
	Accounts []Located
	// Reads is set for readers: no change that they offer is taken.
	Reads bool
}

// Located is an account and the key domain whose folder it lies in.
type Located struct {
	Domain  schema.ClusterID
	Account schema.AccountID
}

// lives reports whether a process with the holding lives on a key.
func (h Holding) lives(key schema.ClusterID) bool {
	return key == schema.ServiceCluster || slices.Contains(h.Clusters, key)
}

// folders are what the process sees of the file system.
func (h Holding) folders(accounts string) []string {
	if len(h.Accounts) == 0 {
		return []string{filepath.Join(accounts, string(h.Clusters[0]))}
	}
	var list []string
	for _, a := range h.Accounts {
		list = append(list, filepath.Join(accounts, string(a.Domain), string(a.Account)))
	}
	return list
}

// May reports whether a process with the holding may open an account that lies
// in a domain now.
func (h Holding) May(a Located) bool {
	if len(h.Accounts) == 0 {
		return h.Clusters[0] == a.Domain
	}
	return slices.Contains(h.Accounts, a)
}

// name is the same for the same holding.
func (h Holding) name() string {
	var b strings.Builder
	b.WriteString("readers of")
	for _, c := range h.Clusters {
		b.WriteString(" " + string(c))
	}
	for _, a := range h.Accounts {
		b.WriteString(" " + string(a.Domain) + "/" + string(a.Account))
	}
	return b.String()
}

// Bounds of readers. Those of one domain are bounded by the domains.
const (
	spare    = time.Minute      // how long one over several domains waits for its next query
	patience = 10 * time.Minute // and one of one domain
	most     = 4                // how many of the first kind there are
)

func (h Holding) wait() time.Duration {
	if len(h.Accounts) > 0 {
		return spare
	}
	return patience
}

// Reader returns a reader with exactly this holding, whose lists are sorted, and
// starts one if there is none. It lives at least until release is called, but
// for its leases. Release is never nil. A new reader begins at once to open the
// accounts in first, which are those of the query that waits for it.
func (s *Supervisor) Reader(ctx context.Context, h Holding, first ...schema.AccountID) (w *Worker, release func(), err error) {
	h.Reads = true
	name := h.name()
	s.mu.Lock()
	if !s.room(name, h) {
		s.mu.Unlock()
		return nil, func() {}, fault.New(fault.TooManyRequests, "Too many queries over several keys run at once. Try again, or ask each workspace for itself.").WithRetryAfter(5)
	}
	d := s.seat(name, h)
	d.first = first
	d.uses++
	if d.idle != nil {
		d.idle.Stop()
		d.idle = nil
	}
	s.mu.Unlock()
	w, err = s.sit(ctx, func() *seat { return d })
	return w, func() { s.release(d) }, err
}

// room makes sure that there are not too many readers over several domains: the
// one goes that was idle longest. It needs mu.
func (s *Supervisor) room(name string, h Holding) bool {
	if len(h.Accounts) == 0 || s.seats[name] != nil {
		return true
	}
	var oldest *seat
	n := 0
	for _, d := range s.seats {
		if len(d.holding.Accounts) == 0 {
			continue
		}
		n++
		if d.uses == 0 && (oldest == nil || d.used.Before(oldest.used)) {
			oldest = d
		}
	}
	if n < most {
		return true
	}
	if oldest == nil {
		return false
	}
	oldest.end("another reader needs its place")
	s.leave(oldest)
	return true
}

// release ends one use of a reader. The last one begins its wait.
func (s *Supervisor) release(d *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.uses--
	d.used = time.Now()
	if d.uses > 0 || s.closed {
		return
	}
	d.idle = time.AfterFunc(d.holding.wait(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.uses == 0 {
			d.end("nobody asks it")
			s.leave(d)
		}
	})
	s.leave(d)
}

// leave forgets the seat of a reader that is over: it has no process that could
// be asked and nobody holds it. It needs mu.
func (s *Supervisor) leave(d *seat) {
	if !d.holding.Reads || d.uses > 0 || d.start != nil || d.ready() || s.seats[d.name] != d {
		return
	}
	if d.idle != nil {
		d.idle.Stop()
	}
	if d.process == nil {
		delete(s.seats, d.name)
	}
}

// Readers returns the readers that may have an account open.
func (s *Supervisor) Readers(a Located) []*Worker {
	return s.reading(func(d *seat) *Worker {
		if d.holding.May(a) {
			return d.process
		}
		return nil
	})
}

// Living returns the readers that live on a key.
func (s *Supervisor) Living(key schema.ClusterID) []*Worker {
	return s.reading(func(d *seat) *Worker {
		if slices.Contains(d.holding.Clusters, key) {
			return d.process
		}
		return nil
	})
}

// Reading returns the reader that lives on a key, is not being ended, and has done so
// for longest.
func (s *Supervisor) Reading(key schema.ClusterID) (w *Worker, ok bool) {
	all := s.reading(func(d *seat) *Worker {
		if d.ready() && slices.Contains(d.holding.Clusters, key) {
			return d.worker
		}
		return nil
	})
	if len(all) == 0 {
		return nil, false
	}
	return slices.MinFunc(all, func(a, b *Worker) int { return a.Started.Compare(b.Started) }), true
}

// reading is what a function tells of readers' seats, but for nil.
func (s *Supervisor) reading(of func(*seat) *Worker) (all []*Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.seats {
		if !d.holding.Reads {
			continue
		}
		if w := of(d); w != nil {
			all = append(all, w)
		}
	}
	return all
}
