package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/resource"
)

// maxAnswer bounds what either side reads of the other's answer.
const maxAnswer = 16 << 20

// A Client talks to the vault's process. It is safe for concurrent use.
type Client struct{ wire wire }

// NewClient returns a Client for the Unix socket at the path. It connects when
// it is used; a call waits for the process to serve as long as its context lets
// it once the socket exists.
func NewClient(socket string) *Client { return &Client{wire: dial(socket)} }

// Close drops idle connections.
func (c *Client) Close() { c.wire.http.CloseIdleConnections() }

// Health returns nil when the vault serves. POST /health.
func (c *Client) Health(ctx context.Context) error {
	return c.wire.call(ctx, "/health", nil, nil)
}

// CA returns the certificate of the server's own authority, PEM. POST /ca.
func (c *Client) CA(ctx context.Context) ([]byte, error) {
	var out Certificate
	err := c.wire.call(ctx, "/ca", nil, &out)
	return out.Certificate, err
}

// A Certificate is a PEM chain and, for one just issued, its PEM private key.
type Certificate struct {
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key,omitempty"`
}

// IssueCertificate makes a server certificate for the names, DNS names
// (wildcards too) and addresses alike. It is never stored: a process asks for
// its own at each start. POST /certificates.
func (c *Client) IssueCertificate(ctx context.Context, names []string) (Certificate, error) {
	var out Certificate
	err := c.wire.call(ctx, "/certificates", names, &out)
	return out, err
}

// Sign signs the claims, anything that marshals to a JSON object, with the
// token key and returns a compact JWT. POST /tokens.
func (c *Client) Sign(ctx context.Context, claims any) (string, error) {
	var out string
	err := c.wire.call(ctx, "/tokens", claims, &out)
	return out, err
}

// Keys returns the public half of the token key. POST /tokens/keys.
func (c *Client) Keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	var out jose.JSONWebKeySet
	err := c.wire.call(ctx, "/tokens/keys", nil, &out)
	return out, err
}

// PutVault creates, replaces or (createMode "recover") recovers the vault r.ID
// and tells whether it was created. POST /vaults/put.
func (c *Client) PutVault(ctx context.Context, r Request) (v Vault, created bool, err error) {
	var out PutAnswer
	err = c.wire.call(ctx, "/vaults/put", r, &out)
	return out.Vault, out.Created, err
}

// A PutAnswer is what PutVault's call answers.
type PutAnswer struct {
	Vault   Vault `json:"vault"`
	Created bool  `json:"created"`
}

// PatchVault changes what r.Body names. POST /vaults/patch.
func (c *Client) PatchVault(ctx context.Context, r Request) (Vault, error) {
	return ask[Vault](ctx, c, "/vaults/patch", r)
}

// An Edit is how a list of access policies changes a vault's.
type Edit string

// The edits, as they stand in …/vaults/{name}/accessPolicies/{edit}.
const (
	AddPolicies     Edit = "add"
	ReplacePolicies Edit = "replace"
	RemovePolicies  Edit = "remove"
)

// EditPolicies changes access policies; r.Body is {"properties":
// {"accessPolicies": […]}}. POST /vaults/policies/{edit}.
func (c *Client) EditPolicies(ctx context.Context, edit Edit, r Request) (Vault, error) {
	return ask[Vault](ctx, c, "/vaults/policies/"+string(edit), r)
}

// Vault returns the vault r.ID. POST /vaults/get.
func (c *Client) Vault(ctx context.Context, r Request) (Vault, error) {
	return ask[Vault](ctx, c, "/vaults/get", r)
}

// Vaults returns the vaults within r.ID, a subscription or a resource group,
// by name. POST /vaults/list.
func (c *Client) Vaults(ctx context.Context, r Request) ([]Vault, error) {
	return ask[[]Vault](ctx, c, "/vaults/list", r)
}

// DeleteVault deletes the vault r.ID softly. POST /vaults/delete.
//
// The service that this one is compatible with removes a deleted vault's role
// assignments, and recovering the vault does not bring them back; assignments
// are the keeper's.
func (c *Client) DeleteVault(ctx context.Context, r Request) error {
	return c.wire.call(ctx, "/vaults/delete", r, nil)
}

// CheckName tells whether a new vault may have the name. POST /vaults/names.
func (c *Client) CheckName(ctx context.Context, name string) (NameCheck, error) {
	var out NameCheck
	err := c.wire.call(ctx, "/vaults/names", name, &out)
	return out, err
}

// DeletedVaults returns the deleted vaults of the subscription r.ID, by name.
// POST /deleted/list.
func (c *Client) DeletedVaults(ctx context.Context, r Request) ([]DeletedVault, error) {
	return ask[[]DeletedVault](ctx, c, "/deleted/list", r)
}

// DeletedVault returns the deleted vault r.ID, of the form
// /subscriptions/{s}/providers/Microsoft.KeyVault/locations/{l}/deletedVaults/{n}.
// POST /deleted/get.
func (c *Client) DeletedVault(ctx context.Context, r Request) (DeletedVault, error) {
	return ask[DeletedVault](ctx, c, "/deleted/get", r)
}

// PurgeVault destroys the deleted vault r.ID, of the same form, and its keys
// for ever. POST /deleted/purge.
func (c *Client) PurgeVault(ctx context.Context, r Request) error {
	return c.wire.call(ctx, "/deleted/purge", r, nil)
}

// An AuditQuery asks for a vault's audit records after one already seen.
type AuditQuery struct {
	Vault resource.ID `json:"vault"`
	After int64       `json:"after"` // the Next of the page before, 0 at first
	Limit int         `json:"limit"` // at most 1000

	// Reader is who asks. What comes after After is kept for it, up to a bound, for
	// as long as it goes on asking; "" waits for nothing.
	Reader string `json:"reader,omitempty"`
}

// An AuditPage holds records, oldest first, and where to go on.
type AuditPage struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next"`
	Lost   int64   `json:"lost,omitempty"` // records after After that were removed, at most so many
}

// Audit returns records of a vault's audit log. The log is bounded: old
// records make room for new ones, last of all those that a Reader waits for. POST /audit.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (AuditPage, error) {
	var out AuditPage
	err := c.wire.call(ctx, "/audit", q, &out)
	return out, err
}

func ask[T any](ctx context.Context, c *Client, path string, r Request) (T, error) {
	var out T
	err := c.wire.call(ctx, path, r, &out)
	return out, err
}

// wire is HTTP with JSON over a Unix socket, for both directions.
type wire struct{ http *http.Client }

func dial(socket string) wire {
	var d net.Dialer
	return wire{&http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}}}
}

func (w wire) call(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://logkeep"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.http.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("call %s: the answer is longer than %d bytes", path, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		var p Problem
		if json.Unmarshal(answer, &p) != nil || p.Code == "" {
			return fmt.Errorf("call %s: unexpected answer %s", path, resp.Status)
		}
		return &p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("call %s: read the answer: %w", path, err)
	}
	return nil
}
