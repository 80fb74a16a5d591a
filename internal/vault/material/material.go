// Package material is the arithmetic of the vault's keys: making them, and what
// a key can do. It keeps nothing and knows neither names nor rules.
//
//	kind  sizes                   algorithms
//	RSA   2048, 3072, 4096 bits   RSA-OAEP (SHA-1), RSA-OAEP-256; RS256-512, PS256-512
//	EC    P-256, P-384, P-521     ES256, ES384, ES512
//
// RSA1_5 for wrapping and encrypting is refused: a service that opens PKCS#1
// v1.5 for strangers is a padding oracle. Symmetric algorithms need an HSM.
package material

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

// A Kind is a key type, in the words of a JSON web key.
type Kind string

// The kinds that this vault makes.
const (
	RSA Kind = "RSA"
	EC  Kind = "EC"
)

// A Spec says what key to make.
type Spec struct {
	Kind  Kind
	Bits  int    // RSA
	Curve string // EC
}

// A Refusal is a request that can't be met, in words for who made it.
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// curve returns the named curve.
func curve(name string) (elliptic.Curve, bool) {
	switch name {
	case "P-256":
		return elliptic.P256(), true
	case "P-384":
		return elliptic.P384(), true
	case "P-521":
		return elliptic.P521(), true
	}
	return nil, false
}

// Check refuses a Spec that Generate can't make.
func (s Spec) Check() error {
	switch s.Kind {
	case RSA:
		if s.Bits != 2048 && s.Bits != 3072 && s.Bits != 4096 {
			return refuse("Invalid key size: %d. An RSA key has 2048, 3072 or 4096 bits.", s.Bits)
		}
	case EC:
		if _, ok := curve(s.Curve); !ok {
			return refuse("Invalid curve: %q. An EC key is on P-256, P-384 or P-521.", s.Curve)
		}
	default:
		return refuse("Invalid key type: %q. This vault makes keys of type RSA and EC.", s.Kind)
	}
	return nil
}

// Private is a private key. It prints as redacted and can't be compared.
type Private struct {
	_   [0]func()
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

// Generate makes a key.
func Generate(s Spec) (*Private, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Kind == RSA {
		k, err := rsa.GenerateKey(rand.Reader, s.Bits)
		if err != nil {
			return nil, fmt.Errorf("make an RSA key: %w", err)
		}
		return &Private{rsa: k}, nil
	}
	c, _ := curve(s.Curve)
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an EC key: %w", err)
	}
	return &Private{ec: k}, nil
}

// Parse reads what Marshal wrote.
func Parse(der []byte) (*Private, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("parse a private key: it is no PKCS #8 key") // the cause may quote the key
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		return &Private{rsa: k}, nil
	case *ecdsa.PrivateKey:
		return &Private{ec: k}, nil
	}
	return nil, fmt.Errorf("parse a private key: a %T is not for this vault", k)
}

// Marshal returns the key as PKCS #8, in the clear. The caller seals and clears
// it.
func (p *Private) Marshal() ([]byte, error) {
	if p.rsa != nil {
		return x509.MarshalPKCS8PrivateKey(p.rsa)
	}
	return x509.MarshalPKCS8PrivateKey(p.ec)
}

// Public returns the public half.
func (p *Private) Public() *Public {
	if p.rsa != nil {
		return &Public{rsa: &p.rsa.PublicKey}
	}
	return &Public{ec: &p.ec.PublicKey}
}

// Matches tells whether pub is this key's public half.
func (p *Private) Matches(pub *Public) bool {
	if p.rsa != nil {
		return pub.rsa != nil && p.rsa.PublicKey.Equal(pub.rsa)
	}
	return pub.ec != nil && p.ec.PublicKey.Equal(pub.ec)
}

func (*Private) String() string               { return "private key(redacted)" }
func (*Private) GoString() string             { return "private key(redacted)" }
func (*Private) Format(f fmt.State, _ rune)   { f.Write([]byte("private key(redacted)")) }
func (*Private) LogValue() slog.Value         { return slog.StringValue("private key(redacted)") }
func (*Private) MarshalText() ([]byte, error) { return []byte("private key(redacted)"), nil }

// Public is a public key.
type Public struct {
	rsa *rsa.PublicKey
	ec  *ecdsa.PublicKey
}

// ParsePublic reads what Marshal wrote.
func ParsePublic(der []byte) (*Public, error) {
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse a public key: %w", err)
	}
	switch k := k.(type) {
	case *rsa.PublicKey:
		return &Public{rsa: k}, nil
	case *ecdsa.PublicKey:
		return &Public{ec: k}, nil
	}
	return nil, fmt.Errorf("parse a public key: a %T is not for this vault", k)
}

// Marshal returns the key as PKIX.
func (p *Public) Marshal() ([]byte, error) {
	if p.rsa != nil {
		return x509.MarshalPKIXPublicKey(p.rsa)
	}
	return x509.MarshalPKIXPublicKey(p.ec)
}

// Spec returns what would make such a key.
func (p *Public) Spec() Spec {
	if p.rsa != nil {
		return Spec{Kind: RSA, Bits: p.rsa.N.BitLen()}
	}
	return Spec{Kind: EC, Curve: p.ec.Curve.Params().Name}
}

// A JWK is the public half of a JSON web key; absent fields are empty.
type JWK struct {
	N string `json:"n,omitempty"`
	E string `json:"e,omitempty"`

	Curve string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
}

// JWK returns the key's numbers.
func (p *Public) JWK() (JWK, error) {
	if p.rsa != nil {
		e := []byte{byte(p.rsa.E >> 24), byte(p.rsa.E >> 16), byte(p.rsa.E >> 8), byte(p.rsa.E)}
		for len(e) > 1 && e[0] == 0 {
			e = e[1:]
		}
		return JWK{N: encode(p.rsa.N.Bytes()), E: encode(e)}, nil
	}
	point, err := p.ec.Bytes() // 4, x, y; both as long as the field
	if err != nil {
		return JWK{}, fmt.Errorf("read a point: %w", err)
	}
	half := (len(point) - 1) / 2
	return JWK{Curve: p.Spec().Curve, X: encode(point[1 : 1+half]), Y: encode(point[1+half:])}, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
