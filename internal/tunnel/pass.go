package tunnel

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A worker can't connect to anything, not even to the keeper. Between the two
// is one channel; when the worker wants a connection it makes a pair of
// sockets and passes one of them through it. So there is no address that
// someone else could dial, and none that the worker could.

// Channel makes a channel: the keeper's end, which is a listener, and the file
// that the worker inherits. Both are the caller's to close.
func Channel() (*Passed, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a channel to a worker: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "channel")
	c, err := connOf(fds[0])
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make a channel to a worker: %w", err)
	}
	return &Passed{c}, theirs, nil
}

// Passed is the net.Listener of the connections that a worker passes.
type Passed struct{ channel *net.UnixConn }

// Accept implements net.Listener. It fails when the worker is gone.
func (p *Passed) Accept() (net.Conn, error) {
	for {
		oob := make([]byte, unix.CmsgSpace(4))
		n, oobn, flags, _, err := p.channel.ReadMsgUnix(make([]byte, 1), oob)
		if err != nil {
			return nil, err
		}
		if n == 0 && oobn == 0 {
			return nil, net.ErrClosed // the worker's end is closed
		}
		if c := received(oob[:oobn], flags); c != nil {
			return c, nil
		}
	}
}

// received makes a connection of what was passed. What is no stream socket is
// closed and forgotten: a worker that sends such things has no business here.
func received(oob []byte, flags int) net.Conn {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for i := range messages {
		if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	if len(fds) == 1 && flags&unix.MSG_CTRUNC == 0 {
		kind, err := unix.GetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_TYPE)
		family, ferr := unix.GetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err == nil && ferr == nil && kind == unix.SOCK_STREAM && family == unix.AF_UNIX {
			if c, err := connOf(fds[0]); err == nil {
				return c
			}
			return nil
		}
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return nil
}

// Close implements net.Listener.
func (p *Passed) Close() error { return p.channel.Close() }

// Addr implements net.Listener.
func (p *Passed) Addr() net.Addr { return p.channel.LocalAddr() }

// Opener takes over the worker's end of a channel and returns a function that
// opens connections to the keeper.
func Opener(channel *os.File) (func(context.Context) (net.Conn, error), error) {
	c, err := net.FileConn(channel)
	channel.Close()
	if err != nil {
		return nil, fmt.Errorf("take over the channel to the keeper: %w", err)
	}
	passing, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("take over the channel to the keeper: it is a %T", c)
	}
	var turn sync.Mutex
	return func(ctx context.Context) (net.Conn, error) {
		turn.Lock()
		defer turn.Unlock()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		deadline, _ := ctx.Deadline() // of this turn; zero is none
		if err := passing.SetWriteDeadline(deadline); err != nil {
			return nil, fmt.Errorf("reach the keeper: %w", err)
		}
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("reach the keeper: %w", err)
		}
		_, _, err = passing.WriteMsgUnix([]byte{1}, unix.UnixRights(fds[1]), nil)
		unix.Close(fds[1])
		if err != nil {
			unix.Close(fds[0])
			return nil, fmt.Errorf("reach the keeper: %w", err)
		}
		mine, err := connOf(fds[0])
		if err != nil {
			return nil, fmt.Errorf("reach the keeper: %w", err)
		}
		return mine, nil
	}, nil
}

// connOf takes over a socket.
func connOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("a %T is no Unix socket", c)
	}
	return u, nil
}
