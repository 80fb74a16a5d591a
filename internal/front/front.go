// Package front stands before the keeper's TLS listener. It reads the server
// name of each connection's first flight and hands connections for the vault's
// names, unopened, to the vault's process: TLS for a vault ends in the vault.
//
//	client ──TLS──▶ front ──same bytes──▶ keeper
//	                  └──────same bytes──▶ vault (Unix socket, "PROXY addr\n" first)
package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// helloTimeout bounds how long a client may take to name its server.
const helloTimeout = 10 * time.Second

// A Listener accepts the connections that are not for elsewhere.
type Listener struct {
	net.Listener
	elsewhere func(serverName string) (dial func(context.Context) (net.Conn, error), ok bool)
	accepted  chan net.Conn
	ctx       context.Context
	stop      context.CancelCauseFunc
	spliced   sync.WaitGroup
}

// Listen takes over l. elsewhere tells for a server name whether, and by which
// dial, its connections go elsewhere. Close ends the splices, too.
func Listen(l net.Listener, elsewhere func(serverName string) (dial func(context.Context) (net.Conn, error), ok bool)) *Listener {
	ctx, stop := context.WithCancelCause(context.Background())
	f := &Listener{Listener: l, elsewhere: elsewhere, accepted: make(chan net.Conn), ctx: ctx, stop: stop}
	go f.run()
	return f
}

// Accept waits for a connection that is the keeper's own.
func (f *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-f.accepted:
		return c, nil
	case <-f.ctx.Done():
		return nil, context.Cause(f.ctx)
	}
}

// Close stops accepting and ends every splice.
func (f *Listener) Close() error {
	f.stop(net.ErrClosed)
	err := f.Listener.Close()
	f.spliced.Wait()
	return err
}

func (f *Listener) run() {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() && f.ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond) // out of file descriptors: wait for some to close
				continue
			}
			f.stop(err)
			return
		}
		f.spliced.Go(func() { f.route(c) })
	}
}

func (f *Listener) route(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(helloTimeout))
	name, seen := ServerName(c)
	c.SetReadDeadline(time.Time{})
	again := &replay{Conn: c, seen: seen}
	dial, ok := f.elsewhere(name)
	if !ok {
		select {
		case f.accepted <- again:
		case <-f.ctx.Done():
			c.Close()
		}
		return
	}
	defer c.Close()
	there, err := dial(f.ctx)
	if err != nil {
		return
	}
	defer there.Close()
	if _, err := fmt.Fprintf(there, "PROXY %s\n", c.RemoteAddr()); err != nil {
		return
	}
	Splice(f.ctx, again, there)
}

// Splice copies both ways until both sides have ended or ctx is done, then closes both.
func Splice(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() { a.Close(); b.Close() })
	defer stop()
	var both sync.WaitGroup
	one := func(dst, src net.Conn) {
		io.Copy(dst, src)
		if half, ok := dst.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		} else {
			dst.Close()
		}
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
	a.Close()
	b.Close()
}

// ServerName reads a TLS client's hello and returns the name it asks for, in
// lower case ("" if none), with all bytes that were read.
func ServerName(c net.Conn) (name string, seen []byte) {
	var record bytes.Buffer
	quiet := &peek{Conn: c, r: io.TeeReader(io.LimitReader(c, 64<<10), &record)}
	// The handshake is stopped as soon as the hello has been parsed; nothing is
	// ever written to the client.
	tls.Server(quiet, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errPeeked
	}}).Handshake()
	return string(bytes.ToLower([]byte(name))), record.Bytes()
}

var errPeeked = errors.New("hello was read")

// peek reads from r and refuses to write.
type peek struct {
	net.Conn
	r io.Reader
}

func (p *peek) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p *peek) Write(b []byte) (int, error) { return 0, errPeeked }
func (p *peek) Close() error                { return nil }

// replay gives the bytes already seen again before the rest.
type replay struct {
	net.Conn
	seen []byte
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.seen) > 0 {
		n := copy(b, r.seen)
		r.seen = r.seen[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// CloseWrite ends the sending side only.
func (r *replay) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return r.Conn.Close()
}
