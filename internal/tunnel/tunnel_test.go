package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"logkeep/internal/kek"
)

// echo listens and sends everything back.
func echo(t *testing.T, network, addr string) net.Listener {
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return l
}

func keeper(t *testing.T, p *Policy) (open func(context.Context) (net.Conn, error)) {
	l, file, err := Channel()
	if err != nil {
		t.Fatal(err)
	}
	if open, err = Opener(file); err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Serve(w, r, p.Dial) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return open
}

func TestTunnelReachesTheBuiltInVaultOnly(t *testing.T) {
	vault := echo(t, "unix", t.TempDir()+"/vault")
	outside := echo(t, "tcp", "127.0.0.1:0")
	dial := Dialer(keeper(t, &Policy{
		BuiltIn:  []string{"vault.test"},
		Internal: func(context.Context) (net.Conn, error) { return net.Dial("unix", vault.Addr().String()) },
	}))
	c, err := dial(t.Context(), "tcp", "kv.vault.test:8443")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "hello")
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Fatalf("%q %v", b, err)
	}
	c.Close()
	for _, addr := range []string{outside.Addr().String(), "vault.test:8443", "evilvault.test:1", "localhost:22", "kv.vault.test.evil.test:443"} {
		if c, err := dial(t.Context(), "tcp", addr); err == nil {
			c.Close()
			t.Errorf("a tunnel to %s was opened", addr)
		} else if !strings.Contains(err.Error(), "may talk to") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestAddressIsCheckedOnTheConnection(t *testing.T) {
	// "localhost" is the one name that resolves everywhere, and to where no
	// tenant's vault may be.
	closed := &Policy{Outside: &kek.Guard{Suffixes: []kek.Suffix{{Domain: "localhost"}}}}
	if _, err := closed.Dial(t.Context(), "tcp", "localhost:1"); !errors.Is(err, ErrForbidden) {
		t.Errorf("a bare domain was taken for a vault: %v", err)
	}
	if err := closed.Allowed("https://kv.localhost"); err != nil {
		t.Error(err)
	}
	if err := closed.Allowed("https://kv.elsewhere.test"); err == nil {
		t.Error("a vault under no allowed domain may be named")
	}
	if _, err := (&Policy{}).Dial(t.Context(), "tcp", "kv.vault.test:1"); !errors.Is(err, ErrForbidden) {
		t.Errorf("no policy at all let a connection out: %v", err)
	}
}
