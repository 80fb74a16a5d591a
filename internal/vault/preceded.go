package vault

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// preceded is a listener whose connections begin with a line "PROXY {address}".
type preceded struct{ net.Listener }

func (l preceded) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spliced{Conn: c}, nil
}

// lineTimeout bounds the wait for the line: the keeper writes it at once.
const lineTimeout = 5 * time.Second

// maxLine fits any address.
const maxLine = 128

// spliced is a connection that reads its first line when it is first used, in
// the goroutine that uses it, so that a slow one keeps nobody else waiting.
type spliced struct {
	net.Conn
	once   sync.Once
	client address
	err    error
}

// address is the client's, as the line has it.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func (c *spliced) RemoteAddr() net.Addr {
	c.once.Do(c.readLine)
	return c.client
}

func (c *spliced) Read(b []byte) (int, error) {
	c.once.Do(c.readLine)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

// readLine reads byte by byte: what follows the line is not ours.
func (c *spliced) readLine() {
	c.client = "unknown"
	if c.err = c.SetReadDeadline(time.Now().Add(lineTimeout)); c.err != nil {
		return
	}
	line := make([]byte, 0, maxLine)
	for b := make([]byte, 1); ; {
		n, err := c.Conn.Read(b)
		if err != nil {
			c.err = fmt.Errorf("read who is calling: %w", err)
			return
		}
		if n == 1 && b[0] == '\n' {
			break
		}
		if line = append(line, b[:n]...); len(line) == maxLine {
			c.err = errors.New("read who is calling: the line is too long")
			return
		}
	}
	from, ok := strings.CutPrefix(string(line), "PROXY ")
	if !ok || from == "" {
		c.err = errors.New("read who is calling: the connection does not begin with PROXY and an address")
		return
	}
	c.client = address(strings.TrimSuffix(from, "\r"))
	c.err = c.SetReadDeadline(time.Time{})
}
