package vault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"logkeep/internal/vault/admin"
)

const (
	authorityYears = 10
	// Clients refuse server certificates that are valid for much longer than a
	// year; a process asks for its own at each start and a tenth before the end.
	certificateDays = 397
	renewBefore     = certificateDays * 24 * time.Hour / 10
)

// authority issues the server certificates of this installation.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes an authority and returns what is stored of it.
func newAuthority(now time.Time) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial in the name keeps the authorities of two installations
		// apart in one trust store.
		Subject:               pkix.Name{Organization: []string{"Logkeep"}, CommonName: fmt.Sprintf("Logkeep authority %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	return certificate, key, err
}

// openAuthority reads what newAuthority returned.
func openAuthority(certificate, key []byte) (*authority, error) {
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(key)
	private, ok := k.(*ecdsa.PrivateKey)
	if err != nil || !ok || !private.PublicKey.Equal(c.PublicKey) {
		return nil, errors.New("read the authority's key: it is not the one of its certificate")
	}
	return &authority{c, private}, nil
}

func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of one length
	return new(big.Int).SetBytes(b), nil
}

// issue makes a server certificate, DER, for DNS names and addresses.
func (a *authority) issue(names []string, now time.Time) ([]byte, *ecdsa.PrivateKey, error) {
	if len(names) == 0 {
		return nil, nil, errors.New("a certificate needs a name")
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Logkeep"}, CommonName: strings.TrimPrefix(names[0], "*.")},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(0, 0, certificateDays),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	return der, private, err
}

// certificatePEM returns a certificate in text.
func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// renewing is the process's own certificate, issued anew in time.
type renewing struct {
	authority *authority
	names     []string

	mu      sync.Mutex
	current *tls.Certificate
}

// tls is how clients are met: with a certificate of the owner's where one
// covers the name. The server's own processes trust the own authority alone.
func (s *service) tls(own *renewing) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.Conn.RemoteAddr().String() != admin.TrustedAddress {
			if c, ok := s.certificates.For(hello); ok {
				return c, nil
			}
		}
		return own.get(hello)
	}}
}

func (r *renewing) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.current != nil && now.Add(renewBefore).Before(r.current.Leaf.NotAfter) {
		return r.current, nil
	}
	der, key, err := r.authority.issue(r.names, now)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	r.current = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return r.current, nil
}
