package admin

import (
	"context"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/dsse"
)

// A Document is to be signed with the key of reports.
type Document struct {
	Type    string `json:"type"`
	Payload []byte `json:"payload"`
}

// SignReport signs a document that will leave the server. POST /reports/sign.
func (c *Client) SignReport(ctx context.Context, documentType string, payload []byte) (dsse.Envelope, error) {
	var out dsse.Envelope
	err := c.wire.call(ctx, "/reports/sign", Document{documentType, payload}, &out)
	return out, err
}

// ReportKeys returns the public half of the key of reports. POST /reports/keys.
func (c *Client) ReportKeys(ctx context.Context) (jose.JSONWebKeySet, error) {
	var out jose.JSONWebKeySet
	err := c.wire.call(ctx, "/reports/keys", nil, &out)
	return out, err
}
