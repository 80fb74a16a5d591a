// Package tunnel is the only way out of a worker: HTTP CONNECT over connections
// that it passes to the keeper (Channel). The keeper decides where a tunnel may
// lead; TLS runs end to end inside it, so the keeper sees no key.
//
//	worker ──CONNECT kv.vault.test:8443──▶ keeper ──▶ the built-in vault's socket
//	                                             └──▶ an allowed outside vault
package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"logkeep/internal/front"
)

// Dialer returns a dial function that goes through the keeper, which open connects to.
// Its errors tell a refusal by the keeper from a vault that did not answer only
// in words: for a worker both are silence.
func Dialer(open func(context.Context) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		c, err := open(ctx)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		defer stop()
		if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr); err != nil {
			c.Close()
			return nil, fmt.Errorf("ask the keeper for a tunnel to %s: %w", addr, err)
		}
		r := bufio.NewReader(io.LimitReader(c, 4096))
		answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("ask the keeper for a tunnel to %s: %w", addr, err)
		}
		if answer.StatusCode != http.StatusOK || r.Buffered() > 0 {
			why, _ := io.ReadAll(io.LimitReader(answer.Body, 512))
			c.Close()
			return nil, fmt.Errorf("tunnel to %s: %s: %s", addr, answer.Status, strings.TrimSpace(string(why)))
		}
		return c, nil
	}
}

// Serve answers one CONNECT request by splicing it to what dial reaches. It
// returns when the tunnel has ended.
func Serve(w http.ResponseWriter, r *http.Request, dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	there, err := dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "tunnels need HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	defer here.Close()
	if buffered.Reader.Buffered() > 0 {
		return // a client that talks before the tunnel stands is not ours
	}
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	front.Splice(context.WithoutCancel(r.Context()), here, there)
}
