package keyring

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
)

var (
	oneSeed = flag.Uint64("seed", 0, "simulate this schedule alone, and print it")
	seeds   = flag.Uint64("seeds", 200, "simulate so many schedules")
)

// TestSimulate drives a ring through schedules of trouble and looks, after
// every step and at every grant, whether what the vault really answered allows
// what the workers have. It knows nothing of states.
func TestSimulate(t *testing.T) {
	first, last := uint64(1), *seeds
	if testing.Short() {
		last = min(last, 50)
	}
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		if t.Failed() {
			t.Fatalf("schedule %d failed; go test ./internal/keyring -run TestSimulate -seed %d", seed, seed)
		}
	}
	t.Logf("schedules %d to %d", first, last)
}

// TestSimulateMachine does the same to the machine alone, with questions that
// overtake one another, at no cost: answers come late, twice as old as a newer
// one, or never.
func TestSimulateMachine(t *testing.T) {
	for seed := uint64(1); seed <= 5000; seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		p := Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 25 * time.Second, Grace: time.Duration(rng.IntN(3)) * 40 * time.Second}
		now := time.Unix(1e9, 0)
		m := newMachine(now, Verdict{})
		type question struct {
			ask   Ask
			asked int // how many refusals the machine had heard when it was asked
		}
		var (
			open     []question
			until    time.Time // of the workers
			refusals int
			proofs   []question // every yes that was heard
		)
		for range 200 {
			now = now.Add(time.Duration(rng.Int64N(int64(15 * time.Second))))
			e := Event{At: now}
			if len(open) > 0 && rng.IntN(3) > 0 {
				i := rng.IntN(len(open))
				q := open[i]
				open = append(open[:i:i], open[i+1:]...)
				e.Ask, e.Said, e.Reason = q.ask, []Said{Nothing, Yes, Yes, Yes, No, Nonsense}[rng.IntN(6)], "said"
				if e.Said == Yes {
					proofs = append(proofs, q)
				}
			} else {
				open = append(open, question{m.ask(now), refusals})
			}
			var effect Effect
			m, effect = step(m, p, e)
			if effect.Revoke { // the end of the grace voids what was asked, too
				refusals++
				until = time.Time{}
			}
			if !effect.Renew.IsZero() {
				until = effect.Renew
			}
			allowed, demanded := false, false
			for _, q := range proofs {
				allowed = allowed || (q.asked == refusals && until.Compare(q.ask.Sent.Add(p.Grace+p.Lease)) <= 0)
				demanded = demanded || (q.asked == refusals && now.Before(q.ask.Sent.Add(p.Lease)))
			}
			alive := until.After(now)
			if alive && (!allowed || until.After(now.Add(p.Lease))) || !alive && demanded || alive != m.State.Serves() {
				t.Fatalf("seed %d: alive %v, allowed %v, demanded %v after %+v: %+v", seed, alive, allowed, demanded, e, m)
			}
		}
	}
}

// heard is one question of the ring's own and what came back.
type heard struct {
	kid      kek.ID
	sent, at time.Time
	said     Said
}

// witness is a vault that remembers what the ring was told.
type witness struct {
	kek.Vault
	mu    sync.Mutex
	heard []heard
}

func (v *witness) Unwrap(ctx context.Context, w kek.Wrapped) ([]byte, error) {
	sent := time.Now()
	b, err := v.Vault.Unwrap(ctx, w)
	h := heard{w.KID, sent, time.Now(), Yes}
	if _, ok := errors.AsType[*kek.Denied](err); ok {
		h.said = No
	} else if _, ok := errors.AsType[*kek.Damaged](err); ok {
		h.said = Nonsense
	} else if err != nil {
		h.said = Nothing
	}
	v.mu.Lock()
	v.heard = append(v.heard, h)
	v.mu.Unlock()
	return b, err
}

func (v *witness) all() []heard {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.heard[:len(v.heard):len(v.heard)]
}

type simulation struct {
	*world
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	policy  Policy
	host    Cluster
	witness *witness
	started time.Time // of the ring
	running bool
	names   []string    // keys, by name
	at      int         // the one in use
	corrupt atomic.Bool // the witness can't tell a yes from other bytes
	trace   strings.Builder
}

func (s *simulation) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, %v: %s\nstatus %+v\n%s", s.seed, time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...), s.ring.Status("c"), s.trace.String())
}

// proof is the last yes that the life of workers can rest on at now.
func (s *simulation) proof(now time.Time, rest func(heard) bool) bool {
	all := s.witness.all()
	for i := len(all) - 1; i >= 0; i-- {
		if y := all[i]; y.said == Yes && rest(y) {
			denied := false
			for _, n := range all {
				denied = denied || ((n.said == No || n.said == Nonsense) && n.kid == y.kid && n.at.After(y.sent))
			}
			if !denied {
				return true
			}
		}
	}
	return false
}

