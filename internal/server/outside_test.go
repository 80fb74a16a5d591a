package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
)

// names is what the tests' servers see of the Internet's names: those of
// outside vaults, and nothing else.
var names = dns{down: map[string]bool{}}

// A dns answers that a name under example.com is this machine, unless it is down.
type dns struct {
	mu   sync.Mutex
	down map[string]bool
}

func (d *dns) set(host string, down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down[host] = down
}

// resolver asks d over a pipe, in the form that TCP has.
func (d *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go d.serve(ours)
		return theirs, nil
	}}
}

func (d *dns) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		text := make([]byte, binary.BigEndian.Uint16(size[:]))
		var m dnsmessage.Message
		if _, err := io.ReadFull(c, text); err != nil || m.Unpack(text) != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		host := strings.TrimSuffix(q.Name.String(), ".")
		d.mu.Lock()
		down := d.down[host]
		d.mu.Unlock()
		answer := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
		switch {
		case down:
			answer.RCode = dnsmessage.RCodeServerFailure
		case !strings.HasSuffix(host, ".example.com"):
			answer.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			answer.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		text, err := answer.Pack()
		if err != nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)); err != nil {
			return
		}
	}
}

// A strangeVault is none of the server's: it does as it is told, over HTTPS.
type strangeVault struct {
	*kektest.Vault
	uri, host string
	srv       *httptest.Server
	foreign   atomic.Bool // show a certificate of nobody's
}

// outsideVault starts one and has the site's server, which does not run yet,
// permit vaults under its domain.
func (s *site) outsideVault() *strangeVault {
	s.t.Helper()
	o := &strangeVault{host: "kv" + strings.ToLower(rand.Text()[:8]) + ".example.com"}
	o.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.ServeHTTP(w, r) }))
	other := foreign(s.t)
	o.srv.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if o.foreign.Load() {
			return &tls.Config{Certificates: []tls.Certificate{other}}, nil
		}
		return nil, nil
	}}
	_, port, err := net.SplitHostPort(o.srv.Listener.Addr().String())
	must(s.t, err)
	o.uri = "https://" + o.host + ":" + port
	o.Vault = kektest.NewAt(o.uri)
	o.Trust()
	o.NewKey(keyName)
	o.srv.StartTLS()
	s.t.Cleanup(func() { o.srv.CloseClientConnections(); o.srv.Close() })
	s.Vaults = []kek.Suffix{{Domain: "example.com", Ranges: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	s.VaultRoots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.srv.Certificate().Raw})
	return o
}

// foreign is a certificate that nobody vouches for.
func foreign(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"*.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	text, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}
}

// healthy ends whatever the vault was told to do.
func (o *strangeVault) healthy() {
	newest, _ := o.Newest(keyName)
	o.Fail(kektest.Fault{})
	o.Latency(0)
	o.Tokens("")
	o.Quirks(false, 0, false)
	o.Enable(newest, true)
	o.Delete(keyName, false)
	o.Permit(true, "get", "wrap", "unwrap")
	o.foreign.Store(false)
	names.set(o.host, false)
	o.srv.CloseClientConnections()
}

// nudge has every key asked about now: a role that changes may be what one was
// used by.
func (s *site) nudge() {
	s.t.Helper()
	const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	s.grant(s.ClusterID, reader, s.ObjectID)
	s.ungrant(s.ClusterID, s.ObjectID)
}

// comes waits until the cluster's key is in a state.
func (s *site) comes(state string) (reason string) {
	s.t.Helper()
	eventually(s.t, limit, "the state "+state, func() error {
		k := s.cluster().Logkeep.KeyState
		if reason = k.Reason; k.State != state {
			return errors.New(k.State + ": " + k.Reason)
		}
		return nil
	})
	return reason
}
