package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"logkeep/internal/domain"
	"logkeep/internal/hostcert"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/tunnel"
	"logkeep/internal/vault/admin"
	"logkeep/internal/wrap"
)

// serverNames are the names in the keeper's certificate.
func serverNames(name, listen string) []string {
	names := []string{"localhost", "127.0.0.1", "::1", name}
	for _, below := range [...]string{"ingest", "ods", "blob", "table", "loganalytics", "kusto"} {
		names = append(names, "*."+below+"."+name)
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" && host != "localhost" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() && !ip.IsLoopback() {
			names = append(names, host)
		}
	}
	return names
}

// certificates gives the keeper's certificate. Its key is in memory only: the
// vault's authority issues a new one at every start and long before one ends.
type certificates struct {
	vault *vaultProcess
	names []string
	own   *hostcert.Files // the owner's, which come first
	now   atomic.Pointer[tls.Certificate]
}

func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert, ok := c.own.For(hello); ok {
		return cert, nil
	}
	return c.now.Load(), nil
}

func (c *certificates) renew(ctx context.Context) error {
	issued, err := c.vault.IssueCertificate(ctx, c.names)
	if err != nil {
		return fmt.Errorf("issue the server's certificate: %w", err)
	}
	defer clear(issued.Key)
	cert, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		return fmt.Errorf("read the server's certificate: %w", err)
	}
	c.now.Store(&cert)
	return nil
}

// keep renews the certificate every day; one lasts for months.
func (c *certificates) keep(ctx context.Context) {
	go c.own.Watch(ctx)
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		select {
		case <-hangUp:
			c.own.Reload()
		case <-ctx.Done():
			return
		case <-day.C:
			c.renew(ctx)
		}
	}
}

// integrityKey fetches the public half of the key that signs wrap records.
func integrityKey(ctx context.Context, t tokens, p *tunnel.Policy, roots *x509.CertPool, name string) (*ecdsa.PublicKey, *signer, error) {
	uri := "https://" + admin.ServiceVault + ".vault." + name
	d := domain.New(domain.Config{Tokens: t, Policy: p, Roots: roots})
	v, err := d.Open(keyring.Cluster{Identity: admin.ServicePrincipal}, uri)
	if err != nil {
		return nil, nil, err
	}
	s := &signer{v.(*kek.Client), kek.ID{VaultURI: uri, Name: admin.IntegrityKey}}
	pub, err := s.client.PublicKey(ctx, s.key)
	if err != nil {
		s.client.Close()
		return nil, nil, fmt.Errorf("the service's integrity key: %w", err)
	}
	return pub, s, nil
}

// A signer signs with the integrity key, which stays in its vault.
type signer struct {
	client *kek.Client
	key    kek.ID
}

var _ wrap.Signer = (*signer)(nil)

// Sign implements wrap.Signer.
func (s *signer) Sign(ctx context.Context, digest [32]byte) ([]byte, error) {
	signature, _, err := s.client.Sign(ctx, s.key, digest)
	return signature, err
}

// quiet is where the HTTP library writes of broken connections.
func (c *Config) quiet() *log.Logger { return slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug) }