// granted holds at every renewal: it rests on a yes of no longer than grace
// and lease ago, with no denial since that was sent.
func (s *simulation) granted(until time.Time) error {
	now := time.Now()
	if until.After(now.Add(s.policy.Lease)) {
		return fmt.Errorf("a lease of %v", until.Sub(now))
	}
	if !s.corrupt.Load() && !s.proof(now, func(y heard) bool { return !until.After(y.sent.Add(s.policy.Grace + s.policy.Lease)) }) {
		return fmt.Errorf("a lease until %v rests on nothing", until)
	}
	return nil
}

// look holds at every moment.
func (s *simulation) look() {
	s.t.Helper()
	synctest.Wait()
	now, status := time.Now(), s.ring.Status("c")
	alive := s.workers.alive("c")
	if s.running && alive != status.State.Serves() {
		s.failf("worker alive: %v", alive)
	}
	// Bytes that are not the canary's look like a yes to the witness.
	if alive && !s.corrupt.Load() && s.running && !s.proof(now, func(y heard) bool { return y.sent.Add(s.policy.Grace + s.policy.Lease).After(now) }) {
		s.failf("a worker lives and nothing allows it")
	}
	if alive && !s.running && s.workers.deadline("c").After(now.Add(s.policy.Lease)) {
		s.failf("a worker outlives the ring")
	}
	if !alive && s.running && !s.corrupt.Load() {
		all := s.witness.all()
		for _, y := range all {
			if y.said != Yes || y.kid != status.Version || !y.sent.After(s.started) || !y.at.Before(now) || !y.sent.Add(s.policy.Lease).After(now) {
				continue
			}
			undone := false
			for _, n := range all {
				undone = undone || ((n.said == No || n.said == Nonsense) && !n.at.Before(y.sent))
			}
			if !undone {
				s.failf("a yes sent at %v gives nobody a life", y.sent)
			}
		}
	}
	if status.Setting.Version != "" && status.Version != status.Setting {
		s.failf("a pinned version was left")
	}
	s.whole()
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	policies := []Policy{
		DefaultPolicy(),
		{Interval: 6 * time.Second, Timeout: 5 * time.Second, Lease: 17 * time.Second},
		{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 25 * time.Second, Grace: time.Minute},
		{Interval: 20 * time.Second, Timeout: 3 * time.Second, Lease: time.Minute, Grace: 10 * time.Second},
	}
	set := auto
	if rng.IntN(3) == 0 {
		set = explicit
	}
	w := newWorld(t)
	s := &simulation{world: w, t: t, seed: seed, rng: rng, policy: policies[rng.IntN(len(policies))], names: []string{"k", "other"}, host: theService}
	s.witness = &witness{Vault: w.customer}
	var jitter sync.Mutex // several goroutines ask
	spread := rand.New(rand.NewPCG(seed, 4))
	w.jitter = func() float64 {
		jitter.Lock()
		defer jitter.Unlock()
		return spread.Float64()
	}
	w.customer.NewKey("other")
	w.opened = func(v *kektest.Vault) kek.Vault {
		if v == w.customer {
			return s.witness
		}
		return v
	}
	w.ring.Close()
	w.start()
	c := theCluster
	c.Policy = s.policy
	s.host.Policy = Policy{Interval: time.Minute, Timeout: 5 * time.Second, Lease: 3 * time.Minute, Grace: time.Hour}
	w.watch(s.host, c)
	must(t, w.ring.SetKey(t.Context(), theService.ID, w.mmk.At("")))
	must(t, w.ring.Cover(t.Context(), "c"))
	must(t, w.ring.SetKey(t.Context(), "c", set(w)))
	s.started, s.running = time.Now(), true
	w.workers.set(func(k *workers) {
		k.onRenew = func(id schema.ClusterID, until time.Time) {
			if id == "c" {
				if err := s.granted(until); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
		}
	})
	events, begin, asked := 8+rng.IntN(16), time.Now(), 0
	for range events {
		// No two things at the same nanosecond: their order would be chance.
		time.Sleep(time.Duration(rng.Int64N(int64(40*time.Second))) | 1)
		s.look()
		what := s.event(c)
		fmt.Fprintf(&s.trace, "%s %s\n", time.Now().Format("15:04:05.000"), what)
		s.look()
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
		s.look()
		if t.Failed() {
			return
		}
	}
	asked = len(s.witness.all())
	if most := int(time.Since(begin)/s.policy.Interval) + 6*events + 10; asked > most {
		s.failf("%d questions, at most %d", asked, most)
	}
	s.heal(c)
	if *oneSeed != 0 {
		t.Log(s.trace.String())
	}
}

// event does one thing to the world.
func (s *simulation) event(c Cluster) string {
	name := s.names[s.at]
	if s.rng.IntN(4) == 0 {
		name = s.names[1-s.at]
	}
	newest, _ := s.customer.Newest(name)
	faults := []kektest.Fault{
		{Hang: true}, {Drop: true}, {Garbage: true}, {Status: 503, RetryAfter: time.Minute}, {Status: 429, Own: "Throttled"}, {Status: 302},
		{Status: 404, Times: 1 + s.rng.IntN(3)}, {Status: 403, Times: 1 + s.rng.IntN(3)}, {Hang: true, Times: 1}, {Status: 400, Own: "BadParameter", Times: 1},
	}
	switch n := s.rng.IntN(22); n {
	case 0, 1:
		s.customer.Enable(newest, false)
		return "disable the newest version of " + name
	case 2, 3, 4:
		s.customer.EnableAll(true)
		return "enable everything"
	case 5:
		s.customer.Permit(false, "unwrap")
		return "take the right to unwrap"
	case 6:
		s.customer.Permit(false, []string{"get", "wrap"}[s.rng.IntN(2)])
		return "take the right to get or wrap"
	case 7, 8:
		s.customer.Permit(true, "get", "wrap", "unwrap")
		return "give all rights"
	case 9, 10, 11:
		f := faults[s.rng.IntN(len(faults))]
		s.customer.Fail(f)
		return fmt.Sprintf("fail %+v", f)
	case 12, 13:
		s.customer.Fail(kektest.Fault{})
		s.customer.Latency(0)
		s.customer.Tokens("")
		return "the service works"
	case 14:
		s.customer.NewKey(name)
		return "a new version of " + name
	case 15:
		deleted := s.rng.IntN(2) == 0
		s.customer.Delete(name, deleted)
		return fmt.Sprintf("deleted %s: %v", name, deleted)
	case 16:
		d := time.Duration(s.rng.Int64N(int64(8 * time.Second)))
		s.customer.Latency(d)
		return "latency " + d.String()
	case 17:
		s.ring.Notice(kektest.URI, name)
		return "notice about " + name
	case 18:
		how := []string{"refused", "trouble", "none"}[s.rng.IntN(3)]
		s.customer.Tokens(how)
		return "tokens: " + how
	case 19:
		s.restart(c)
		return "restart"
	case 20:
		to, _ := s.customer.Newest(s.names[1-s.at])
		if s.rng.IntN(2) == 0 {
			to = to.At("")
		}
		err := s.ring.SetKey(s.t.Context(), "c", to)
		if err == nil {
			s.at = 1 - s.at
		}
		return fmt.Sprintf("set key %s: %v", to, err)
	default:
		s.corrupt.Store(true)
		s.customer.Quirks(false, 0, true)
		s.look()
		time.Sleep(time.Duration(s.rng.Int64N(int64(30 * time.Second))))
		s.customer.Quirks(false, 0, false)
		time.Sleep(s.policy.Timeout + 10*time.Second) // what was under way is over
		s.corrupt.Store(false)
		// The witness can't tell those yeses from good ones: forget them.
		s.witness.mu.Lock()
		s.witness.heard = nil
		s.witness.mu.Unlock()
		s.restart(c)
		return "wrong bytes for a while, then a restart"
	}
}

// restart ends the ring and, after a while, begins another over the same book.
func (s *simulation) restart(c Cluster) {
	s.ring.Close()
	s.running = false
	s.look()
	time.Sleep(time.Duration(s.rng.Int64N(int64(time.Minute))))
	s.look()
	s.world.start()
	s.started = time.Now()
	s.watch(s.host, c)
	s.running = true
}

// heal ends all trouble: after it, everything is there again, and what follows
// the newest version has reached it.
func (s *simulation) heal(c Cluster) {
	s.customer.Fail(kektest.Fault{})
	s.customer.Latency(0)
	s.customer.Tokens("")
	s.customer.Permit(true, "get", "wrap", "unwrap")
	s.customer.EnableAll(true)
	for _, name := range s.names {
		s.customer.Delete(name, false)
	}
	time.Sleep(3 * time.Minute)
	s.look()
	status := s.ring.Status("c")
	if status.State != Active {
		s.failf("not healed")
	}
	if newest, _ := s.customer.Newest(status.Setting.Name); status.Setting.Version == "" && status.Version != newest {
		s.failf("the newest version, %s, was not reached", newest)
	}
}
