package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"logkeep/internal/fault"
)

// A body must come on: who sends one holds a connection, and who sends rows room
// that others wait for. It has slack from the beginning, and more for what has come.
const (
	bodySlack = time.Minute
	bodyPace  = 8 << 10 // bytes a second
)

// A pacedBody ends a request whose body does not come on.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	begun   time.Time
	due     time.Time // the deadline that is set
	got     int64
	late    bool
}

// pace puts a pacedBody in place of the body of r, if it has one; nil if not.
func pace(w http.ResponseWriter, r *http.Request) *pacedBody {
	if r.ContentLength == 0 {
		return nil
	}
	p := &pacedBody{ReadCloser: r.Body, control: http.NewResponseController(w), begun: time.Now()}
	p.extend()
	r.Body = p
	return p
}

// extend sets the deadline, unless it has hardly moved.
func (p *pacedBody) extend() {
	due := p.begun.Add(bodySlack + time.Duration(p.got)*time.Second/bodyPace)
	if due.Sub(p.due) >= time.Second {
		p.due = due
		p.control.SetReadDeadline(due)
	}
}

func (p *pacedBody) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.got += int64(n)
	switch {
	case err == nil:
		p.extend()
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.late = true // the deadline stays: nothing more is read of this connection
	default:
		p.control.SetReadDeadline(time.Time{}) // who waits for his answer has all the time
	}
	return n, err
}

// fault is what a request is answered whose body was late, and nil else.
func (p *pacedBody) fault(w http.ResponseWriter) error {
	if p == nil || !p.late {
		return nil
	}
	w.Header().Set("Connection", "close")
	return fault.New(fault.RequestTimeout, "Of the body only %d bytes came within %v. Send it again, in smaller requests if the line is slow.", p.got, time.Since(p.begun).Round(time.Second)).
		Because(fmt.Errorf("less than %d bytes a second", bodyPace))
}
