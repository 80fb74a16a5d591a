package entra

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// A KeySigner signs with a key in this process: that of the process that holds
// the key.
type KeySigner struct {
	signer jose.Signer
	public jose.JSONWebKeySet
}

// NewKeySigner returns a signer with an RSA key. The key's id is its thumbprint.
func NewKeySigner(key *rsa.PrivateKey) (*KeySigner, error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("thumbprint of the signing key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	private := jose.JSONWebKey{Key: key, KeyID: public.KeyID}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return &KeySigner{s, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}}, nil
}

// Sign returns the claims as a signed token.
func (s *KeySigner) Sign(_ context.Context, claims any) (string, error) {
	b, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := s.signer.Sign(b)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Keys returns the public key.
func (s *KeySigner) Keys(context.Context) (jose.JSONWebKeySet, error) { return s.public, nil }
