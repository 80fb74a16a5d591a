package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"logkeep/internal/server"
)

// Who did not ask for the managed-identity endpoint has a server without it when
// another has its port; who names an address is told that it is taken.
func TestTheIdentityEndpointsPortIsTaken(t *testing.T) {
	s := copied(t)
	l, err := net.Listen("tcp", "127.0.0.1:8480")
	if err == nil { // or somebody has it already
		defer l.Close()
	}
	c := s.config()
	ready, out := io.Pipe()
	c.IMDS, c.Out, c.Log = "", out, slog.New(slog.NewTextHandler(&s.out, nil))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, c)
		out.CloseWithError(io.EOF)
	}()
	line := make([]byte, 6)
	if _, err := io.ReadFull(ready, line); err != nil || string(line) != "ready " {
		t.Fatalf("%q, %v: %v\n%s", line, err, <-ended, s.out.String())
	}
	go io.Copy(io.Discard, ready)
	if text := s.out.String(); !strings.Contains(text, "no managed-identity endpoint") || !strings.Contains(text, "--imds") {
		t.Errorf("the log does not tell:\n%s", text)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	c = s.config()
	c.IMDS, c.Out, c.Log = taken.Addr().String(), io.Discard, slog.New(slog.DiscardHandler)
	if err := server.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "--imds") {
		t.Errorf("an address that was named: %v", err)
	}
}
