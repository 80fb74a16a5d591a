package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"logkeep/internal/activity"
	"logkeep/internal/schema"
	"logkeep/internal/worker/sandbox"
)

// status reads one line of every thread of a process.
func status(t *testing.T, pid int, name string) (values []string) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	must(t, err)
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	return values
}

// What a prisoner can do is tested in package sandbox; this is that every
// thread of a worker at work is one.
func TestEveryThreadOfAWorkerIsConfined(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.Flush.Bytes = 1 << 10
	s.mustSend("a", 2000)
	s.holds(2000) // the engine has its threads
	pid := s.cluster().Logkeep.Worker.PID
	if told, is := s.cluster().Logkeep.Worker.Sandbox, sandbox.Probe().String(); told != is {
		t.Errorf("the cluster tells of %q, the kernel offers %q", told, is)
	}
	want := map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1"}
	if !sandbox.Probe().Filters {
		t.Log("this kernel has no system-call filters")
		want = map[string]string{"NoNewPrivs": "1"}
	}
	for name, value := range want {
		values := status(t, pid, name)
		if len(values) < 5 {
			t.Errorf("%s: %d threads", name, len(values))
		}
		for _, v := range values {
			if v != value {
				t.Errorf("%s of a thread is %s, want %s", name, v, value)
			}
		}
	}
	for _, v := range status(t, pid, "CapEff") {
		var have uint64
		fmt.Sscanf(v, "%x", &have)
		if have&^(1<<unix.CAP_IPC_LOCK|1<<unix.CAP_DAC_OVERRIDE) != 0 {
			t.Errorf("a thread has capabilities %s", v)
		}
	}
}

// Data of one key domain lie in one folder, and follow an account that moves.
func TestEachDomainHasAFolder(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	log := "ws-" + string(activity.Workspace(schema.TenantID(s.TenantID), s.SubscriptionID).CustomerID)
	folders := func() map[string][]string {
		found, err := filepath.Glob(filepath.Join(s.DataDir, "accounts", "*", "*"))
		must(t, err)
		by := map[string][]string{}
		for _, path := range found {
			if filepath.Base(path) == log {
				continue // the activity log's is always the service's
			}
			domain := filepath.Base(filepath.Dir(path))
			by[domain] = append(by[domain], filepath.Base(path))
		}
		return by
	}
	by := folders()
	if len(by["service"]) != 0 || len(by) != 1 {
		t.Errorf("a linked workspace's account has stayed: %q", by)
	}
	for _, accounts := range by {
		if len(accounts) != 5 { // four of the cluster, one of the workspace
			t.Errorf("%q", by)
		}
	}
	s.makeWorkspace("ws-2")
	if by := folders(); len(by["service"]) != 1 {
		t.Errorf("an unlinked workspace's account is not the service's: %q", by)
	}
	s.holds(10)
}
