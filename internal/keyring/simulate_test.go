package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The simulation drives a ring, as a keeper holds it, through schedules of
// trouble: vaults that deny, fall silent or answer late, keys that are rotated,
// moved, disabled, deleted and destroyed, keepers that hang and die between any
// two of their acts, a machine that sleeps.
//
//	simulate_test.go         the schedules, and how one is repeated
//	simulate_events_test.go  what can happen
//	simulate_keeper_test.go  the keeper's process: ring, clock, catalog, ways to the vaults
//	simulate_worker_test.go  workers, their deadlines, and rows
//	simulate_judge_test.go   what must hold, whatever happens
//	simulate_plant_test.go   proof that the judge sees: faults that it must find
//
// Only the ring is the real thing; the judge knows nothing of its states. A
// schedule is its seed.
//
//	go test ./internal/keyring -run 'TestSimulate$' -seed 17     one schedule, printed
//	go test ./internal/keyring -run 'TestSimulate$' -seeds 1000  the first thousand
//	make simulate                                                a million, over all cores; make test has ten thousand
var (
	oneSeed = flag.Uint64("seed", 0, "simulate this schedule alone, and print it")
	seeds   = flag.Uint64("seeds", 1000, "simulate so many schedules")
	from    = flag.Uint64("from", 1, "simulate from this schedule on")
	tell    = flag.Duration("progress", 0, "tell on standard error how far it is, so often")
	plants  = flag.Bool("planted", false, "build the package with planted faults, and find them")
	plant   = flag.String("plant", "", "simulate with this fault of testdata/faults.txt in the fakes")
)

// planted reports whether a fault is in. In what is built for the tests alone,
// the ring's own source asks it, too: see simulate_plant_test.go.
func planted(name string) bool { return *plant == name }

func TestSimulate(t *testing.T) {
	first, last := *from, *from+*seeds-1
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	var next, done atomic.Uint64
	var failed atomic.Bool
	next.Store(first)
	stop := progress(first, last, &done)
	defer stop()
	t.Run("shards", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for !failed.Load() {
					seed := next.Add(1) - 1
					if seed > last {
						return
					}
					var trace string
					synctest.Test(t, func(t *testing.T) { trace, _ = simulate(t, seed) })
					done.Add(1)
					if *oneSeed != 0 {
						t.Log(trace)
					}
					if t.Failed() {
						failed.Store(true)
						t.Fatalf("schedule %d failed; repeat it with: go test ./internal/keyring -run 'TestSimulate$' -seed %d", seed, seed)
					}
				}
			})
		}
	})
	if !t.Failed() {
		t.Logf("schedules %d to %d: %d simulated, nothing found", first, last, done.Load())
	}
}

// A schedule is its seed: simulated again, the same is done to the world at the
// same times, so a failure can be looked at. Only what happens within the ring
// at one and the same instant has no order.
func TestSimulateRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		var deeds, traces [2]string
		for i := range deeds {
			synctest.Test(t, func(t *testing.T) { traces[i], deeds[i] = simulate(t, seed) })
		}
		if deeds[0] != deeds[1] {
			t.Fatalf("seed %d: not the same twice\n%s\n%s", seed, traces[0], traces[1])
		}
	}
}

// progress tells how far it is until it is stopped.
func progress(first, last uint64, done *atomic.Uint64) (stop func()) {
	if *tell <= 0 {
		return func() {}
	}
	began, ticker, quit := time.Now(), time.NewTicker(*tell), make(chan struct{})
	var wait sync.WaitGroup
	line := func() {
		n, took := done.Load(), time.Since(began)
		left := "?"
		if n > 0 {
			left = time.Duration(float64(took) / float64(n) * float64(last-first+1-n)).Round(time.Second).String()
		}
		fmt.Fprintf(os.Stderr, "simulated %d of %d schedules (seeds %d to %d) in %v, %s to go\n", n, last-first+1, first, last, took.Round(time.Second), left)
	}
	wait.Go(func() {
		for {
			select {
			case <-ticker.C:
				line()
			case <-quit:
				ticker.Stop()
				line()
				return
			}
		}
	})
	return func() { close(quit); wait.Wait() }
}

// easy is a group in which ECDSA can be computed at once: the integers modulo
// a prime, with addition. Everybody can forge there, and in a simulation nobody
// tries; on P-256 nearly all of its time would go into signatures. The ring
// verifies every one all the same, by the code that it always does it with.
type easy struct{ params *elliptic.CurveParams }

// easyPrime is 2⁶¹-1.
var easyPrime = big.NewInt(1<<61 - 1)

var easyKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(easy{&elliptic.CurveParams{P: easyPrime, N: easyPrime, BitSize: 61, Name: "easy"}}, rand.Reader)
})

func (c easy) Params() *elliptic.CurveParams        { return c.params }
func (c easy) IsOnCurve(x, y *big.Int) bool         { return true }
func (c easy) Double(x, y *big.Int) (a, b *big.Int) { return c.Add(x, y, x, y) }

func (c easy) Add(x1, _, x2, _ *big.Int) (x, y *big.Int) {
	x = new(big.Int).Add(x1, x2)
	return x.Mod(x, easyPrime), big.NewInt(1)
}

func (c easy) ScalarMult(x1, _ *big.Int, k []byte) (x, y *big.Int) {
	x = new(big.Int).SetBytes(k)
	return x.Mod(x.Mul(x, x1), easyPrime), big.NewInt(1)
}

func (c easy) ScalarBaseMult(k []byte) (x, y *big.Int) {
	return c.ScalarMult(big.NewInt(1), nil, k)
}
