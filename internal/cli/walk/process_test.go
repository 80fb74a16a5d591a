package walk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this test's own program play the server: `serve` as Serve calls it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		playServer()
		return
	}
	os.Exit(m.Run())
}

func playServer() {
	child := exec.Command("sleep", "60")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a child that left the group
	if err := child.Start(); err != nil {
		panic(err)
	}
	if os.Getenv("LOGKEEP_LISTEN") != "" {
		panic("the person's own settings reached the demo's server")
	}
	fmt.Fprintln(os.Stderr, "a word for the log")
	if _, err := os.Stat("/tmp/no/such"); os.Getenv("PLAY") == "broken" || err == nil {
		child.Process.Kill()
		fmt.Fprintln(os.Stderr, "the port is taken")
		os.Exit(1)
	}
	dir := os.Args[3]
	os.MkdirAll(dir, 0o700)
	os.WriteFile(filepath.Join(dir, "child"), fmt.Appendf(nil, "%d", child.Process.Pid), 0o600)
	fmt.Println("something first")
	fmt.Println("ready https://localhost:1")
	select {} // until killed
}

func TestOwnServerIsKilledWithAllItStarted(t *testing.T) {
	t.Setenv("LOGKEEP_LISTEN", "127.0.0.1:1")
	t.Setenv("TMPDIR", t.TempDir())
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(t.Context(), executable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	if s.URL != "https://localhost:1" || filepath.Dir(s.DataDir) != s.Folder {
		t.Errorf("server %+v", s)
	}
	b, err := os.ReadFile(filepath.Join(s.DataDir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(string(b), &pid)
	child, err := Watch(pid)
	if err != nil || child.fd < 0 {
		t.Fatalf("the server's child %d is not to be seen: %v", pid, err)
	}
	defer child.Close()
	s.Kill()
	s.Kill() // again is nothing
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := child.Wait(ctx, nil); err != nil {
		t.Errorf("the server's child lives on: %v", err)
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAServerThatDoesNotStartTellsWhy(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PLAY", "broken")
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(t.Context(), executable); err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Serve(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestAProcessOfAnotherMachineIsAskedFor(t *testing.T) {
	if _, err := Watch(0); err == nil {
		t.Error("a cluster without a worker was watched")
	}
	asked := 0
	err := Watched{-1}.Wait(t.Context(), func() (bool, error) { asked++; return asked == 3, nil })
	if err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
