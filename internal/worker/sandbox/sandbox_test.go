package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"logkeep/internal/worker/sandbox"
)

// TestMain lets this binary be the one that tries to get out.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "reader" {
		reader(os.Args[2], os.Args[3], os.Args[4])
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "prisoner" {
		prisoner(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// An attempt is one way out. It says how far it got.
type attempt struct {
	name string
	try  func() error
}

// prisoner works, seals itself, and tries everything. Each line of its output
// is the name of an attempt and how it ended.
func prisoner(own, other, tcp, abstract string) {
	say := func(name string, err error) { fmt.Printf("%s: %v\n", name, err) }
	if err := sandbox.Enter(sandbox.Reach{Own: own}); err != nil {
		say("enter", err)
		return
	}
	outside := []attempt{
		{"open /etc/passwd", func() error { return open("/etc/passwd", os.O_RDONLY) }},
		{"open another account's file", func() error { return open(filepath.Join(other, "secret"), os.O_RDONLY) }},
		{"list another account's folder", func() error { _, err := os.ReadDir(other); return err }},
		{"list the folder of all accounts", func() error { _, err := os.ReadDir(filepath.Dir(other)); return err }},
		{"leave by dot-dot", func() error { return open(filepath.Join(own, "..", filepath.Base(other), "secret"), os.O_RDONLY) }},
		{"leave by a link", func() error { return open(filepath.Join(own, "link"), os.O_RDONLY) }},
		{"write outside", func() error { return open(filepath.Join(other, "mine"), os.O_WRONLY|os.O_CREATE) }},
		{"cut another account's file", func() error { return os.Truncate(filepath.Join(other, "secret"), 0) }},
		{"move a file out", func() error { return os.Rename(filepath.Join(own, "moved"), filepath.Join(other, "moved")) }},
		{"remove another account's file", func() error { return os.Remove(filepath.Join(other, "secret")) }},
		{"read the parent's memory", func() error { return open(fmt.Sprintf("/proc/%d/mem", os.Getppid()), os.O_RDWR) }},
		{"read the parent's environment", func() error { return open(fmt.Sprintf("/proc/%d/environ", os.Getppid()), os.O_RDONLY) }},
		{"change this machine's core files", func() error { return open("/proc/sys/kernel/core_pattern", os.O_WRONLY) }},
		{"dial TCP", func() error { return dial("tcp", tcp) }},
		{"stop the parent", func() error { return syscall.Kill(os.Getppid(), 0) }},
		{"dial an abstract socket", func() error { return dial("unix", abstract) }},
	}
	for _, a := range outside {
		say("landlock: "+a.name, a.try())
	}
	if err := sandbox.Seal(); err != nil {
		say("seal", err)
		return
	}
	for _, a := range outside {
		say("both: "+a.name, a.try())
	}
	for _, a := range []attempt{
		{"dial UDP", func() error { return dial("udp", tcp) }},
		{"dial a socket in the file system", func() error { return dial("unix", filepath.Join(other, "socket")) }},
		{"raw socket", func() error { return number(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0) }},
		{"a pair of datagram sockets", func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0); return err }},
		{"run a program", func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) }},
		{"run itself", func() error { return exec.Command("/proc/self/exe", "prisoner").Run() }},
		{"fork", func() error { return number(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0) }},
		{"trace the parent", func() error { return number(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid()), 0) }},
		{"copy the parent's memory", copyParent},
		{"borrow the parent's files", func() error { _, err := unix.PidfdOpen(os.Getppid(), 0); return err }},
		{"mount", func() error { return unix.Mount("none", own, "tmpfs", 0, "") }},
		{"new namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"a page to run", func() error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
			return err
		}},
		{"a file to run", func() error { return mapFile(filepath.Join(own, "moved")) }},
		{"make memory runnable", runnable},
		{"be dumped again", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
		{"raise a limit", func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: 0}) }},
		{"load a filter program into the kernel", func() error { return number(unix.SYS_BPF, 0, 0, 0) }},
		{"another way to do I/O", func() error { return number(unix.SYS_IO_URING_SETUP, 1, 0, 0) }},
		{"remove the deadline", func() error { return number(unix.SYS_TIMER_DELETE, 0, 0, 0) }},
		{"a call that nobody has heard of", func() error { return number(9999, 0, 0, 0) }},
	} {
		say(a.name, a.try())
	}
	say("work", work(own))
}

func open(path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0o600)
	if err == nil {
		f.Close()
	}
	return err
}

func dial(network, addr string) error {
	c, err := net.DialTimeout(network, addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

func number(call, a, b, c uintptr) error {
	if r, _, errno := unix.RawSyscall(call, a, b, c); errno != 0 {
		return errno
	} else if call == unix.SYS_CLONE && r == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0) // we are the child that must not be
	}
	return nil
}

