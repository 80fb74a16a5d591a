package admin

import "context"

// A SharedKeyOf names the shared keys of a workspace. Keys of another
// generation are other keys.
type SharedKeyOf struct {
	Workspace  string `json:"workspace"` // its immutable id, which no later workspace has
	Generation int    `json:"generation"`
}

// SharedKeys are what a sender signs with: base64 of 64 bytes each.
type SharedKeys struct {
	Primary   string `json:"primarySharedKey"`
	Secondary string `json:"secondarySharedKey"`
}

// A SharedSignature is an HMAC-SHA-256 that a sender made.
type SharedSignature struct {
	SharedKeyOf
	Text      string `json:"text"`
	Signature []byte `json:"signature"`
}

// SharedKeys returns a workspace's keys. POST /shared-keys.
func (c *Client) SharedKeys(ctx context.Context, of SharedKeyOf) (k SharedKeys, err error) {
	return k, c.wire.call(ctx, "/shared-keys", of, &k)
}

// SharedKeySigned tells whether one of the workspace's keys made the
// signature. POST /shared-keys/check.
func (c *Client) SharedKeySigned(ctx context.Context, s SharedSignature) (signed bool, err error) {
	return signed, c.wire.call(ctx, "/shared-keys/check", s, &signed)
}
