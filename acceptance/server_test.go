package acceptance

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server is the real program in a folder of its own.
type server struct {
	binary string
	dir    string            // its data directory
	url    string            // https://localhost:PORT
	env    map[string]string // what `logkeep env` exports

	command *exec.Cmd
	ended   chan error
	killed  bool
}

// build makes the program, or takes the one that LOGKEEP_BIN names.
func build(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("LOGKEEP_BIN"); binary != "" {
		return binary
	}
	binary := filepath.Join(t.TempDir(), "logkeep")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/logkeep").CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	return binary
}

// startServer starts the program on a data directory of its own, waits until it
// is ready, and at the end of the test insists that it stops cleanly.
func startServer(t *testing.T) *server {
	t.Helper()
	s := launch(t, build(t), filepath.Join(t.TempDir(), "data"))
	s.env = s.exports(t)
	return s
}

// launch starts the program on dir, with more flags if there are some, and waits
// until it is ready.
func launch(t *testing.T, binary, dir string, flags ...string) *server {
	t.Helper()
	s := &server{binary: binary, dir: dir, ended: make(chan error, 1)}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()

	log := &bytes.Buffer{} // read only after the end
	s.command = exec.Command(binary, append([]string{"serve", "--data-dir", dir, "--listen", address, "--imds", "off", "--swap", "warn"}, flags...)...)
	s.command.Stderr = log
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 16)
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
		s.ended <- s.command.Wait()
	}()
	t.Cleanup(func() {
		if !s.killed {
			s.stop(t)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", log)
		}
	})
	select {
	case line, ok := <-lines:
		if !ok || !strings.HasPrefix(line, "ready https://") {
			t.Fatalf("the server said %q, not that it is ready", line)
		}
		s.url = strings.TrimPrefix(line, "ready ")
	case <-time.After(time.Minute):
		t.Fatal("the server was not ready within a minute")
	}
	return s
}

// stop asks the server to stop and insists that it does so cleanly.
func (s *server) stop(t *testing.T) {
	s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("the server did not stop cleanly: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("the server did not stop within 20 s of SIGTERM")
		s.kill()
	}
}

// kill ends the keeper without warning. Its children must notice by themselves.
func (s *server) kill() {
	s.killed = true
	s.command.Process.Kill()
	<-s.ended
}

// exports runs `logkeep env` and reads it as a shell would.
func (s *server) exports(t *testing.T) map[string]string {
	t.Helper()
	command := exec.Command("sh", "-c", `eval "$("$1" env --data-dir "$2")" && env -0`, "sh", s.binary, s.dir)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("logkeep env: %v", err)
	}
	exports := map[string]string{}
	for _, pair := range strings.Split(string(out), "\x00") {
		if name, value, ok := strings.Cut(pair, "="); ok && (strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "LOGKEEP_") || name == "ARM_CLOUD_METADATA_URL" || name == "NODE_EXTRA_CA_CERTS" || strings.HasSuffix(name, "_CERT_FILE") || strings.HasSuffix(name, "_CA_BUNDLE")) {
			exports[name] = value
		}
	}
	for _, name := range []string{"ARM_CLOUD_METADATA_URL", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CONFIG_DIR", "AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID", "LOGKEEP_ARM", "LOGKEEP_QUERY", "LOGKEEP_KEYVAULT_SUFFIX", "REQUESTS_CA_BUNDLE"} {
		if exports[name] == "" {
			t.Fatalf("logkeep env says nothing of %s", name)
		}
	}
	return exports
}

// proxy starts a CONNECT proxy that opens the server for its own host names and
// nothing for any other, and returns its URL.
func (s *server) proxy(t *testing.T) string {
	t.Helper()
	address := strings.TrimPrefix(s.url, "https://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || host != "localhost" && host != "logkeep.test" && !strings.HasSuffix(host, ".logkeep.test") {
			http.Error(w, "only the server under test is here", http.StatusForbidden)
			return
		}
		up, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		down, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			up.Close()
			return
		}
		go func() {
			io.Copy(up, buffered)
			up.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(down, up)
		up.Close()
		down.Close()
	})}
	go p.Serve(l)
	t.Cleanup(func() { p.Close() })
	return "http://" + l.Addr().String()
}
