package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"logkeep/internal/hostcert"
	"logkeep/internal/throttle"
	"logkeep/internal/vault"
	"logkeep/internal/vault/admin"
	"logkeep/internal/worker/sandbox"
)

// vaultStart is the one line that the vault's process reads first. The root
// key is not in it: the process reads the file itself.
type vaultStart struct {
	Dir     string `json:"dir"`
	Domain  string `json:"domain"`
	Port    int    `json:"port"`
	RootKey string `json:"rootKey"` // path
	Keeper  string `json:"keeper"`  // socket of the keeper's callbacks

	Outside      bool            `json:"outside,omitempty"` // see vault.Config
	Certificates []hostcert.Pair `json:"certificates,omitempty"`
	Rate         throttle.Rate   `json:"rate,omitzero"`
	Memory       int64           `json:"memory,omitempty"` // a goal for the collector
}

// File descriptors that the vault's process inherits.
const (
	vaultDataFD  = 3
	vaultAdminFD = 4
)

// RunVault is the vault's process: input brings its start, and its end is the
// order to stop.
func RunVault(ctx context.Context, input io.Reader, log *slog.Logger) error {
	if err := sandbox.Harden(); err != nil {
		return err
	}
	lines := bufio.NewReader(input)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the keeper's first line: %w", err)
	}
	var start vaultStart
	if err := json.Unmarshal(first, &start); err != nil {
		return fmt.Errorf("read the keeper's first line: %w", err)
	}
	if start.Memory > 0 {
		debug.SetMemoryLimit(start.Memory)
	}
	data, err := inherited(vaultDataFD)
	if err != nil {
		return err
	}
	adminListener, err := inherited(vaultAdminFD)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(start.Dir, "vault.db"))
	root, err := loadRootKey(start.RootKey, errors.Is(err, fs.ErrNotExist))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		io.Copy(io.Discard, lines)
		stop()
	}()
	vacated(ctx, start.Dir)
	go forget(ctx) // of keys that it unwrapped for workers
	return vault.Run(ctx, vault.Config{
		Dir: start.Dir, Domain: start.Domain, Port: start.Port, RootKey: root,
		Data: data, Admin: adminListener, Keeper: start.Keeper, Outside: start.Outside, Rate: start.Rate, Certificates: start.Certificates, Log: log,
	})
}

// vacated waits until the vault's process of a keeper that was killed is gone,
// too. That one ends by itself, but not in the instant in which a new keeper may
// come. If it does not, the vault itself says that its folder is in use.
func vacated(ctx context.Context, dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return // there is none yet
	}
	defer f.Close()
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func inherited(fd uintptr) (net.Listener, error) {
	f := os.NewFile(fd, "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over the keeper's socket: %w", err)
	}
	return l, nil
}

// A vaultProcess is the keeper's hold on the vault's process.
type vaultProcess struct {
	*admin.Client
	data  string // socket of vaults' TLS connections
	input io.Closer
	gone  chan struct{} // closed when it has ended; then err says how
	err   error
	pid   int
}

// startVault starts the vault's process and waits until it serves.
func startVault(ctx context.Context, command []string, runtime string, start vaultStart, log *slog.Logger) (*vaultProcess, error) {
	v := &vaultProcess{data: filepath.Join(runtime, "vault.data"), gone: make(chan struct{})}
	adminPath := filepath.Join(runtime, "vault.admin")
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"GOTRACEBACK=none", "LANG=C.UTF-8", erasure("")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, path := range []string{v.data, adminPath} { // vaultDataFD, vaultAdminFD
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return nil, err
		}
		l.SetUnlinkOnClose(false)
		f, err := l.File()
		l.Close()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	v.input = input
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the vault's process: %w", err)
	}
	v.pid = cmd.Process.Pid
	last := ""
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			last = lines.Text()
			log.Warn("vault says", "text", last)
		}
		io.Copy(io.Discard, stderr)
		if err := cmd.Wait(); err != nil {
			v.err = fmt.Errorf("the vault's process ended: %s (%w)", last, err)
		} else {
			v.err = errors.New("the vault's process ended")
		}
		close(v.gone)
	}()
	first, err := json.Marshal(start)
	if err != nil {
		return nil, err
	}
	if _, err := input.Write(append(first, '\n')); err != nil {
		<-v.gone
		return nil, v.err
	}
	v.Client = admin.NewClient(adminPath)
	healthy := make(chan error, 1)
	patience, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	go func() { healthy <- v.Health(patience) }()
	select {
	case err := <-healthy:
		if err == nil {
			return v, nil
		}
		select {
		case <-v.gone:
			return nil, v.err
		case <-time.After(time.Second):
		}
		v.stop()
		return nil, fmt.Errorf("the vault's process does not serve: %w", err)
	case <-v.gone:
		return nil, v.err
	}
}

// dial connects to the vault as the server itself.
func (v *vaultProcess) dial(ctx context.Context) (net.Conn, error) {
	c, err := v.splice(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "PROXY %s\n", admin.TrustedAddress); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// splice connects to the vault for a client, whose address comes first.
func (v *vaultProcess) splice(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", v.data)
}

// stop ends the process and waits for it.
func (v *vaultProcess) stop() {
	v.input.Close()
	select {
	case <-v.gone:
	case <-time.After(10 * time.Second):
		syscall.Kill(v.pid, syscall.SIGKILL)
		<-v.gone
	}
}
