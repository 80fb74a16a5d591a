package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with one connection.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l oneConn) Close() error   { close(l); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestBodiesMustComeOn: a body that stops is given up, one that comes slowly is taken,
// and an answer may take as long as it takes.
func TestBodiesMustComeOn(t *testing.T) {
	const thought = 5 * time.Minute
	deps := &server{Deps: Deps{Domain: "x.test", Log: slog.New(slog.DiscardHandler)}}
	router := newRouter(deps, []*face{{hosts: deps.mainHost, dialect: armDialect, routes: []route{
		{method: "POST", pattern: "/rows", public: true, anyTime: true, handle: func(w http.ResponseWriter, r *http.Request) error {
			b, err := readBody(r)
			if err != nil {
				return err
			}
			time.Sleep(thought)
			_, err = fmt.Fprint(w, len(b), " ", context.Cause(r.Context()))
			return err
		}},
	}}})
	for name, c := range map[string]struct {
		path    string
		size    int
		pieces  []int         // of the body
		between time.Duration // before each
		status  int
		after   time.Duration // the answer comes
		text    string
	}{
		"comes at once":       {"/rows", 10, []int{10}, 0, 200, thought, "10 <nil>"},
		"comes slowly":        {"/rows", 10, []int{1, 2, 3, 4}, 14 * time.Second, 200, thought + 56*time.Second, "10 <nil>"},
		"never comes":         {"/rows", 10, nil, 0, 408, bodySlack, "only 0 bytes came within 1m0s"},
		"stops":               {"/rows", 10, []int{4}, 20 * time.Second, 408, bodySlack, "only 4 bytes came"},
		"drips":               {"/rows", 10, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 7 * time.Second, 408, bodySlack, "only 8 bytes came"},
		"earns its time":      {"/rows", 8 * bodyPace, []int{4 * bodyPace, 4 * bodyPace}, 31 * time.Second, 200, thought + 62*time.Second, "65536 <nil>"},
		"earns, and stops":    {"/rows", 8 * bodyPace, []int{7 * bodyPace}, 0, 408, bodySlack + 7*time.Second, "only 57344 bytes came within 1m7s"},
		"nobody asks for it":  {"/elsewhere", 10, nil, 0, 404, bodySlack, ""},
		"there is none":       {"/rows", 0, nil, 0, 200, thought, "0 <nil>"},
		"refused, and it all": {"/elsewhere", 10, []int{10}, 0, 404, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				l := make(oneConn, 1)
				l <- there
				s := &http.Server{Handler: router}
				go s.Serve(l)
				begin, sent := time.Now(), make(chan struct{})
				go func() {
					defer close(sent)
					fmt.Fprintf(here, "POST %s HTTP/1.1\r\nHost: x.test\r\nContent-Length: %d\r\n\r\n", c.path, c.size)
					for _, n := range c.pieces {
						time.Sleep(c.between)
						if _, err := io.WriteString(here, strings.Repeat(" ", n)); err != nil {
							return // it was given up
						}
					}
				}()
				answer, err := http.ReadResponse(bufio.NewReader(here), nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(answer.Body)
				if took := time.Since(begin); err != nil || answer.StatusCode != c.status || took != c.after || !strings.Contains(string(text), c.text) {
					t.Errorf("%d after %v: %s (%v); want %d after %v: %s", answer.StatusCode, took, text, err, c.status, c.after, c.text)
				}
				if c.status == 408 && !answer.Close {
					t.Error("the connection stays")
				}
				here.Close()
				s.Close()
				<-sent
			})
		})
	}
}
