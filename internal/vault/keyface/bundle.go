package keyface

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
	"logkeep/internal/vault/material"
)

// bundle is a key version as a client reads it.
type bundle struct {
	Key        webKey            `json:"key"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	*deletion
}

type webKey struct {
	ID   string        `json:"kid"`
	Kind material.Kind `json:"kty"`
	Ops  []string      `json:"key_ops"`
	material.JWK
}

// item is a key or a version in a list.
type item struct {
	ID         string            `json:"kid"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	*deletion
}

// page is a piece of a list.
type page struct {
	Value []item  `json:"value"`
	Next  *string `json:"nextLink"`
}

type attributes struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
	Exportable      bool   `json:"exportable"`
}

// deletion is what a deleted key's bundle says more.
type deletion struct {
	RecoveryID string `json:"recoveryId"`
	Deleted    int64  `json:"deletedDate"`
	Purge      int64  `json:"scheduledPurgeDate"`
}

func (c *call) attributes(v keystore.Version) attributes {
	p := c.vault.Properties
	level := "Recoverable"
	if p.SoftDeleteRetentionInDays < 90 {
		level = "CustomizedRecoverable"
	}
	if !p.EnablePurgeProtection {
		level += "+Purgeable"
	}
	return attributes{v.Enabled, v.NotBefore, v.Expires, v.Created, v.Updated, level, p.SoftDeleteRetentionInDays, false}
}

func (c *call) deletion(k keystore.Key) *deletion {
	if k.Deleted == nil {
		return nil
	}
	return &deletion{c.base + "/deletedkeys/" + string(k.Name), k.Deleted.At.Unix(), k.Deleted.Purge.Unix()}
}

func (c *call) bundle(k keystore.Key, v keystore.Version) (bundle, error) {
	public, err := material.ParsePublic(v.Public)
	if err != nil {
		return bundle{}, err
	}
	jwk, err := public.JWK()
	if err != nil {
		return bundle{}, err
	}
	c.object = c.kid(k.Name, v.ID)
	return bundle{webKey{c.object, v.Kind, v.Ops, jwk}, c.attributes(v), v.Tags, c.deletion(k)}, nil
}

// uri is a vault's address as notices have it.
func (f *Face) uri(v keystore.Vault) string { return v.URI(f.Domain, f.Port) }

// live returns the key unless it is not there, deleted or past recovery.
func live(t *keystore.Tx, v keystore.Vault, name keystore.KeyName) (keystore.Key, error) {
	k, err := t.Key(v.UID, name)
	if errors.Is(err, keystore.ErrNotFound) || err == nil && k.Deleted != nil {
		return keystore.Key{}, keyNotFound(name, "")
	}
	return k, err
}

// liveVersion returns a version of a live key; "" is the newest.
func liveVersion(t *keystore.Tx, v keystore.Vault, name keystore.KeyName, id keystore.VersionID) (keystore.Key, keystore.Version, error) {
	k, err := live(t, v, name)
	if err != nil {
		return k, keystore.Version{}, err
	}
	version, err := t.Version(k, id)
	if errors.Is(err, keystore.ErrNotFound) {
		return k, version, keyNotFound(name, id)
	}
	return k, version, err
}

// body reads the request's body, which must be a JSON object that fits T. The
// length that the client states is believed only to refuse.
func body[T any](c *call) (T, error) {
	var v T
	tooLong := refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is longer than %d bytes.", maxBody)
	if c.r.ContentLength > maxBody {
		return v, tooLong
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return v, tooLong
	}
	if err != nil {
		return v, bad("The request's body could not be read to its end.")
	}
	if trimmed := strings.TrimLeft(string(b), " \t\r\n"); !strings.HasPrefix(trimmed, "{") {
		return v, bad("The request's body is missing or is not a JSON object.")
	}
	switch err := json.Unmarshal(b, &v); err := err.(type) {
	case nil:
		return v, nil
	case *json.UnmarshalTypeError:
		return v, bad("Property %q of the request's body has the wrong type: %s.", err.Field, err.Value)
	case *json.SyntaxError:
		return v, bad("The request's body is not valid JSON at byte %d.", err.Offset)
	case base64.CorruptInputError:
		return v, bad("A property of the request's body is not base64url, wrong at byte %d of it.", int64(err))
	default:
		return v, bad("The request's body has a value of the wrong form.")
	}
}

// base64URL is bytes as the protocol writes them, padded or not.
type base64URL []byte

func (b base64URL) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

func (b *base64URL) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(string(text), "="))
	return err
}

// record hands the call's audit record on.
func (c *call) record(start time.Time, id string, status int, told *refusal) {
	operation := "Authentication"
	if c.op != nil {
		operation = c.op.audit
	}
	who := admin.Caller{Address: c.address(), Correlation: cmp.Or(clip(c.r.Header.Get("X-Ms-Client-Request-Id")), id), ClientInfo: clip(c.r.UserAgent())}
	c.recordAs(operation, start, who, c.base+truncate(c.r.URL.RequestURI(), 1024), status, told)
}

// recordAs hands on the record of an operation: what was asked for is uri, from
// where and by which client, who says.
func (c *call) recordAs(operation string, start time.Time, who admin.Caller, uri string, status int, told *refusal) {
	if c.vault.UID == "" {
		return // no vault, no log
	}
	e := admin.Event{
		Time: start.UTC(), ResourceID: strings.ToUpper(c.vault.ID.String()),
		OperationName: operation, OperationVersion: c.version, Category: "AuditEvent",
		ResultType: "Success", ResultSignature: http.StatusText(status),
		DurationMs: time.Since(start).Milliseconds(), CallerIPAddress: who.Address,
		CorrelationID: who.Correlation,
		Identity:      admin.Identity{Claim: admin.Claim{ObjectID: c.caller.objectID, AppID: c.caller.appID, TenantID: c.caller.tenant}},
		Properties:    admin.EventProps{ClientInfo: who.ClientInfo, RequestURI: uri, ID: c.object, HTTPStatus: status},
	}
	if told != nil {
		e.ResultDescription = told.message
	}
	c.Audit(c.vault.UID, e)
}

func truncate(s string, n int) string { return s[:min(len(s), n)] }
