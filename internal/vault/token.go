package vault

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// tokens signs and checks the directory's tokens: RS256, the algorithm that
// every client library of the directory knows.
type tokens struct {
	signer jose.Signer
	public jose.JSONWebKey
}

const tokenBits = 2048

// newTokenKey makes a token key and returns what is stored of it.
func newTokenKey() (public, private []byte, err error) {
	k, err := rsa.GenerateKey(rand.Reader, tokenBits)
	if err != nil {
		return nil, nil, err
	}
	if private, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(&k.PublicKey)
	return public, private, err
}

// openTokens reads what newTokenKey returned.
func openTokens(private []byte) (*tokens, error) {
	k, err := x509.ParsePKCS8PrivateKey(private)
	key, ok := k.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("read the token key: it is no RSA key")
	}
	public := jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(jose.RS256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return &tokens{signer, public}, err
}

func (t *tokens) sign(claims []byte) (string, error) {
	s, err := t.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return s.CompactSerialize()
}

// verify returns what was signed. Only RS256 is parsed: a token's own word on
// how it is to be checked is not taken.
func (t *tokens) verify(token string) ([]byte, error) {
	s, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	return s.Verify(t.public)
}