func copyParent() error {
	b := make([]byte, 8)
	local := []unix.Iovec{{Base: &b[0], Len: 8}}
	_, err := unix.ProcessVMReadv(os.Getppid(), local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
	return err
}

func mapFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return err
}

func runnable() error {
	p, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Mprotect(p, unix.PROT_READ|unix.PROT_EXEC)
}

// work is what a worker does, on threads that were there and on new ones.
func work(own string) error {
	var group sync.WaitGroup
	failed := make([]error, 64)
	for i := range failed {
		group.Go(func() {
			dir := filepath.Join(own, strconv.Itoa(i))
			failed[i] = errors.Join(
				os.Mkdir(dir, 0o700),
				os.WriteFile(filepath.Join(dir, "a"), make([]byte, 1<<20), 0o600),
				os.Rename(filepath.Join(dir, "a"), filepath.Join(own, "b"+strconv.Itoa(i))),
				os.RemoveAll(dir),
				inMemory(),
			)
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// inMemory opens a file in memory by its name in /proc, as the engine does.
func inMemory() error {
	fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("hello")); err != nil {
		return err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err == nil && string(b) != "hello" {
		err = fmt.Errorf("read %q", b)
	}
	return err
}

func TestAPrisonerGetsNowhere(t *testing.T) {
	support := sandbox.Probe()
	t.Logf("this kernel: %s", support)
	accounts := t.TempDir()
	own, other := filepath.Join(accounts, "own"), filepath.Join(accounts, "other")
	for path, content := range map[string]string{filepath.Join(own, "moved"): strings.Repeat("x", 4096), filepath.Join(other, "secret"): "of another"} {
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	must(t, os.Symlink(filepath.Join(other, "secret"), filepath.Join(own, "link")))
	abstract := fmt.Sprintf("@logkeep-test-%d", os.Getpid())
	addresses := map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(other, "socket"), "abstract": abstract}
	for kind, address := range addresses {
		network := kind
		if kind == "abstract" {
			network = "unix"
		}
		l, err := net.Listen(network, address)
		must(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		addresses[kind] = l.Addr().String()
	}
	exe, err := os.Executable()
	must(t, err)
	var out, errs bytes.Buffer
	cmd := exec.Command(exe, "prisoner", own, other, addresses["tcp"], abstract)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	worked, tried := false, 0
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		name, how, _ := strings.Cut(line, ": ")
		filtered := name != "landlock"
		if !filtered || name == "both" {
			var rest string
			name, rest, _ = strings.Cut(how, ": ")
			how = rest
		}
		if name == "work" {
			worked = how == "<nil>"
			if !worked {
				t.Errorf("a worker could not do its work: %s", how)
			}
			continue
		}
		tried++
		kept := strings.Contains(how, "not permitted") || strings.Contains(how, "permission denied") || strings.Contains(how, "cross-device") ||
			filtered && strings.Contains(how, "not implemented")
		needs := support.Landlock >= 1
		switch {
		case strings.HasPrefix(name, "dial TCP"):
			needs = support.Landlock >= 4 || filtered && support.Filters
		case name == "stop the parent" || name == "dial an abstract socket":
			needs = support.Landlock >= 6 || filtered && support.Filters
		case strings.HasPrefix(name, "cut"):
			needs = support.Landlock >= 3
		case filtered && !strings.HasPrefix(line, "both"):
			needs = support.Filters
		}
		switch {
		case needs && !kept:
			t.Errorf("it got out: %s", line)
		case !needs:
			t.Logf("this kernel can't show: %s", line)
		}
	}
	if !worked || tried < 50 {
		t.Errorf("%d attempts, worked %t:\n%s%s", tried, worked, out.String(), errs.String())
	}
	if b, err := os.ReadFile(filepath.Join(other, "secret")); err != nil || string(b) != "of another" {
		t.Errorf("the other account's file: %q %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(other, "mine")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made outside: %v", err)
	}
}

func TestRequireNeedsAll(t *testing.T) {
	for _, c := range []struct {
		support sandbox.Support
		words   string
	}{
		{sandbox.Support{Landlock: 7, Filters: true}, ""},
		{sandbox.Support{Landlock: 0, Filters: true}, "open files"},
		{sandbox.Support{Landlock: 3, Filters: true}, "version 3"},
		{sandbox.Support{Landlock: 7}, "open sockets"},
		{sandbox.Support{}, "neither"},
	} {
		if err := sandbox.Prefer.Check(c.support); err != nil {
			t.Errorf("%s: %v", c.support, err)
		}
		err := sandbox.Require.Check(c.support)
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want words like %q", c.support, err, c.words)
		}
	}
	if err := sandbox.Mode("maybe").Check(sandbox.Support{}); err == nil {
		t.Error("an unknown mode was taken")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
