package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"logkeep/internal/hostcert"
)

// writePair makes a certificate of the owner's.
func writePair(t *testing.T, p hostcert.Pair, serial int64, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	must(t, os.WriteFile(p.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

// served is the serial number of the certificate that a host shows.
func (s *site) served(host string, version uint16) (string, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: limit}, Config: &tls.Config{ServerName: host, InsecureSkipVerify: true, MaxVersion: version, MinVersion: tls.VersionTLS10}}
	c, err := d.DialContext(s.t.Context(), "tcp", "127.0.0.1:"+s.URL[strings.LastIndexByte(s.URL, ':')+1:])
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// TestCertificatesOfOnesOwn are shown to clients, on every face and by the
// vault's process, and exchanged without a restart.
func TestCertificatesOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := copied(t)
	dir := t.TempDir()
	p := hostcert.Pair{Certificate: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	names := []string{"logkeep.test", "*.vault.logkeep.test", "own.ingest.logkeep.test"}
	writePair(t, p, 41, names...)
	s.Certificates = []hostcert.Pair{p}
	s.serve()
	s.mustSend("a", 10) // the server's own processes trust what they always did
	show := func(want string) {
		t.Helper()
		for _, host := range []string{"logkeep.test", "kv-1.vault.logkeep.test", "own.ingest.logkeep.test"} {
			eventually(t, 30*time.Second, "the certificate of "+host, func() error {
				if got, err := s.served(host, tls.VersionTLS13); err != nil || got != want {
					return fmt.Errorf("serial %s, %w", got, err)
				}
				return nil
			})
		}
	}
	show("41")
	if got, err := s.served("localhost", tls.VersionTLS13); err != nil || got == "41" {
		t.Errorf("a name that it does not cover: %s %v", got, err)
	}
	if _, err := s.served("logkeep.test", tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if _, err := s.served("kv-1.vault.logkeep.test", tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken by the vault")
	}
	must(t, os.WriteFile(p.Certificate, []byte("half a file"), 0o600))
	eventually(t, 30*time.Second, "a word about it", func() error {
		if !strings.Contains(s.out.String(), "stays in use") {
			return errNotYet
		}
		return nil
	})
	show("41")
	writePair(t, p, 42, names...)
	show("42")
	s.holds(10)
}
