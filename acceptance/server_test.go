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
}

// startServer builds the program, starts it and waits until it is ready.
func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{binary: os.Getenv("LOGKEEP_BIN"), dir: filepath.Join(t.TempDir(), "data")}
	if s.binary == "" {
		s.binary = filepath.Join(t.TempDir(), "logkeep")
		if out, err := exec.Command("go", "build", "-o", s.binary, "../cmd/logkeep").CombinedOutput(); err != nil {
			t.Fatalf("build the server: %v\n%s", err, out)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()

	log := &bytes.Buffer{}
	command := exec.Command(s.binary, "serve", "--data-dir", s.dir, "--listen", address, "--imds", "off")
	command.Stderr = log // read only after the end
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string, 16), make(chan error, 1)
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
		ended <- command.Wait()
	}()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server did not stop cleanly: %v", err)
			}
		case <-time.After(20 * time.Second):
			command.Process.Kill()
			t.Errorf("the server did not stop within 20 s of SIGTERM")
			<-ended
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
	s.env = s.exports(t)
	return s
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
		if name, value, ok := strings.Cut(pair, "="); ok && (strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "LOGKEEP_") || name == "ARM_CLOUD_METADATA_URL" || strings.HasSuffix(name, "_CERT_FILE") || strings.HasSuffix(name, "_CA_BUNDLE")) {
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
