package deadline

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary play the worker that must die.
func TestMain(m *testing.M) {
	mode := os.Getenv("DEADLINE_MODE")
	if mode == "" {
		os.Exit(m.Run())
	}
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	t, err := Arm(After(400 * time.Millisecond))
	if err != nil {
		os.Exit(3)
	}
	switch mode {
	case "spin":
		//lint:ignore SA5002 it has to die while it spins
		for {
		}
	case "stop":
		unix.Kill(os.Getpid(), unix.SIGSTOP)
	case "moved":
		time.Sleep(200 * time.Millisecond)
		t.Move(After(time.Hour))
		time.Sleep(400 * time.Millisecond)
		os.Exit(0)
	case "passed":
		t.Move(Now() - 1)
	}
	time.Sleep(time.Minute)
	os.Exit(4)
}

func run(t *testing.T, mode string) error {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "DEADLINE_MODE="+mode)
	return cmd.Run()
}

func TestDeadlineKillsWhateverTheProcessDoes(t *testing.T) {
	for _, mode := range []string{"sleep", "spin", "stop", "passed"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			exit, ok := errors.AsType[*exec.ExitError](run(t, mode))
			if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended as %v, not by SIGKILL", exit)
			}
		})
	}
}

func TestOnlyRenewalMovesTheDeadline(t *testing.T) {
	if err := run(t, "moved"); err != nil {
		t.Fatal(err)
	}
}
