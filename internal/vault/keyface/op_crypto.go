package keyface

import (
	"net/url"
	"time"

	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// operand is the body of the operations with a key.
type operand struct {
	Algorithm string    `json:"alg"`
	Value     base64URL `json:"value"`
	Digest    base64URL `json:"digest"`
}

// result is their answer.
type result struct {
	ID    string    `json:"kid"`
	Value base64URL `json:"value"`
}

func keyDisabled(op string) *refusal {
	return forbidden("KeyDisabled", "Operation %s is not allowed on a disabled key.", op)
}

// protects are the operations that put something under the key. They are for a
// key in its time; what is under a key can be read back after it, too.
var protects = map[string]bool{"wrapKey": true, "encrypt": true, "sign": true}

// use reads the body and finds the key version for the call's operation, with
// its private half if it is needed.
func (c *call) use(private bool) (operand, keystore.Version, *material.Private, error) {
	var v keystore.Version
	var half *material.Private
	b, err := body[operand](c)
	if err != nil {
		return b, v, nil, err
	}
	if b.Algorithm == "" || b.Value == nil {
		return b, v, nil, bad("Properties alg and value are required.")
	}
	err = c.Store.View(c.ctx, func(t *keystore.Tx) error {
		var k keystore.Key
		var err error
		if k, v, err = liveVersion(t, c.vault, c.target.name, c.target.version); err != nil {
			return err
		}
		c.object = c.kid(k.Name, v.ID)
		if err := usable(c.op.permission, v, time.Now().Unix()); err != nil || !private {
			return err
		}
		half, err = t.Private(k, v)
		return err
	})
	return b, v, half, err
}

// usable tells whether the version takes part in the operation at a time.
func usable(op string, v keystore.Version, now int64) error {
	switch {
	case !v.Enabled:
		return keyDisabled(op)
	case protects[op] && v.NotBefore != nil && now < *v.NotBefore:
		return forbidden("KeyNotYetValid", "Operation %s is not allowed on a key that is not yet valid.", op)
	case protects[op] && v.Expires != nil && now >= *v.Expires:
		return forbidden("KeyExpired", "Operation %s is not allowed on an expired key.", op)
	case !v.May(op):
		return forbidden("KeyOperationForbidden", "Operation %s is not permitted on this key.", op)
	}
	return nil
}

// wrap is wrapping and encrypting.
func (c *call) wrap(url.Values) (any, error) {
	b, v, _, err := c.use(false)
	if err != nil {
		return nil, err
	}
	defer clear(b.Value)
	public, err := material.ParsePublic(v.Public)
	if err != nil {
		return nil, err
	}
	out, err := public.Wrap(b.Algorithm, b.Value)
	return result{c.object, out}, unfit(err)
}

// unwrap is unwrapping and decrypting.
func (c *call) unwrap(url.Values) (any, error) {
	b, _, private, err := c.use(true)
	if err != nil {
		return nil, err
	}
	out, err := private.Unwrap(b.Algorithm, b.Value)
	return result{c.object, out}, unfit(err)
}

func (c *call) sign(url.Values) (any, error) {
	b, _, private, err := c.use(true)
	if err != nil {
		return nil, err
	}
	out, err := private.Sign(b.Algorithm, b.Value)
	return result{c.object, out}, unfit(err)
}

func (c *call) verify(url.Values) (any, error) {
	b, v, _, err := c.use(false)
	if err != nil {
		return nil, err
	}
	public, err := material.ParsePublic(v.Public)
	if err != nil {
		return nil, err
	}
	ok, err := public.Verify(b.Algorithm, b.Digest, b.Value)
	return struct {
		Value bool `json:"value"`
	}{ok}, unfit(err)
}
