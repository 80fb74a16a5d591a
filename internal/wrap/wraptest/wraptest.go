// Package wraptest signs as an installation's integrity key does, for tests and
// benchmarks. The real key never leaves the vault's process.
package wraptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
)

// A Signer is an integrity key that lies in memory. It implements wrap.Signer.
type Signer struct{ Key *ecdsa.PrivateKey }

// Sign signs a digest: r and s, 32 bytes each.
func (s Signer) Sign(_ context.Context, digest [32]byte) ([]byte, error) {
	r, v, err := ecdsa.Sign(rand.Reader, s.Key, digest[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	v.FillBytes(out[32:])
	return out, nil
}
