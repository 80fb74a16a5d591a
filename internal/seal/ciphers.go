//go:build !unsealed

package seal

import (
	"crypto/aes"
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"
)

// version is the format's. It is on disk.
const version = 1

// Sealing is true but in the program that benchmarks measure ours against.
const Sealing = true

// newInner returns the cipher of the inner layer.
func newInner(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// newOuter returns the cipher of the outer layer.
func newOuter(key []byte) (cipher.AEAD, error) { return chacha20poly1305.New(key) }
