package server_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A model is what must be found: batches by the word of their marks.
type model struct {
	mu    sync.Mutex
	acked map[string]bool // true: acknowledged; false: nobody knows
	gone  map[string]bool // marks that were purged
}

const batchRows = 10

// check compares the rows that are there with the model: acknowledged ones once,
// those of which nobody knows once or not at all but whole, purged ones never.
func (m *model) check(found map[string]int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	batches := map[string]int{}
	for mark, n := range found {
		word, _, _ := strings.Cut(mark, "-")
		switch _, known := m.acked[word]; {
		case !known:
			return fmt.Errorf("%s was never sent", mark)
		case n != 1:
			return fmt.Errorf("%s is there %d times", mark, n)
		case m.gone[mark]:
			return fmt.Errorf("%s was purged", mark)
		}
		batches[word]++
	}
	for word, sure := range m.acked {
		want := batchRows
		if m.gone[word+"-7"] {
			want--
		}
		if n := batches[word]; n != want && (sure || n != 0) {
			return fmt.Errorf("%d of %d rows of %s (acknowledged: %t)", n, want, word, sure)
		}
	}
	return nil
}

// TestSoak lives through rounds of load that end with the keeper's violent death,
// or an orderly one, among flushes, merges, rotations, backups, checks and purges;
// after each every acknowledged row is there once. SOAK=seconds says for how
// long (`make soak`); without it there are three rounds.
func TestSoak(t *testing.T) {
	t.Parallel()
	seconds, _ := strconv.Atoi(os.Getenv("SOAK"))
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var s *site
	if seconds == 0 {
		s = copied(t)
	} else {
		// A vault that shares a busy machine with all this for long is slow now and
		// then, which is not what is looked for: it has time to answer.
		dir := t.TempDir()
		s = &site{t: t, setting: setting{DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key"), Policy: quick}}
		s.Policy.Timeout = 5 * time.Second
		s.Policy.Lease = 2*s.Policy.Interval + s.Policy.Timeout
		s.serve()
		s.make()
		s.halt()
	}
	s.Flush.Bytes, s.Flush.Age = 16<<10, 50*time.Millisecond
	t.Cleanup(func() {
		lines := slices.DeleteFunc(strings.Split(s.out.String(), "\n"), func(line string) bool { return strings.Contains(line, "request refused") })
		if t.Failed() { // what the last servers said
			t.Log(strings.Join(lines[max(0, len(lines)-150):], "\n"))
		}
	})
	m := &model{acked: map[string]bool{}, gone: map[string]bool{}}
	backups := filepath.Join(t.TempDir(), "backups")
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for round := 0; round < 3 || time.Now().Before(end); round++ {
		s.spawn()
		s.awaits(fmt.Sprintf("round %d: all rows of before", round), nil, func() error {
			_, err := s.count()
			return err
		})
		if err := m.check(s.marks()); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, s.out.String())
		}
		s.load(m, round, r, backups)
		if t.Failed() {
			t.Fatal(s.out.String())
		}
	}
	s.spawn()
	if err := m.check(s.marks()); err != nil {
		t.Fatalf("at the end: %v\n%s", err, s.out.String())
	}
	if text, whole := s.checked(false); !whole {
		t.Fatal(text)
	}
	t.Logf("%d batches, %d acknowledged rows purged", len(m.acked), len(m.gone))
	must(t, s.exe.Process.Signal(syscall.SIGTERM))
	s.exe.Wait()
}

// load is one round: senders, something else that happens, and the end of the server.
func (s *site) load(m *model, round int, r *rand.Rand, backups string) {
	s.t.Helper()
	stop, ended := make(chan struct{}), make(chan error, 1)
	var senders sync.WaitGroup
	for sender := range 2 {
		senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				word := fmt.Sprintf("r%ds%dn%d", round, sender, i)
				m.mu.Lock()
				m.acked[word] = false
				m.mu.Unlock()
				if _, err := s.Upload(s.t.Context(), s.Target, rows(word, batchRows), nil); err != nil {
					if sender == 0 { // whose batches are waited for
						ended <- err
					}
					return // the server has ended, or the test
				}
				m.mu.Lock()
				m.acked[word] = true
				m.mu.Unlock()
			}
		})
	}
	enough := func(n int) {
		s.awaits("some load", ended, func() error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if sure := m.acked[fmt.Sprintf("r%ds0n%d", round, n)]; !sure {
				return errNotYet
			}
			return nil
		})
	}
	enough(3)
	what := (round + r.IntN(2)) % 4
	if what == 3 && len(m.gone) >= 50 {
		what = 2 // a workspace takes 50 purges an hour
	}
	switch what {
	case 0:
		s.rotate()
	case 1:
		s.backUp(backups, "")
	case 2:
		if text, whole := s.checked(false); !whole {
			s.t.Error(text)
		}
	case 3:
		mark := fmt.Sprintf("r%ds0n2-7", round)
		id, err := s.purge(mark)
		must(s.t, err)
		s.awaits("the purge", nil, func() error { return s.purged(id) })
		m.mu.Lock()
		m.gone[mark] = true
		m.mu.Unlock()
	}
	enough(4 + r.IntN(20))
	if r.IntN(3) == 0 {
		must(s.t, s.exe.Process.Signal(syscall.SIGTERM))
	} else {
		must(s.t, s.exe.Process.Kill())
	}
	s.exe.Wait()
	close(stop)
	senders.Wait()
}

// awaits asks again and again until there is no error, for as long as the server
// lives and nobody whose work is awaited has ended. There is no limit of time: a
// machine may be slow, and what never comes shows where it is waited for.
func (s *site) awaits(what string, ended <-chan error, ask func() error) {
	s.t.Helper()
	said := ""
	for {
		err := ask()
		if err == nil {
			return
		}
		if text := err.Error(); text != said {
			s.t.Logf("%s: not yet: %s", what, text)
			said = text
		}
		select {
		case cause := <-ended:
			if ask() == nil {
				return
			}
			s.t.Fatalf("%s: who does it has ended: %v\n%s", what, cause, s.out.String())
		case <-s.t.Context().Done():
			s.t.Fatal(what, s.t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
		var gone unix.Siginfo
		if err := unix.Waitid(unix.P_PID, s.exe.Process.Pid, &gone, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil || gone.Signo != 0 {
			s.t.Fatalf("%s: the server has ended (%v)\n%s", what, err, s.out.String())
		}
	}
}
