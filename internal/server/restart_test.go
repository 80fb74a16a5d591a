package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"logkeep/internal/cli/client"
)

// children are the processes that a process has started and that are alive.
func children(t *testing.T, pid int) (found []process) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid …; the name may hold anything, so from its end
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		must(t, err)
		found = append(found, watch(t, child))
	}
	return found
}

func TestEverythingIsThereAfterAStop(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.spawn()
	s.mustSend("a", 1000)
	s.holds(1000)
	family := children(t, s.exe.Process.Pid)
	if len(family) < 2 {
		t.Fatalf("%d children, want the vault and a worker", len(family))
	}
	must(t, s.exe.Process.Signal(syscall.SIGTERM))
	if err := s.exe.Wait(); err != nil {
		t.Fatalf("told to stop, the server ended with %v\n%s", err, s.out.String())
	}
	for _, child := range family {
		if !child.gone() {
			t.Errorf("process %d outlives a server that stopped in order", child.Pid)
		}
	}
	if out := s.out.String(); strings.Contains(out, "level=ERROR") {
		t.Errorf("a stop is no error:\n%s", out)
	}
	s.serve() // at another port, which is in the names of its vaults
	s.holds(1000)
	s.mustSend("b", 10)
	s.holds(1010)
}

func TestEverythingIsThereAfterTheKeeperWasKilled(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 64 << 10 // so that it is killed among journals, segments and commits
	s.spawn()
	s.mustSend("a", 3000)
	family := children(t, s.exe.Process.Pid)
	sent := make(chan int)
	go func() {
		n := 0
		for s.send(fmt.Sprintf("b%d", n), 10) == nil {
			n++
		}
		sent <- n
	}()
	eventually(t, limit, "some rows", func() error {
		if n, err := s.count(); err != nil || n < 3050 {
			return fmt.Errorf("%d rows, %v", n, err)
		}
		return nil
	})
	must(t, s.exe.Process.Kill())
	killed := time.Now()
	s.exe.Wait()
	acknowledged := <-sent

	s.serve() // at once, while the children may be on their way
	for _, child := range family {
		child.ends(t, limit)
	}
	t.Logf("the next server was ready %s after the kill", time.Since(killed).Round(time.Millisecond))
	eventually(t, limit, "an answer", func() error { _, err := s.count(); return err })
	found := s.marks()
	for i := range 3000 {
		if n := found["a-"+strconv.Itoa(i)]; n != 1 {
			t.Fatalf("row a-%d is there %d times", i, n)
		}
	}
	exactlyOnce(t, found, "b", acknowledged)
}

// exactlyOnce insists that each row of the acknowledged batches of ten is there
// once, that the batch after them is there as a whole or not, and nothing else.
func exactlyOnce(t *testing.T, found map[string]int, word string, acknowledged int) {
	t.Helper()
	for batch := range acknowledged {
		for i := range 10 {
			if n := found[fmt.Sprintf("%s%d-%d", word, batch, i)]; n != 1 {
				t.Fatalf("row %d of acknowledged batch %s%d is there %d times", i, word, batch, n)
			}
		}
	}
	last := 0
	for i := range 10 {
		last += found[fmt.Sprintf("%s%d-%d", word, acknowledged, i)]
	}
	if last != 0 && last != 10 {
		t.Errorf("%d of 10 rows of a batch that was not acknowledged", last)
	}
}

func TestChildrenAreGoneAtOnceWhenTheirKeeperIs(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.spawn()
	s.mustSend("a", 1)
	family := children(t, s.exe.Process.Pid)
	must(t, s.exe.Process.Kill())
	for _, child := range family {
		child.ends(t, 5*time.Second)
	}
}

func TestAStoppedKeeperLosesItsWorkerWithinTheLease(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.spawn()
	s.mustSend("a", 10)
	worker := watch(t, s.cluster().Logkeep.Worker.PID)
	must(t, s.exe.Process.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	worker.ends(t, quick.Lease+time.Second)
	t.Logf("the worker was gone after %s; the lease is %s", time.Since(stopped).Round(time.Millisecond), quick.Lease)
	must(t, s.exe.Process.Signal(syscall.SIGCONT))
	eventually(t, limit, "the rows, after the keeper goes on", func() error {
		n, err := s.count()
		if err == nil && n != 10 {
			t.Fatalf("%d rows", n)
		}
		return err
	})
}

func TestAKilledWorkerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 16 << 10
	s.serve()
	s.mustSend("first", 1)
	const senders, kills = 3, 3
	var group sync.WaitGroup
	done := make(chan struct{})
	acknowledged := make([][]bool, senders) // by batch
	for sender := range senders {
		group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				err := s.send(fmt.Sprintf("s%d.%d", sender, n), 10)
				if err != nil {
					if f, ok := client.FailureOf(err); !ok || f.Status != 503 {
						t.Errorf("a sender was told %v, not to try again", err)
						return
					}
					time.Sleep(10 * time.Millisecond) // Retry-After says a second
				}
				acknowledged[sender] = append(acknowledged[sender], err == nil)
			}
		})
	}
	taken := func() int { n, _ := s.count(); return n }
	pid := 0
	for range kills {
		before, killed := 0, pid
		eventually(t, limit, "another worker that takes rows", func() error {
			w := s.cluster().Logkeep.Worker
			pid = w.PID
			if n := taken(); pid == 0 || pid == killed || slices.Contains(w.Readers, pid) || n == 0 || n == before {
				before = n
				return errNotYet
			}
			return nil
		})
		worker := watch(t, pid)
		must(t, worker.Kill())
		worker.ends(t, limit)
	}
	// Workers that ended young are not started again at once; then rows flow.
	before := 0
	eventually(t, limit, "rows after the last kill", func() error {
		n, err := s.count()
		if err != nil || before == 0 || n == before {
			before = n
			return fmt.Errorf("%d rows, %v", n, err)
		}
		return nil
	})
	close(done)
	group.Wait()
	found := s.marks()
	total, lost := 0, 0
	for sender, batches := range acknowledged {
		for n, ok := range batches {
			rows := 0
			for i := range 10 {
				times := found[fmt.Sprintf("s%d.%d-%d", sender, n, i)]
				if times > 1 || times == 0 && ok {
					t.Errorf("row %d of batch %d.%d (acknowledged: %t) is there %d times", i, sender, n, ok, times)
				}
				rows += times
			}
			if rows%10 != 0 {
				t.Errorf("%d of 10 rows of batch %d.%d", rows, sender, n)
			}
			if total++; !ok {
				lost++
			}
		}
	}
	t.Logf("%d batches, %d of them not acknowledged", total, lost)
	if lost == 0 {
		t.Error("no batch met a kill: the test tested nothing")
	}
}
