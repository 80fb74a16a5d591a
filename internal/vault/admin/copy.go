package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
)

// A Place is a new file.
type Place struct {
	Path string `json:"path"`
}

// Copy has the vault write a copy of its store to a new file. POST /copy.
func (c *Client) Copy(ctx context.Context, path string) error {
	return c.wire.call(ctx, "/copy", Place{path}, nil)
}

// Integrity returns the public half of the service's integrity key. POST /integrity.
func (c *Client) Integrity(ctx context.Context) (*ecdsa.PublicKey, error) {
	var der []byte
	if err := c.wire.call(ctx, "/integrity", nil, &der); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("internal error: the integrity key is of another kind")
	}
	return public, nil
}
