package admin

import (
	"context"
)

// A Key is a key, or a version of one, as a resource below its vault
// (Microsoft.KeyVault/vaults/keys): the public half only.
type Key struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties KeyProperties     `json:"properties"`
}

// KeyProperties of a Key.
type KeyProperties struct {
	Attributes     KeyAttributes   `json:"attributes"`
	Kind           string          `json:"kty"`
	Ops            []string        `json:"keyOps"`
	Bits           int             `json:"keySize,omitempty"`   // of an RSA key
	Curve          string          `json:"curveName,omitempty"` // of an EC key
	URI            string          `json:"keyUri"`              // without a version
	URIWithVersion string          `json:"keyUriWithVersion"`
	Rotation       *RotationPolicy `json:"rotationPolicy,omitempty"`
}

// KeyAttributes of a Key. Times are Unix seconds.
type KeyAttributes struct {
	Enabled       bool   `json:"enabled"`
	NotBefore     *int64 `json:"nbf,omitempty"`
	Expires       *int64 `json:"exp,omitempty"`
	Created       int64  `json:"created"`
	Updated       int64  `json:"updated"`
	RecoveryLevel string `json:"recoveryLevel"`
	Exportable    bool   `json:"exportable"`
}

// A RotationPolicy of a Key; durations are ISO 8601.
type RotationPolicy struct {
	Attributes RotationAttributes `json:"attributes"`
	Actions    []LifetimeAction   `json:"lifetimeActions"`
}

// RotationAttributes of a RotationPolicy.
type RotationAttributes struct {
	Created int64  `json:"created,omitempty"`
	Updated int64  `json:"updated,omitempty"`
	Expiry  string `json:"expiryTime,omitempty"`
}

// A LifetimeAction happens so long after a version was made, or so long before
// it expires.
type LifetimeAction struct {
	Action struct {
		Type string `json:"type"` // rotate or notify
	} `json:"action"`
	Trigger struct {
		AfterCreate  string `json:"timeAfterCreate,omitempty"`
		BeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
	} `json:"trigger"`
}

// MakeKey makes the key r.ID, {vault}/keys/{name}, as r.Body says; one that is
// there already is returned as it is. POST /keys/put.
func (c *Client) MakeKey(ctx context.Context, r Request) (Key, error) {
	return ask[Key](ctx, c, "/keys/put", r)
}

// Key returns the key r.ID, or its version {vault}/keys/{name}/versions/{id}.
// POST /keys/get.
func (c *Client) Key(ctx context.Context, r Request) (Key, error) {
	return ask[Key](ctx, c, "/keys/get", r)
}

// VaultKeys returns the keys of the vault r.ID, by name. POST /keys/list.
func (c *Client) VaultKeys(ctx context.Context, r Request) ([]Key, error) {
	return ask[[]Key](ctx, c, "/keys/list", r)
}

// KeyVersions returns the versions of the key r.ID. POST /keys/versions.
func (c *Client) KeyVersions(ctx context.Context, r Request) ([]Key, error) {
	return ask[[]Key](ctx, c, "/keys/versions", r)
}
