package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestConnectionsEndWhenTheirRequestDoes(t *testing.T) {
	v := visits{linger: time.Millisecond}
	held, go_on := make(chan struct{}), make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(held)
			<-go_on
		}
		io.WriteString(w, r.RemoteAddr)
	}))
	s.Config.ConnState = v.state
	s.Start()
	defer s.Close()
	ask := func(path string) string {
		t.Helper()
		answer, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	first := ask("/")
	if again := ask("/"); again != first {
		t.Fatalf("%s, then %s: connections are not kept", first, again)
	}
	slow := make(chan string)
	go func() { slow <- ask("/slow") }()
	<-held
	v.end()
	close(go_on)
	if got := <-slow; got != first {
		t.Errorf("a request under way was answered over %q, not %q", got, first)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		v.mu.Lock()
		left := len(v.open)
		v.mu.Unlock()
		if left == 0 {
			break
		}
	}
	if later := ask("/"); later == first {
		t.Error("a connection from before goes on")
	}
}

// A client that goes on is told with the answer that its connection ends: no request
// of it is cut off, whatever the protocol and however long the server is busy elsewhere.
func TestTheNextAnswerSaysThatTheConnectionEnds(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		v := visits{linger: time.Hour}
		s := httptest.NewUnstartedServer(v.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })))
		s.Config.ConnState, s.Config.ConnContext = v.state, v.context
		s.EnableHTTP2 = protocol == "HTTP/2.0"
		s.StartTLS()
		defer s.Close()
		ask := func() string {
			t.Helper()
			answer, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.Proto != protocol {
				t.Fatalf("protocol %s", answer.Proto)
			}
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		first := ask()
		if again := ask(); again != first {
			t.Fatalf("%s: connections are not kept", protocol)
		}
		v.end()
		if last := ask(); last != first {
			t.Errorf("%s: the connection ended before its last answer", protocol)
		}
		if other := ask(); other == first {
			t.Errorf("%s: a connection from before goes on", protocol)
		}
		other := ask()
		if again := ask(); again != other {
			t.Errorf("%s: later connections are not kept", protocol)
		}
	}
}
