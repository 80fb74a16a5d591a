package kek

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// Sign signs a SHA-256 digest with an EC P-256 key (ES256). The signature is
// r and s of 32 bytes each; the ID is the version that signed.
func (c *Client) Sign(ctx context.Context, id ID, digest [32]byte) ([]byte, ID, error) {
	alg := azkeys.SignatureAlgorithmES256
	result, err := call(ctx, c, "sign", id, func(ctx context.Context, sdk *azkeys.Client) (azkeys.KeyOperationResult, error) {
		r, err := sdk.Sign(ctx, id.Name, id.Version, azkeys.SignParameters{Algorithm: &alg, Value: digest[:]}, nil)
		return r.KeyOperationResult, complete(err, r.KeyOperationResult)
	})
	if err != nil {
		return nil, ID{}, err
	}
	kid, err := c.sameKey("sign", id, string(*result.KID))
	if err != nil {
		return nil, ID{}, err
	}
	if len(result.Result) != 64 {
		return nil, ID{}, &Damaged{Op: "sign", Key: id, Message: fmt.Sprintf("the signature has %d bytes, not 64", len(result.Result))}
	}
	return result.Result, kid, nil
}

// PublicKey gets the public half of an EC P-256 key.
func (c *Client) PublicKey(ctx context.Context, id ID) (*ecdsa.PublicKey, error) {
	r, err := call(ctx, c, "get", id, func(ctx context.Context, sdk *azkeys.Client) (azkeys.GetKeyResponse, error) {
		r, err := sdk.GetKey(ctx, id.Name, id.Version, nil)
		if err == nil && (r.Key == nil || r.Key.KID == nil) {
			err = errUnreadable
		}
		return r, err
	})
	if err != nil {
		return nil, err
	}
	if _, err := c.sameKey("get", id, string(*r.Key.KID)); err != nil {
		return nil, err
	}
	if len(r.Key.X) != 32 || len(r.Key.Y) != 32 {
		return nil, &Damaged{Op: "get", Key: id, Message: "it is not an EC key on the curve P-256"}
	}
	point := append(append([]byte{4}, r.Key.X...), r.Key.Y...)
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, &Damaged{Op: "get", Key: id, Message: "it is not a point on the curve P-256"}
	}
	return pub, nil
}
