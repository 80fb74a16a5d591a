package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConnectionsArePassed(t *testing.T) {
	l, file, err := Channel()
	if err != nil {
		t.Fatal(err)
	}
	open, err := Opener(file)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			c, err := open(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, "hello")
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
				t.Errorf("%q %v", b, err)
			}
		})
	}
	group.Wait()
	l.Close()
	if c, err := open(t.Context()); err == nil {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a keeper that is gone took a connection")
		}
	}
}

func TestAnEndOfTheWorkerEndsTheListener(t *testing.T) {
	l, file, err := Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a worker that is gone passed a connection")
	}
}

// A worker may send what it likes; only stream sockets are taken.
func TestOtherFilesAreNotTaken(t *testing.T) {
	l, file, err := Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer file.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	udp, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(udp)
	tcp, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(tcp)
	good, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(good[0])
	before := openFiles(t)
	send := func(fds ...int) {
		t.Helper()
		if err := unix.Sendmsg(int(file.Fd()), []byte{1}, unix.UnixRights(fds...), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	send(int(null.Fd()))
	send(udp)
	send(tcp)
	send(udp, tcp)
	if _, err := file.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	send(good[1])
	unix.Close(good[1])
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(good[0], []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	c.Close()
	if after := openFiles(t); after >= before {
		t.Errorf("%d files before, %d after: what was not taken was not closed", before, after)
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestAStuckKeeperDoesNotHoldAWorkerForEver(t *testing.T) {
	l, file, err := Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open, err := Opener(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var held []net.Conn
	for err == nil && len(held) < 10_000 { // until the channel is full
		var c net.Conn
		if c, err = open(ctx); err == nil {
			held = append(held, c)
		}
	}
	for _, c := range held {
		c.Close()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, unix.ETOOMANYREFS) {
		t.Errorf("%d connections, then %v", len(held), err)
	}
}
