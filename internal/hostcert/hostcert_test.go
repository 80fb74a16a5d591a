package hostcert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a certificate and puts it into the pair's files.
func write(t *testing.T, p Pair, serial int64, until time.Time, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{p.Certificate: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256}}
}

func TestFilesAreTakenWhenTheyAreGood(t *testing.T) {
	dir := t.TempDir()
	p := Pair{filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")}
	other := Pair{filepath.Join(dir, "c2.pem"), filepath.Join(dir, "k2.pem")}
	write(t, p, 1, time.Now().Add(time.Hour), "logs.example")
	write(t, other, 50, time.Now().Add(time.Hour), "*.vault.example")
	var said bytes.Buffer
	f, err := Open([]Pair{p, other}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serial := func(host string) int64 {
		c, ok := f.For(hello(host))
		if !ok {
			return 0
		}
		return c.Leaf.SerialNumber.Int64()
	}
	expect := func(what string, want int64) {
		t.Helper()
		f.look(false)
		if got := serial("logs.example"); got != want {
			t.Errorf("%s: serial %d, want %d\n%s", what, got, want, said.String())
		}
	}
	expect("first", 1)
	if serial("kv.vault.example") != 50 || serial("elsewhere.example") != 0 || serial("") != 0 {
		t.Error("a name got a certificate that does not cover it")
	}
	write(t, p, 2, time.Now().Add(time.Hour), "logs.example")
	expect("a new pair", 2)
	write(t, Pair{p.Certificate, filepath.Join(dir, "elsewhere")}, 3, time.Now().Add(time.Hour), "logs.example")
	expect("a certificate without its key", 2)
	if !strings.Contains(said.String(), "stays in use") {
		t.Error("nothing was said")
	}
	write(t, p, 4, time.Now().Add(-time.Hour), "logs.example")
	expect("one at its end", 2)
	if err := os.WriteFile(p.Certificate, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("half a file", 2)
	if err := os.Remove(p.Certificate); err != nil {
		t.Fatal(err)
	}
	expect("no file", 2)
	write(t, p, 5, time.Now().Add(time.Hour), "logs.example")
	expect("a good one again", 5)
	if _, err := Open([]Pair{{p.Certificate, ""}}, slog.Default()); err == nil {
		t.Error("a pair without a key")
	}
}
