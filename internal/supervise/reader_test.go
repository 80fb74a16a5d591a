package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/schema"
)

// of is a holding of the first account of each cluster.
func of(clusters ...schema.ClusterID) Holding {
	h := Holding{Clusters: clusters}
	for _, c := range clusters {
		h.Accounts = append(h.Accounts, Located{c, schema.AccountID(c) + "-0"})
	}
	return h
}

func reader(t *testing.T, s *Supervisor, h Holding) (*Worker, func()) {
	t.Helper()
	w, release, err := s.Reader(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return w, release
}

func TestAReaderLivesOnAllItsLeases(t *testing.T) {
	s, _, c := leased(t, "a", "b", "c")
	other, release := reader(t, s, of("c"))
	defer release()
	for _, key := range []schema.ClusterID{"a", "b", schema.ServiceCluster} {
		w, release := reader(t, s, of("a", "b"))
		writer := worker(t, s, "a")
		s.Revoke(key, "denied")
		gone(t, w, limit)
		if _, _, err := s.Reader(t.Context(), of("a", "b")); !errors.Is(err, ErrNoLease) {
			t.Errorf("without the lease of %s: %v", key, err)
		}
		release()
		if key == "b" {
			if again := worker(t, s, "a"); again != writer {
				t.Error("the writer of a ended with the key of b")
			}
			if again, release := reader(t, s, of("c")); again != other {
				t.Error("a reader ended with a key that it has not")
			} else {
				release()
			}
		}
		s.Renew(key, c.in(time.Hour))
	}
	// The earliest counts: the kernel ends it.
	w, release := reader(t, s, of("a", "b"))
	defer release()
	s.Renew("b", c.in(200*time.Millisecond))
	gone(t, w, limit)
}

func TestAReaderIsKeptForItsHolding(t *testing.T) {
	s, h, _ := leased(t, "a", "b")
	one, release := reader(t, s, of("a", "b"))
	same, again := reader(t, s, of("a", "b"))
	if one != same {
		t.Error("two readers of one holding")
	}
	domain, third := reader(t, s, Holding{Clusters: []schema.ClusterID{"a"}})
	if domain == one || h.started("a") != 0 {
		t.Errorf("%d writers were started for readers", h.started("a"))
	}
	release()
	again()
	third()
	if w, release := reader(t, s, of("a", "b")); w != one {
		t.Error("it was not kept")
	} else {
		release()
	}
	find := func(a Located) (pids []int) {
		for _, r := range s.Readers(a) {
			pids = append(pids, r.PID)
		}
		slices.Sort(pids)
		return pids
	}
	both := []int{one.PID, domain.PID}
	slices.Sort(both)
	if got := find(Located{"a", "a-0"}); !slices.Equal(got, both) {
		t.Errorf("readers of a's first account: %v, want %v", got, both)
	}
	if got := find(Located{"a", "a-1"}); !slices.Equal(got, []int{domain.PID}) {
		t.Errorf("readers of a's second account: %v", got)
	}
	if got := find(Located{"service", "a-0"}); len(got) != 0 {
		t.Errorf("readers of an account that lies elsewhere: %v", got)
	}
	if n := len(s.Living("a")); n != 2 {
		t.Errorf("%d readers live on a", n)
	}
	one.End("a test wants it")
	gone(t, one, limit)
	until(t, "it is forgotten", func() bool { return len(s.Living("a")) == 1 })
}

func TestReadersOverSeveralKeysAreFew(t *testing.T) {
	var names []schema.ClusterID
	for i := range most + 2 {
		names = append(names, schema.ClusterID(fmt.Sprint("k", i)))
	}
	s, _, _ := leased(t, names...)
	var all []*Worker
	var releases []func()
	for _, name := range names[:most] {
		w, release := reader(t, s, of(name))
		all, releases = append(all, w), append(releases, release)
	}
	_, none, err := s.Reader(t.Context(), of(names[most]))
	none()
	if f := fault.Of(err); f.Code != fault.TooManyRequests || f.RetryAfter() == 0 {
		t.Errorf("one more: %v", err)
	}
	releases[2]()
	releases[1]()
	_, release := reader(t, s, of(names[most])) // the one goes that was idle longest
	gone(t, all[2], limit)
	select {
	case <-all[1].Gone():
		t.Error("more than one went")
	default:
	}
	release()
	releases[0]()
	releases[3]()
	if _, _, err := s.Reader(context.Background(), Holding{Clusters: []schema.ClusterID{names[0]}}); err != nil {
		t.Errorf("a reader of one domain: %v", err)
	}
}
