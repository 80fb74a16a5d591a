package keyring

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestSimulateMachine drives the machine of state.go alone through questions that
// overtake one another: answers come late, twice as old as a newer one, or
// never.
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
				t.Fatalf("seed %d, 0: machine: alive %v, allowed %v, demanded %v after %+v: %+v", seed, alive, allowed, demanded, e, m)
			}
		}
	}
}
