package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// visits knows the connections of clients. As long as one is open, its buffers
// hold the last of what went over it, in clear; so those that were open when a
// key was revoked are ended: with the answer to the next request, which says so, so that
// the client does not send another that would be lost, or when none has come for a moment.
// Clients connect again.
type visits struct {
	linger time.Duration // that a connection must have been idle, so that it is not ended under a request that comes
	mu     sync.Mutex
	open   map[net.Conn]*visit
}

type visit struct {
	idle, last bool
	requests   int
}

// later ends a connection if no request comes in a while. It needs mu.
func (v *visits) later(c net.Conn, seen int) {
	time.AfterFunc(v.linger, func() {
		v.mu.Lock()
		now := v.open[c]
		quiet := now != nil && now.idle && now.requests == seen
		if quiet {
			delete(v.open, c)
		}
		v.mu.Unlock()
		if quiet {
			c.Close()
		}
	})
}

// state is the server's ConnState.
func (v *visits) state(c net.Conn, s http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.open[c]
	switch s {
	case http.StateNew:
		if v.open == nil {
			v.open = map[net.Conn]*visit{}
		}
		v.open[c] = &visit{}
	case http.StateActive:
		if now != nil {
			now.idle = false
			now.requests++
		}
	case http.StateIdle:
		if now == nil {
			return
		}
		if now.idle = true; now.last {
			v.later(c, now.requests)
		}
	case http.StateHijacked, http.StateClosed:
		delete(v.open, c)
	}
}

// visitKey is of a request's connection.
type visitKey struct{}

// context is the server's ConnContext.
func (v *visits) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, visitKey{}, c)
}

// handler tells clients whose connection is to end that its answer is the last.
func (v *visits) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(visitKey{}).(net.Conn)
		v.mu.Lock()
		now := v.open[c]
		last := now != nil && now.last
		v.mu.Unlock()
		if last {
			w.Header().Set("Connection", "close") // over HTTP/2 it is a GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}

// end ends every connection that is open now, each at its time.
func (v *visits) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c, now := range v.open {
		now.last = true
		if now.idle {
			v.later(c, now.requests)
		}
	}
}
