package admin

import "context"

// A Head tells how far the vault has come: its number grows with each change of
// a vault, a key or a version, and its digest is of all that there is. Zero for a
// file that was not changed since there are heads.
type Head struct {
	Changes uint64 `json:"changes"`
	Digest  string `json:"digest,omitempty"`
}

// Heads are the vault's as it was found at the start, and as it is now.
type Heads struct {
	Opened Head `json:"opened"`
	Now    Head `json:"now"`
}

// Heads returns how far the vault has come. POST /head.
func (c *Client) Heads(ctx context.Context) (h Heads, err error) {
	return h, c.wire.call(ctx, "/head", nil, &h)
}
