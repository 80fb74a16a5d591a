package walk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Watched process. Its descriptor stays that of this process even if the
// number is given to another.
type Watched struct{ fd int }

// Watch begins to watch a process, before what may end it. A process that is not
// on this machine, or not ours to see, gives a Watched that must ask the server.
func Watch(pid int) (Watched, error) {
	if pid <= 0 {
		return Watched{}, errors.New("the cluster has no worker; it should be alive now")
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return Watched{-1}, nil
	}
	return Watched{fd}, nil
}

// Elsewhere is a process that is not on this machine.
func Elsewhere() Watched { return Watched{-1} }

// Here reports whether the process is seen, and not only told of.
func (p Watched) Here() bool { return p.fd >= 0 }

// Wait returns when the process has ended, or ask says so.
func (p Watched) Wait(ctx context.Context, ask func() (bool, error)) error {
	return Every(ctx, time.Millisecond, func() error {
		if p.fd < 0 {
			if gone, err := ask(); err != nil || gone {
				return err
			}
			return errors.New("the server still shows it")
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, 20)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n < 1 { // also when a signal of the runtime interrupted: that tells nothing
			return errors.New("the process is still there")
		}
		return nil
	})
}

// Close ends the watching.
func (p Watched) Close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}

// OwnServer is a server that the walk started for itself, in a folder of its own.
type OwnServer struct {
	Folder  string // everything: data, root key, output
	DataDir string
	URL     string // as it said when it was ready
	address string
	command *exec.Cmd
	ended   chan error
}

// Serve starts executable as a server in a new temporary folder and waits until
// it is ready. The root key lies in the same folder: right for a try, and for
// nothing else.
func Serve(ctx context.Context, executable string, flags ...string) (*OwnServer, error) {
	folder, err := os.MkdirTemp("", "logkeep-demo-")
	if err != nil {
		return nil, err
	}
	s := &OwnServer{Folder: folder, DataDir: filepath.Join(folder, "data"), ended: make(chan error, 1)}
	if err := s.start(ctx, executable, flags); err != nil {
		s.Kill()
		tail := s.lastWords()
		s.Remove()
		return nil, fmt.Errorf("start a server of our own: %w%s", err, tail)
	}
	return s, nil
}

// Restart starts the server again on what is in its folder, after Stop or Kill,
// and returns when it is ready.
func (s *OwnServer) Restart(ctx context.Context, executable string, flags ...string) error {
	s.ended = make(chan error, 1)
	if err := s.start(ctx, executable, flags); err != nil {
		s.Kill()
		return fmt.Errorf("start the server again: %w%s", err, s.lastWords())
	}
	return nil
}

// Stop tells the server to stop and returns when it has.
func (s *OwnServer) Stop() {
	if s.command != nil {
		s.command.Process.Signal(syscall.SIGTERM)
		<-s.ended
		s.command = nil
	}
}

func (s *OwnServer) start(ctx context.Context, executable string, flags []string) error {
	if s.address == "" { // it stays: keys are named by it
		var err error
		if s.address, err = FreeAddress(); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(filepath.Join(s.Folder, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.command = exec.Command(executable, append([]string{"serve", "--data-dir", s.DataDir, "--listen", s.address, "--root-key", filepath.Join(s.Folder, "root.key"), "--imds", "off", "--swap", "warn"}, flags...)...)
	s.command.Env = plainEnvironment(os.Environ())
	s.command.Stderr = log
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to handle
	out, err := s.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.command.Start(); err != nil {
		s.command = nil
		return err
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for told := false; lines.Scan(); {
			if address, ok := strings.CutPrefix(lines.Text(), "ready "); ok && !told {
				told = true
				ready <- strings.TrimSpace(address)
			}
		}
		io.Copy(io.Discard, out)
		s.ended <- s.command.Wait()
	}()
	select {
	case s.URL = <-ready:
		return nil
	case err := <-s.ended:
		s.command = nil
		return fmt.Errorf("it ended before it was ready: %v", err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errors.New("it was not ready within a minute")
	}
}

// plainEnvironment leaves out what would change the server's settings.
func plainEnvironment(environment []string) []string {
	var plain []string
	for _, e := range environment {
		if !strings.HasPrefix(e, "LOGKEEP_") {
			plain = append(plain, e)
		}
	}
	return plain
}

// FreeAddress is one of this machine that nobody listens at.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *OwnServer) lastWords() string {
	b, err := os.ReadFile(filepath.Join(s.Folder, "server.log"))
	if err != nil || len(b) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return "\n  " + strings.Join(lines[max(0, len(lines)-5):], "\n  ")
}

// Kill ends the server and every process that it has started, at once and
// without warning, and returns when they are gone.
func (s *OwnServer) Kill() {
	if s.command == nil {
		return
	}
	family := s.Processes()
	watches := make([]Watched, 0, len(family))
	for _, pid := range family {
		if w, err := Watch(pid); err == nil && w.fd >= 0 {
			watches = append(watches, w)
		}
	}
	for _, w := range watches {
		unix.PidfdSendSignal(w.fd, unix.SIGKILL, nil, 0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, w := range watches {
		w.Wait(ctx, nil)
		w.Close()
	}
	<-s.ended
	s.command = nil
}

// Processes are the server's own and all that it has started, as of now.
func (s *OwnServer) Processes() []int {
	if s.command == nil {
		return nil
	}
	return Processes(s.command.Process.Pid)
}

// Processes are pid and all that it has started, as of now.
func Processes(pid int) []int { return append(descendants(pid), pid) }

// descendants are the processes that pid started, and those that they started.
func descendants(pid int) []int {
	parents := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		// pid (name) state ppid …; the name may hold anything, so from its end
		if fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(fields) > 1 {
			parents[child], _ = strconv.Atoi(fields[1])
		}
	}
	var found []int
	for child := range parents {
		for at := child; at > 1; at = parents[at] {
			if parents[at] == pid {
				found = append(found, child)
				break
			}
		}
	}
	return found
}

// Remove deletes the folder with all that is in it.
func (s *OwnServer) Remove() error { return os.RemoveAll(s.Folder) }
