package material

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for RSA-OAEP, which names it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"
	"strings"
)

// oaep returns the hash of a wrapping algorithm.
func oaep(alg string) (crypto.Hash, error) {
	switch alg {
	case "RSA-OAEP":
		// SHA-1 is all that OAEP needs of a hash here: its security does not
		// rest on collision resistance.
		return crypto.SHA1, nil
	case "RSA-OAEP-256":
		return crypto.SHA256, nil
	case "RSA1_5":
		return 0, refuse("Algorithm RSA1_5 is not offered: its padding can be attacked through a service like this one. Use RSA-OAEP-256.")
	}
	return 0, refuse("Algorithm %q is not supported by this key. Use RSA-OAEP-256 or RSA-OAEP.", clip(alg))
}

// Wrap wraps value with an RSA key. Encrypting is the same arithmetic.
func (p *Public) Wrap(alg string, value []byte) ([]byte, error) {
	h, err := p.oaep(alg)
	if err != nil {
		return nil, err
	}
	if most := p.rsa.Size() - 2*h.Size() - 2; len(value) > most {
		return nil, refuse("The value has %d bytes; %s with this key takes at most %d.", len(value), alg, most)
	}
	return rsa.EncryptOAEP(h.New(), rand.Reader, p.rsa, value, nil)
}

func (p *Public) oaep(alg string) (crypto.Hash, error) {
	if p.rsa == nil {
		return 0, refuse("Algorithm %q is not supported by this key: it is an EC key, which signs and verifies only.", clip(alg))
	}
	return oaep(alg)
}

// Unwrap opens what Wrap made. All failures to open look alike, and take the
// same path through the library: OAEP must not become an oracle.
func (p *Private) Unwrap(alg string, value []byte) ([]byte, error) {
	h, err := p.Public().oaep(alg)
	if err != nil {
		return nil, err
	}
	out, err := rsa.DecryptOAEP(h.New(), nil, p.rsa, value, nil)
	if err != nil {
		return nil, refuse("The value can't be opened with this key version and algorithm: it was made with another one, or altered.")
	}
	return out, nil
}

// A scheme is how an algorithm signs.
type scheme struct {
	hash  crypto.Hash
	pss   bool
	curve string // of ES algorithms
}

func (p *Public) scheme(alg string, digest []byte) (scheme, error) {
	s, ok := scheme{}, false
	if len(alg) == 5 {
		s.hash, ok = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	}
	switch {
	case ok && strings.HasPrefix(alg, "RS"):
	case ok && strings.HasPrefix(alg, "PS"):
		s.pss = true
	case ok && strings.HasPrefix(alg, "ES"):
		s.curve = map[string]string{"256": "P-256", "384": "P-384", "512": "P-521"}[alg[2:]]
	default:
		return s, refuse("Algorithm %q is not supported. Use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512.", clip(alg))
	}
	if spec := p.Spec(); spec.Curve != s.curve {
		return s, refuse("Algorithm %s does not fit this key: it is of type %s%s.", alg, spec.Kind, strings.TrimSuffix(" on "+spec.Curve, " on "))
	}
	if len(digest) != s.hash.Size() {
		return s, refuse("The digest has %d bytes; %s takes %d.", len(digest), alg, s.hash.Size())
	}
	return s, nil
}

// Sign signs a digest. An EC signature is r and s, each as long as the field.
func (p *Private) Sign(alg string, digest []byte) ([]byte, error) {
	s, err := p.Public().scheme(alg, digest)
	switch {
	case err != nil:
		return nil, err
	case s.pss:
		return rsa.SignPSS(rand.Reader, p.rsa, s.hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case p.rsa != nil:
		return rsa.SignPKCS1v15(nil, p.rsa, s.hash, digest)
	}
	r, q, err := ecdsa.Sign(rand.Reader, p.ec, digest)
	if err != nil {
		return nil, err
	}
	n := (p.ec.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	q.FillBytes(out[n:])
	return out, nil
}

// Verify tells whether signature is one of digest.
func (p *Public) Verify(alg string, digest, signature []byte) (bool, error) {
	s, err := p.scheme(alg, digest)
	switch {
	case err != nil:
		return false, err
	case s.pss:
		return rsa.VerifyPSS(p.rsa, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil, nil
	case p.rsa != nil:
		return rsa.VerifyPKCS1v15(p.rsa, s.hash, digest, signature) == nil, nil
	}
	n := (p.ec.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*n {
		return false, nil
	}
	return ecdsa.Verify(p.ec, digest, new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])), nil
}

// clip keeps a stranger's text short in an answer.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
