// Package keyface is the vault's data plane: keys over HTTP, as clients of
// Azure Key Vault speak it.
//
// A request is taken through these gates, and the first that is shut answers:
//
//	host      which vault; none of that name: 404 VaultNotFound
//	token     signed here, in time, for this audience and tenant: 401 with the challenge
//	path      an operation on a well-formed name, and an api-version: 400, 404, 405
//	network   the vault's address rules: 403 ForbiddenByConnection, ForbiddenByFirewall
//	permit    access policies, or roles as the keeper decides: 403 AccessDenied, ForbiddenByRbac
//	body      bounded, JSON, of the right shape: 413, 400
//	key       there, enabled, in its time, for this operation: 404, 403
//
// What a call changed is durable, and the keeper was told, before it is
// answered. When the keeper can't be asked about roles, the answer is 503:
// silence, never a denial.
//
// A disabled key refuses every use, wrapping and verifying too. An expired or
// not yet valid one still unwraps, decrypts and verifies.
package keyface

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// Config is what a Face works with. All but Audit is needed.
type Config struct {
	Domain string // vaults are {name}.vault.{Domain} and {name}.managedhsm.{Domain}
	Port   int    // of the server, for the keeper's notices
	Store  *keystore.Store

	Verify    func(token string) (payload []byte, err error) // checks a token's signature
	Authorize func(context.Context, admin.Question) (bool, error)
	Notice    func(context.Context, admin.Notice)
	Audit     func(keystore.VaultUID, admin.Event)
	Log       *slog.Logger
}

// A Face serves the data plane of all vaults. The address in a request's
// RemoteAddr is the client's, or admin.TrustedAddress.
type Face struct {
	Config
	making chan struct{} // a place in it lets one make a key
}

// New returns a Face.
func New(cfg Config) *Face {
	if cfg.Audit == nil {
		cfg.Audit = func(keystore.VaultUID, admin.Event) {}
	}
	return &Face{Config: cfg, making: make(chan struct{}, 2)}
}

// maxBody bounds a request: the longest legitimate one has 15 tags.
const maxBody = 64 << 10

// A call is one request on its way through the gates.
type call struct {
	*Face
	ctx     context.Context
	r       *http.Request
	w       http.ResponseWriter
	vault   keystore.Vault
	base    string // https://{vault host}, with the port that the client wrote
	suffix  string // .vault.{domain} or .managedhsm.{domain}
	port    string // ":8443", as the client wrote it, or ""
	caller  caller
	target  target
	op      *operation
	version string // api-version
	object  string // the key id that the audit record names
}

// ServeHTTP answers one call and records it.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, id := time.Now(), uuid.NewString()
	c := &call{Face: f, ctx: r.Context(), r: r, w: w}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Ms-Request-Id", id)

	answer, err := c.serve()
	status := http.StatusOK
	var told *refusal
	switch {
	case err != nil:
		told = c.told(err)
		status = told.status
		if told.retry {
			h.Set("Retry-After", "1")
		}
		write(w, status, told.body())
	case answer == nil:
		status = http.StatusNoContent
		w.WriteHeader(status)
	default:
		write(w, status, answer)
	}
	c.record(start, id, status, told)
}

// told turns err into what the client reads; the log gets what it may not.
func (c *call) told(err error) *refusal {
	if told, ok := errors.AsType[*refusal](err); ok {
		return told
	}
	if c.ctx.Err() != nil {
		return &refusal{status: http.StatusServiceUnavailable, code: "ServiceUnavailable", message: "The request was cancelled.", retry: true}
	}
	c.Log.Error("key operation failed", "vault", c.vault.Name, "key", c.target.name, "error", err)
	if errors.Is(err, keystore.ErrDamaged) {
		return refuse(http.StatusInternalServerError, "InternalServerError", "The vault's record of this key is damaged or was altered. The server's operator must restore it.")
	}
	if errors.Is(err, keystore.ErrFull) {
		return refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "The disk of the vault is full; nothing was changed. The server's operator must make room.")
	}
	return refuse(http.StatusInternalServerError, "InternalServerError", "The server encountered an internal error.")
}

// serve takes the call through the gates.
func (c *call) serve() (any, error) {
	if err := c.findVault(); err != nil {
		return nil, err
	}
	if err := c.identify(); err != nil {
		return nil, err
	}
	var err error
	if c.target, err = parsePath(c.r.URL.EscapedPath()); err != nil {
		return nil, err
	}
	if c.op, err = route(c.r.Method, c.target); err != nil {
		return nil, err
	}
	query, err := parseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	c.version = query.Get("api-version")
	c.object = c.kid(c.target.name, c.target.version)
	if err := c.admit(); err != nil {
		return nil, err
	}
	if err := c.permit(); err != nil {
		return nil, err
	}
	return c.op.run(c, query)
}

// findVault reads the vault's name off the host. A vault that is not there has
// no tenant to challenge for, so it is missed before anyone is identified; in
// Azure its name would not even resolve.
func (c *call) findVault() error {
	host, port := c.r.Host, ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		host = h
		if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			port = fmt.Sprintf(":%d", n)
		}
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	name, suffix, _ := strings.Cut(host, ".")
	c.suffix, c.port = "."+suffix, port
	c.base = "https://" + host + port
	if suffix != "vault."+c.Domain && suffix != "managedhsm."+c.Domain {
		return refuse(http.StatusNotFound, "VaultNotFound", "This service has no vault at %q.", clip(c.r.Host))
	}
	err := c.Store.View(c.ctx, func(t *keystore.Tx) (err error) {
		c.vault, err = t.Vault(keystore.VaultName(name))
		return err
	})
	if errors.Is(err, keystore.ErrNotFound) || err == nil && c.vault.Deleted != nil {
		c.vault = keystore.Vault{}
		return refuse(http.StatusNotFound, "VaultNotFound", "The vault %q was not found. If it was deleted it can be recovered until its retention ends.", clip(name))
	}
	return err
}

// kid returns a key id as this client sees it.
func (c *call) kid(name keystore.KeyName, version keystore.VersionID) string {
	switch {
	case name == "":
		return ""
	case version == "":
		return c.base + "/keys/" + string(name)
	}
	return c.base + "/keys/" + string(name) + "/" + string(version)
}

// changed tells the keeper of a change that is durable.
func (c *call) changed(what admin.Change, name keystore.KeyName, version keystore.VersionID) {
	c.Notice(c.ctx, admin.Notice{VaultURI: c.uri(c.vault), Key: string(name), Version: string(version), What: what})
}
