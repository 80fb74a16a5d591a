package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// TestProtocols: rows come over HTTP/1.1 from clients that can speak it, and all
// else over HTTP/2; a session is taken up again whichever it was.
func TestProtocols(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := speaking(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, "logkeep.test")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	both, one, two := []string{"h2", "http/1.1"}, []string{"http/1.1"}, []string{"h2"}
	for _, c := range []struct {
		host   string
		speaks []string
		want   string
	}{
		{"logkeep.test", both, "h2"},
		{"localhost", both, "h2"},
		{"w.loganalytics.logkeep.test", both, "h2"},
		{"ingest.logkeep.test.example", both, "h2"},
		{"", both, "h2"},
		{"logkeep.test", one, "http/1.1"},
		{"e-1.ingest.logkeep.test", both, "http/1.1"},
		{"E-1.Ingest.Logkeep.Test", both, "http/1.1"},
		{"e-1.ingest.logkeep.test", two, "h2"},
		{"e-1.ingest.logkeep.test", one, "http/1.1"},
		{"e-1.ingest.logkeep.test", nil, ""},
		{"0000.ods.logkeep.test", both, "http/1.1"},
	} {
		sessions := tls.NewLRUClientSessionCache(1)
		for _, again := range []bool{false, true} {
			here, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			there, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(here, &tls.Config{ServerName: c.host, NextProtos: slices.Clone(c.speaks), InsecureSkipVerify: true, ClientSessionCache: sessions})
			over := make(chan error, 1)
			go func() {
				_, err := client.Read(make([]byte, 1)) // what there is to read first is the session's ticket
				here.Close()
				over <- err
			}()
			_, err = tls.Server(there, server).Write([]byte("."))
			there.Close()
			failed := <-over
			if is := client.ConnectionState(); err != nil || failed != nil || is.NegotiatedProtocol != c.want || is.DidResume != again {
				t.Errorf("%s, a client of %q: %q, taken up again %v, want %q, %v (%v, %v)", c.host, c.speaks, is.NegotiatedProtocol, is.DidResume, c.want, again, err, failed)
			}
		}
	}
}
