package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// A Question asks the keeper whether roles let a principal do something in a
// vault that uses the role model.
type Question struct {
	Tenant   string `json:"tenant"`
	ObjectID string `json:"objectId"`
	AppID    string `json:"appId"`
	Action   string `json:"action"` // a data action, such as Microsoft.KeyVault/vaults/keys/unwrap/action
	Scope    string `json:"scope"`  // {vault id}/keys/{name}, or the vault's id
}

// A Change is what happened to a vault or a key.
type Change string

// The changes that a Notice tells of.
const (
	KeyCreated     Change = "KeyCreated" // the first version, or another one
	KeyUpdated     Change = "KeyUpdated" // attributes, operations or tags
	KeyRotated     Change = "KeyRotated"
	KeyDeleted     Change = "KeyDeleted"
	KeyRecovered   Change = "KeyRecovered"
	KeyPurged      Change = "KeyPurged"
	KeyNearExpiry  Change = "KeyNearExpiry" // its newest version will expire; told once
	KeyExpired     Change = "KeyExpired"    // its newest version has expired; told once
	PolicyUpdated  Change = "RotationPolicyUpdated"
	VaultCreated   Change = "VaultCreated"
	VaultUpdated   Change = "VaultUpdated" // access policies and the permission model, too
	VaultDeleted   Change = "VaultDeleted"
	VaultRecovered Change = "VaultRecovered"
	VaultPurged    Change = "VaultPurged"
)

// Claims are what a verified token says, in the words of this service's own.
type Claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Tenant   string `json:"tid"`
	ObjectID string `json:"oid"`
	AppID    string `json:"appid,omitempty"`
}

// A Token is one that the vault has not signed itself.
type Token struct {
	Text string `json:"text"`
}

// A Notice tells the keeper of a change that is already durable. It is sent
// before the call that made the change is answered. It only hastens a probe:
// one that is lost costs a probe interval.
type Notice struct {
	VaultURI string `json:"vaultUri"` // https://{vault}.vault.{domain}:{port}, no slash at the end
	Key      string `json:"key,omitempty"`
	Version  string `json:"version,omitempty"`
	What     Change `json:"what"`
}

// Callbacks asks and tells the keeper.
type Callbacks struct{ wire wire }

// NewCallbacks returns Callbacks for the keeper's Unix socket at the path.
func NewCallbacks(socket string) *Callbacks { return &Callbacks{wire: dial(socket)} }

// Authorize tells whether the keeper allows it. An error is neither yes nor no.
// POST /authorize.
func (c *Callbacks) Authorize(ctx context.Context, q Question) (bool, error) {
	var out Decision
	err := c.wire.call(ctx, "/authorize", q, &out)
	return out.Allowed, err
}

// A Decision is the keeper's answer to a Question.
type Decision struct {
	Allowed bool `json:"allowed"`
}

// Identify tells what a token of an outside issuer says that the keeper trusts.
// POST /identify.
func (c *Callbacks) Identify(ctx context.Context, token string) (Claims, error) {
	var out Claims
	err := c.wire.call(ctx, "/identify", Token{token}, &out)
	return out, err
}

// Notice tells the keeper. POST /notice.
func (c *Callbacks) Notice(ctx context.Context, n Notice) error {
	return c.wire.call(ctx, "/notice", n, nil)
}

// Close drops idle connections.
func (c *Callbacks) Close() { c.wire.http.CloseIdleConnections() }

// CallbackHandler is the keeper's end of Callbacks. notice should return
// quickly: the vault waits a tenth of a second for it, not longer.
func CallbackHandler(log *slog.Logger, authorize func(context.Context, Question) (bool, error), notice func(context.Context, Notice), identify func(context.Context, string) (Claims, error)) http.Handler {
	return Handler(log, map[string]Call{
		"/identify": func(ctx context.Context, body []byte) (any, error) {
			t, err := Read[Token](body)
			if err != nil {
				return nil, err
			}
			return identify(ctx, t.Text)
		},
		"/authorize": func(ctx context.Context, body []byte) (any, error) {
			q, err := Read[Question](body)
			if err != nil {
				return nil, err
			}
			allowed, err := authorize(ctx, q)
			return Decision{allowed}, err
		},
		"/notice": func(ctx context.Context, body []byte) (any, error) {
			n, err := Read[Notice](body)
			if err != nil {
				return nil, err
			}
			notice(ctx, n)
			return struct{}{}, nil
		},
	})
}

// A Call answers one path: with a value that is marshalled, or with an error,
// of which only a *Problem is told.
type Call func(ctx context.Context, body []byte) (any, error)

// maxQuestion bounds a request's body: a vault with 1024 access policies fits.
const maxQuestion = 4 << 20

// Read parses a call's body.
func Read[T any](body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, Refuse(http.StatusBadRequest, "BadRequest", "The body is not what this call takes: %v.", err)
	}
	return v, nil
}

// Handler serves calls by path. What a caller may not read of an error goes to
// the log.
func Handler(log *slog.Logger, calls map[string]Call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := serve(calls, w, r)
		if err != nil {
			p, ok := errors.AsType[*Problem](err)
			if !ok {
				log.ErrorContext(r.Context(), "call failed", "path", r.URL.Path, "error", err)
				p = Refuse(http.StatusInternalServerError, "InternalServerError", "The server encountered an internal error.")
			}
			write(w, p.Status, p)
			return
		}
		write(w, http.StatusOK, answer)
	})
}

func serve(calls map[string]Call, w http.ResponseWriter, r *http.Request) (any, error) {
	call, ok := calls[r.URL.Path]
	if !ok || r.Method != http.MethodPost {
		return nil, Refuse(http.StatusNotFound, "NotFound", "There is no call %s %s.", r.Method, r.URL.Path)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuestion))
	if err != nil {
		return nil, Refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is longer than %d bytes.", maxQuestion)
	}
	return call(r.Context(), body)
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"status":500,"code":"InternalServerError","message":"The answer could not be written."}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
