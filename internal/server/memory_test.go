package server_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"logkeep/internal/seal"
)

// remains counts where in a process's memory each needle is.
func remains(t *testing.T, pid int, needles map[string][]byte) map[string]int {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	found := map[string]int{}
	const overlap = 4096
	b := make([]byte, 4<<20)
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || mode[0] != 'r' || strings.Contains(lines.Text(), "[v") {
			continue
		}
		for at := from; at < to; at += int64(len(b)) - overlap {
			n, err := mem.ReadAt(b[:min(int64(len(b)), to-at)], at)
			if err != nil && err != io.EOF && n == 0 {
				break // a guard page
			}
			for name, needle := range needles {
				found[name] += bytes.Count(b[:n], needle)
			}
		}
	}
	return found
}

func TestNothingReadableIsLeftInAnyProcessAfterARevocation(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("reading the memory of an undumpable process takes root")
	}
	s := copied(t)
	s.Flush.Bytes = 1 << 10
	s.spawn()
	row, asked := rand.Text(), rand.Text() // a constant would be in every process of this binary
	s.mustSend(row, 300)
	if _, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, `Events_CL | where Mark != "`+asked+`" | project Mark`, ""); err != nil {
		t.Fatal(err)
	}
	account := s.segments(1)

	// The keys, as only the worker should have them.
	th := burgle(s.copy(t))
	needles := map[string][]byte{"row": []byte(row), "query": []byte(asked)}
	for i, r := range th.records(account) {
		must(t, th.unwrap(r).Export(func(key []byte) error {
			needles[fmt.Sprintf("key %d", i)] = bytes.Clone(key)
			needles[fmt.Sprintf("key %d in a vault's answer", i)] = []byte(base64.RawURLEncoding.EncodeToString(key))
			return nil
		}))
	}
	if len(needles) < 2+2*seal.KeySize/32 {
		t.Fatal("no key was found to look for")
	}
	pid := s.cluster().Logkeep.Worker.PID
	if found := remains(t, pid, needles); found["row"] == 0 || found["key 0"]+found["key 1"]+found["key 2"] == 0 {
		t.Fatalf("the worker has neither rows nor keys (%v): the test sees nothing", found)
	}
	worker := watch(t, pid)
	s.enable("", false)
	worker.ends(t, noticed)
	family := append(children(t, s.exe.Process.Pid), process{s.exe.Process})
	began := time.Now()
	eventually(t, limit, "memory without any of it", func() error {
		var left error
		for _, p := range family {
			role, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
			for name, n := range remains(t, p.Pid, needles) {
				if n > 0 {
					left = errors.Join(left, fmt.Errorf("%s: %s is there %d times", bytes.TrimRight(role[bytes.IndexByte(role, 0)+1:], "\x00"), name, n))
				}
			}
		}
		return left
	})
	t.Logf("%d processes were clean %s after the revocation", len(family), time.Since(began).Round(time.Millisecond))
}

// Rows that are sealed pass through the keeper, which has no key: what is left of
// them in its memory goes as that of any request does.
func TestSealedRowsAreNotLeftInAnyProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("reading the memory of an undumpable process takes root")
	}
	s := copied(t)
	s.spawn()
	s.whenRevoked("Seal")
	s.disabled()
	row := rand.Text()
	s.mustSend(row, 300)
	if k := s.cluster().Logkeep.KeyState; k.Spool == nil || k.Spool.Rows != 300 {
		t.Fatalf("%+v", k.Spool)
	}
	s.Close() // an open connection holds the last of what came over it
	for _, p := range append(children(t, s.exe.Process.Pid), process{s.exe.Process}) {
		eventually(t, limit, "memory without the rows", func() error {
			if n := remains(t, p.Pid, map[string][]byte{"row": []byte(row)})["row"]; n > 0 {
				return fmt.Errorf("process %d has it %d times", p.Pid, n)
			}
			return nil
		})
	}
}
