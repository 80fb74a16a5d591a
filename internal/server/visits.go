package server

import (
	"net"
	"net/http"
	"sync"
)

// visits knows the connections of clients. As long as one is open, its buffers
// hold the last of what went over it, in clear; so those that were open when a
// key was revoked are ended as soon as no request is under way on them. Clients
// connect again.
type visits struct {
	mu   sync.Mutex
	open map[net.Conn]*visit
}

type visit struct{ idle, last bool }

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
		}
	case http.StateIdle:
		if now == nil {
			return
		}
		if now.idle = true; now.last {
			delete(v.open, c)
			go c.Close() // which may wait for the client
		}
	case http.StateHijacked, http.StateClosed:
		delete(v.open, c)
	}
}

// end ends every connection that is open now, each at its time.
func (v *visits) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c, now := range v.open {
		now.last = true
		if now.idle {
			delete(v.open, c)
			go c.Close()
		}
	}
}
