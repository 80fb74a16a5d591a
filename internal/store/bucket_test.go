package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"sync"
	"testing"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/disk"
	"logkeep/internal/store"
)

// A bucketMachine keeps nothing itself. What it asked of the bucket may be done,
// not done, or done when nobody expects it any more.
type bucketMachine struct {
	mu sync.Mutex
	r  *rand.Rand // of its own: operations run at the same time
	b  *buckettest.Memory

	patience time.Duration
}

func newBucketMachine(seed uint64) *bucketMachine {
	return &bucketMachine{r: rand.New(rand.NewPCG(seed, 2)), b: buckettest.New(), patience: 300 * time.Microsecond}
}

func (m *bucketMachine) pick(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.r.IntN(n)
}

func (m *bucketMachine) boot(step func() error) (disk.FS, string, error) {
	if m.pick(2) == 0 {
		m.b.Land()
	}
	fails := 10
	if m.patience == time.Minute {
		fails = 1 << 30
	}
	m.b.OnOp(func(op buckettest.Op) buckettest.Outcome {
		err := step()
		if err == nil && m.pick(fails) == 0 {
			err = errors.New("a passing fault")
		}
		if err == nil {
			return buckettest.Outcome{}
		}
		return [...]buckettest.Outcome{{Err: err}, {Err: err, Done: true}, {Err: err, Late: true}}[m.pick(3)]
	})
	return m.claim()
}

func (m *bucketMachine) claim() (disk.FS, string, error) {
	patient := &bucket.Patient{Bucket: m.b, Patience: m.patience, First: 20 * time.Microsecond}
	fs, err := bucket.Claim(context.Background(), patient, "c-0", func(error) {})
	if err != nil {
		return nil, "", err
	}
	return fs, ".", nil
}

func (m *bucketMachine) crash() {}

func (m *bucketMachine) settle() {
	m.b.OnOp(nil)
	m.b.Land()
	m.patience = time.Minute
}

func (m *bucketMachine) objects() (names []string) {
	for _, name := range m.b.Names("c-0/objects/") {
		names = append(names, path.Base(name))
	}
	return names
}

// TestCrashesOverABucket is TestCrashes over a bucket whose service fails, does
// what it said it had not done, and does it late.
func TestCrashesOverABucket(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			crashes(t, seed, rand.New(rand.NewPCG(seed, 1)), newBucketMachine(seed), true)
		})
	}
}

// A server is a store with a catalog of its own, over a bucket that it takes for
// its own.
type server struct {
	t *testing.T
	b bucket.Bucket
	c *catalog
	s *store.Store
	m *model
}

// up opens the store if it is not open.
func (s *server) up() error {
	if s.s != nil {
		return nil
	}
	dir, err := bucket.Claim(context.Background(), s.b, "c-0", func(error) {})
	if err != nil {
		return err
	}
	cfg, err := store.InBucket(context.Background(), config(s.t, nil, s.c), dir)
	if err == nil {
		cfg.MergeAfter = 2
		s.s, err = store.Open(context.Background(), cfg)
	}
	return err
}

func (s *server) down() {
	if s.s != nil {
		s.s.Close()
		s.s = nil
	}
}

// act does one thing, as far as it may. Who has lost the account opens it again.
func (s *server) act(r *rand.Rand) {
	if err := s.up(); err != nil {
		s.down()
		return
	}
	var err error
	switch r.IntN(4) {
	case 0:
		err = s.s.Flush(context.Background())
	default:
		unit := []int{s.m.next}
		s.m.next++
		if err = s.s.Append(context.Background(), rows(narrow, unit...)); err == nil {
			s.m.acknowledged[unit[0]] = true
		} else {
			s.m.doubtful = append(s.m.doubtful, unit)
		}
	}
	if err != nil && (errors.Is(err, bucket.ErrLost) || r.IntN(2) == 0) {
		s.down()
	}
}

// background tells whether a store itself asks, soon after it was opened, not
// what the test does with it: that goes on meanwhile and can't be interrupted by
// something that waits for it.
func background() bool {
	stack := make([]byte, 16<<10)
	return bytes.Contains(stack[:runtime.Stack(stack, false)], []byte("(*Store).look("))
}

// Two servers have one bucket, and a catalog each. One takes over while the other
// is between any two steps: what either acknowledged is there, once, for both.
func TestTwoServersNeverBothWin(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			b := buckettest.New()
			patient := &bucket.Patient{Bucket: b, Patience: time.Minute, First: 20 * time.Microsecond}
			m := &model{acknowledged: map[int]bool{}, late: true}
			one := &server{t: t, b: patient, c: &catalog{}, m: m}
			two := &server{t: t, b: patient, c: &catalog{}, m: m}
			defer one.down()
			defer two.down()
			for range 40 {
				countdown := r.IntN(30)
				var mu sync.Mutex
				b.OnOp(func(buckettest.Op) buckettest.Outcome {
					if background() {
						return buckettest.Outcome{}
					}
					mu.Lock()
					now := countdown == 0
					countdown--
					mu.Unlock()
					if now { // in the midst of what the first does
						b.OnOp(nil)
						two.act(r)
					}
					return buckettest.Outcome{}
				})
				one.act(r)
				b.OnOp(nil)
				if r.IntN(3) == 0 {
					one, two = two, one
				}
			}
			if len(m.acknowledged) < 5 {
				t.Fatalf("only %d rows were acknowledged", len(m.acknowledged))
			}
			for range 2 {
				one.down()
				two.down()
				if err := one.up(); err != nil {
					t.Fatal(err)
				}
				m.check(t, whole(t, one.s))
				flush(t, one.s)
				m.check(t, whole(t, one.s))
				one, two = two, one
			}
		})
	}
}
