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
