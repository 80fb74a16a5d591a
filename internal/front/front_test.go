package front

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

func certificate(t *testing.T, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answer serves one word over TLS on l; with proxy it first reads the PROXY line.
func answer(l net.Listener, cert tls.Certificate, word string, proxy bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			word := word
			if proxy {
				line := make([]byte, 0, 64)
				for one := make([]byte, 1); ; {
					if _, err := io.ReadFull(c, one); err != nil {
						return
					}
					if one[0] == '\n' {
						break
					}
					line = append(line, one[0])
				}
				word = word + " for " + strings.Fields(string(line))[0]
			}
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			io.WriteString(s, word+"\n")
			s.Close()
		}()
	}
}

func TestVaultConnectionsPassUnopened(t *testing.T) {
	vault, err := net.Listen("unix", t.TempDir()+"/v")
	if err != nil {
		t.Fatal(err)
	}
	defer vault.Close()
	go answer(vault, certificate(t, "kv.vault.test"), "vault", true)

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := Listen(tcp, func(name string) (func(context.Context) (net.Conn, error), bool) {
		return func(context.Context) (net.Conn, error) { return net.Dial("unix", vault.Addr().String()) }, strings.HasSuffix(name, ".vault.test")
	})
	go answer(f, certificate(t, "localhost"), "keeper", false)

	for name, want := range map[string]string{"KV.vault.test": "vault for PROXY", "localhost": "keeper", "": "keeper"} {
		c, err := tls.Dial("tcp", tcp.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(name, err)
		}
		got, _ := bufio.NewReader(c).ReadString('\n')
		if strings.TrimSpace(got) != want {
			t.Errorf("%q was answered by %q, want %q", name, got, want)
		}
		c.Close()
	}
	// Bytes that are no TLS reach the keeper's listener, which knows what to say.
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("plain HTTP hangs")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Accept(); err == nil {
		t.Error("a closed listener accepted")
	}
}
